/* The agent's report to the master, as docs/protocol.md draws it. Reads everything, changes nothing. */
#include "agent/report.h"

#include <string.h>

#include "agent/agent.h"
#include "agent/check.h"
#include "agent/purge.h"
#include "agent/source.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/paged.h"
#include "common/config/json.h"
#include "common/config/mode.h"

static json_t *error_object(const struct err *e)
{
	json_t *o = json_object();

	json_object_set_new(o, "code", json_integer((json_int_t)e->code));
	if (e->sql_errno)
		json_object_set_new(o, "errno", json_integer((json_int_t)e->sql_errno));
	json_object_set_new(o, "text", json_any_text(e->text));
	return o;
}

static void put_status(json_t *o, const char *key, const struct proc *p)
{
	if (p->status)
		json_object_set(o, key, p->status);
	else
		json_object_set_new(o, key, json_object());
}

/* DM's word: one that is told to pull nothing is paused, though it still serves. */
static const char *relay_word(const struct source *s)
{
	if (s->stage != STAGE_Running || !source_relay_is_held(s))
		return stage_name((int)s->stage);
	return strcmp(proc_status_text(s->relay, "phase"), "paused") == 0 ? "Paused" : "Pausing";
}

static json_t *relay_object(const struct source *s)
{
	json_t *o = json_object();

	json_object_set_new(o, "stage", json_string(relay_word(s)));
	json_object_set_new(o, "restarts", json_integer((json_int_t)s->relay->backoff.restarts));
	put_status(o, "status", s->relay);
	json_object_set_new(o, "error", error_object(s->error.code ? &s->error : &s->relay->error));
	return o;
}

/* DM's word for what is under way. */
static const char *unit_word(const struct subtask *t)
{
	const char *phase = proc_status_text(t->load, "phase");
	const struct mode *m = mode_find(subtask_mode(t));

	if (t->phase == PHASE_SYNC)
		return "Sync";
	if (m && m->to == MODE_FILES)
		return "Dump";
	if (m && m->from == MODE_FILES)
		return "Load";
	if (t->phase == PHASE_DONE || strcmp(phase, "load") == 0 || strcmp(phase, "schema") == 0 ||
		strcmp(phase, "done") == 0)
		return strcmp(subtask_mode(t), "incremental") == 0 ? "Sync" : "Load";
	return "Dump";
}

/* Why it is paused; else what the unit that matters most complains of, though it goes on by itself. */
static const struct err *shown_error(const struct subtask *t)
{
	const struct proc *const order[] = {t->sync, t->load, t->dump};

	if (t->error.code)
		return &t->error;
	for (unsigned i = 0; i < 3; i++)
		if (order[i]->error.code)
			return &order[i]->error;
	return &t->error;
}

static json_t *subtask_object(const struct subtask *t)
{
	json_t *o = json_object();

	json_object_set_new(o, "task", json_string(t->task));
	json_object_set_new(o, "sub", json_integer((json_int_t)t->sub));
	json_object_set_new(o, "stage", json_string(stage_name((int)t->stage)));
	json_object_set_new(o, "unit", json_string(unit_word(t)));
	json_object_set_new(o, "looked", json_boolean(t->looked));
	json_object_set_new(o, "copied", json_boolean(t->copied));
	json_object_set_new(o, "meta_removed", json_boolean(t->meta_removed));
	if (t->snapshot)
		json_object_set(o, "snapshot", t->snapshot);
	json_object_set_new(o, "restarts",
		json_integer((json_int_t)(t->dump->backoff.restarts + t->load->backoff.restarts +
					  t->sync->backoff.restarts)));
	put_status(o, "dump", t->dump);
	put_status(o, "load", t->load);
	put_status(o, "sync", t->sync);
	json_object_set_new(o, "error", error_object(shown_error(t)));
	return o;
}

static json_t *source_object(const struct source *s)
{
	json_t *o = json_object(), *list = json_array();

	json_object_set_new(o, "source", json_string(s->name));
	json_object_set_new(o, "relay", relay_object(s));
	for (const struct subtask *t = s->subtasks; t; t = t->next)
		json_array_append_new(list, subtask_object(t));
	json_object_set_new(o, "subtasks", list);
	return o;
}

/*
 * The orders give it a slot that this host has no uid for, so nothing of it is started: whoever asks for its
 * status must see why.
 */
static json_t *unserved_object(const struct agent *a, const json_t *spec)
{
	const json_t *tasks = json_object_get(spec, "subtasks"), *t;
	json_t *list = json_array(), *error;
	struct err e = {0};
	size_t i;

	err_set(&e, ERR_config_bad,
		"source `%s` has slot %lld, and this host has uids for slots up to %u only: see --uid-range "
		"in tidegated(8)",
		json_text(spec, "source", ""), (long long)json_num(spec, "slot", 0), a->slots);
	error = error_object(&e);
	json_array_foreach(tasks, i, t)
		json_array_append_new(
			list, json_pack("{s:s, s:I, s:s, s:O}", "task", json_text(t, "task", ""), "sub",
				      (json_int_t)json_num(t, "sub", 0), "stage", "New", "error", error));
	return json_pack("{s:s, s:b, s:{s:s, s:i, s:{}, s:o}, s:o}", "source", json_text(spec, "source", ""),
		"unserved", true, "relay", "stage", "Paused", "restarts", 0, "status", "error", error,
		"subtasks", list);
}

static void put_unserved(const struct agent *a, json_t *sources)
{
	const json_t *spec;
	size_t i;

	json_array_foreach(json_object_get(a->orders, "sources"), i, spec) {
		int64_t slot = json_num(spec, "slot", 0);

		if (slot > (int64_t)a->slots && slot <= SPAWN_MAX_SLOT &&
			!source_find(a, json_text(spec, "source", "")))
			json_array_append_new(sources, unserved_object(a, spec));
	}
}

static json_t *check_object(const struct check *c)
{
	json_t *o = json_object(), *findings = json_object_get(c->proc->status, "findings"),
	       *progress = json_object_get(c->proc->status, "progress");

	json_object_set_new(o, "id", json_integer(c->id));
	json_object_set_new(o, "done", json_boolean(c->done));
	if (findings)
		json_object_set(o, "findings", findings);
	else
		json_object_set_new(o, "findings", json_array());
	if (progress)
		json_object_set(o, "progress", progress);
	json_object_set_new(o, "error", error_object(&c->error));
	return o;
}

/* False: there is nothing to be left out any more. */
static bool leave_out_largest(json_t *checks)
{
	struct err e = {0};
	json_t *largest = NULL, *c;
	size_t most = strlen("[]"), i;

	json_array_foreach(checks, i, c) {
		size_t n = json_dumpb(json_object_get(c, "findings"), NULL, 0, JSON_COMPACT);

		if (n > most) {
			most = n;
			largest = c;
		}
	}
	if (!largest)
		return false;
	err_set(&e, ERR_check_failed,
		"too much for one answer (%.1f MiB of it from this source): ask for one source at a time",
		(double)most / (1 << 20));
	json_object_set_new(largest, "findings", json_array());
	json_object_set_new(largest, "error", error_object(&e));
	return true;
}

/*
 * The master takes no more than PAGED_MAX, and findings stay until it has taken them: a report that is
 * refused for their sake would be refused again and again, and nothing be heard of any task meanwhile.
 */
static void write_within(json_t *o, json_t *checks, struct buf *out)
{
	size_t begin = out->n;

	do {
		out->n = begin;
		json_write(o, out);
	} while (out->n - begin > PAGED_MAX && leave_out_largest(checks));
}

void report_write(const struct agent *a, struct buf *out)
{
	json_t *o = json_object(), *sources = json_array(), *checks = json_array();

	json_object_set_new(o, "revision", json_integer(json_num(a->orders, "revision", 0)));
	for (const struct source *s = a->sources; s; s = s->next)
		json_array_append_new(sources, source_object(s));
	put_unserved(a, sources);
	for (const struct check *c = a->checks; c; c = c->next)
		json_array_append_new(checks, check_object(c));
	purge_report(a, checks);
	json_object_set_new(o, "sources", sources);
	json_object_set_new(o, "checks", checks);
	write_within(o, checks, out);
	json_decref(o);
}

static json_t *own_object(const struct agent *a)
{
	json_int_t sources = 0, units = 0;

	for (const struct source *s = a->sources; s; s = s->next)
		sources++;
	for (const struct proc *p = a->procs; p; p = p->next)
		units += p->state == PROC_ALIVE || p->state == PROC_LEAVING;
	return json_pack("{s:b, s:I, s:I, s:I}", "connected", a->master.session != 0, "sources", sources,
		"units", units, "uptime_ms", (json_int_t)(clock_ms() - a->started_ms));
}

void report_metrics(const struct agent *a, struct metrics *m)
{
	metrics_add(m, METRIC_PROCESS, NULL, NULL, own_object(a));
	for (const struct source *s = a->sources; s; s = s->next) {
		metrics_add(m, METRIC_SOURCE, s->name, NULL, json_pack("{s:o}", "relay", relay_object(s)));
		for (const struct subtask *t = s->subtasks; t; t = t->next)
			metrics_add(m, METRIC_TASK, t->task, s->name, subtask_object(t));
	}
}
