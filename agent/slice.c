/*
 * Cuts each unit's part out of the orders: its own side's address, its own options, nothing of the others.
 * Passwords pass through as the cipher text they came as; this process could not read them (T32).
 */
#include "agent/slice.h"

#include <string.h>
#include <sys/statvfs.h>

#include "agent/agent.h"
#include "agent/check.h"
#include "agent/source.h"
#include "common/base/position.h"
#include "common/config/json.h"
#include "fds.h"

static json_t *head(const struct proc *p, const json_t *source_spec)
{
	const struct agent *a = p->agent;
	json_t *o = json_object();

	json_object_set_new(o, "unit", json_string(unit_info((int)p->kind)->name));
	json_object_set_new(o, "source", json_string(p->source));
	json_object_set_new(o, "slot", json_integer((json_int_t)p->slot));
	json_object_set_new(o, "sub", json_integer((json_int_t)p->sub));
	json_object_set_new(o, "epoch", json_integer(json_num(source_spec, "epoch", 0)));
	json_object_set_new(o, "agent", json_string(a->name));
	json_object_set_new(o, "log_level", json_string(a->log_level));
	return o;
}

/* Borrowed where it is there, so that a slice never changes the orders. */
static void put(json_t *o, const char *as, const json_t *from, const char *key)
{
	json_t *v = json_object_get(from, key);

	if (v)
		json_object_set(o, as, v);
}

static json_t *own_options(const json_t *given)
{
	return json_is_object(given) ? json_deep_copy(given) : json_object();
}

/* From where on it needs the relay log; NULL: it does not. */
static const json_t *start_of(const struct subtask *t)
{
	return subtask_needs_relay(t) ? subtask_relay_start(t) : NULL;
}

/* 0: it is not known, as of a copy's snapshot. */
static int64_t generation_of(const json_t *start)
{
	return json_num(start, "generation", 0);
}

/* By file number and offset; a name without a number can't be compared and is never the earlier one. */
static bool is_earlier(const json_t *a, const json_t *b)
{
	char base[256];
	uint64_t na, nb;

	if (binlog_name_split(str_of(json_text(a, "file", "")), base, sizeof(base), &na, NULL) < 0)
		return false;
	if (!b || binlog_name_split(str_of(json_text(b, "file", "")), base, sizeof(base), &nb, NULL) < 0)
		return true;
	return na != nb ? na < nb : json_num(a, "offset", 0) < json_num(b, "offset", 0);
}

static bool is_copying(const struct subtask *t)
{
	return t->phase == PHASE_COPY || t->phase == PHASE_LOOK;
}

/*
 * Where a relay without a log must begin: at the oldest snapshot (or start) of those that will follow it. The
 * relay ignores it once it has a log.
 */
static const json_t *relay_start(const struct source *s, int64_t generation, bool *copied)
{
	const json_t *first = NULL;

	for (const struct subtask *t = s->subtasks; t; t = t->next) {
		const json_t *start = start_of(t);

		if (start && generation_of(start) && generation_of(start) != generation)
			continue; /* of another server: by its set */
		if (start && is_earlier(start, first)) {
			first = start;
			*copied = !is_copying(t);
		}
	}
	return first;
}

/* What is known best of a log that another host had: the latest generation, there the earliest place. */
static const json_t *proof(const struct source *s)
{
	const json_t *best = NULL;

	for (const struct subtask *t = s->subtasks; t; t = t->next) {
		const json_t *start = start_of(t);

		if (generation_of(start) == 0 || generation_of(start) < generation_of(best))
			continue;
		if (generation_of(start) > generation_of(best) || is_earlier(start, best))
			best = start;
	}
	return best;
}

/* Without its set, which may be long. */
static json_t *need_of(const json_t *start)
{
	json_t *need = json_pack("{s:I, s:s, s:I, s:s}", "generation", (json_int_t)generation_of(start),
		"file", json_text(start, "file", ""), "offset", (json_int_t)json_num(start, "offset", 0),
		"head", json_text(start, "head", ""));

	if (json_flag(start, "lost", false))
		json_object_set_new(need, "lost", json_true());
	return need;
}

/* Where a task begins that has applied nothing yet. A copy that can't go on from there begins anew. */
static json_t *copy_of(const struct subtask *t, const json_t *start)
{
	return json_pack("{s:s, s:b, s:s}", "gtid", json_text(start, "gtid", ""), "wish", is_copying(t),
		"server", json_text(start, "server", ""));
}

/* Where the upstream is not the server that the copy was made from, its file of that name says nothing. */
static void put_copies(const struct source *s, json_t *options)
{
	json_t *copies = json_array();

	for (const struct subtask *t = s->subtasks; t; t = t->next) {
		const json_t *start = start_of(t);
		bool told = json_text(start, "gtid", "")[0] || json_text(start, "server", "")[0];

		if (start && generation_of(start) == 0 && json_text(start, "file", "")[0] && told)
			json_array_append_new(copies, copy_of(t, start));
	}
	if (json_array_size(copies) > 0)
		json_object_set(options, "start_copies", copies);
	json_decref(copies);
}

/*
 * Which file it was, by which sets to go on where the upstream's file of that name is another one, and all
 * places that are needed: a log of before that one of them lies in is kept.
 */
static void put_proof(const struct source *s, const json_t *best, json_t *options)
{
	json_t *sets = json_array(), *needs = json_array();

	json_object_set(options, "start_generation", json_object_get(best, "generation"));
	json_object_set(options, "proof_file", json_object_get(best, "file"));
	json_object_set(options, "proof_offset", json_object_get(best, "offset"));
	json_object_set(options, "proof_head", json_object_get(best, "head"));
	for (const struct subtask *t = s->subtasks; t; t = t->next) {
		const json_t *start = start_of(t);

		if (generation_of(start) == generation_of(best) && json_text(start, "gtid", "")[0])
			json_array_append(sets, json_object_get(start, "gtid"));
		if (generation_of(start))
			json_array_append_new(needs, need_of(start));
	}
	json_object_set_new(options, "start_else", sets);
	json_object_set_new(options, "needs", needs);
}

/* The sets where tasks begin that name no file, or one of a server of before: the relay asks the upstream
 * which one that is. */
static void put_gtids(const struct source *s, int64_t generation, json_t *options)
{
	json_t *list = json_object_get(options, "start_gtids");

	list = json_is_array(list) ? json_incref(list) : json_array();
	for (const struct subtask *t = s->subtasks; t; t = t->next) {
		const json_t *start = start_of(t);

		bool other = generation_of(start) && generation_of(start) != generation;

		if (start && (other || !json_text(start, "file", "")[0]) && json_text(start, "gtid", "")[0])
			json_array_append(list, json_object_get(start, "gtid"));
	}
	if (json_array_size(list) > 0)
		json_object_set(options, "start_gtids", list);
	json_decref(list);
}

json_t *slice_relay(const struct source *s, const struct proc *p)
{
	json_t *o = head(p, s->spec);
	json_t *options = own_options(json_object_get(json_object_get(s->spec, "relay"), "options"));
	bool copied = true;
	const json_t *best = proof(s), *start = relay_start(s, generation_of(best), &copied);

	put(o, "upstream", s->spec, "endpoint");
	/* A copy that can't go on from there begins anew. */
	if (start && !copied)
		json_object_set_new(options, "start_wish", json_true());
	if (start && !json_text(options, "start_file", "")[0]) {
		json_object_set_new(options, "start_file", json_string(json_text(start, "file", "")));
		json_object_set_new(options, "start_offset", json_integer(json_num(start, "offset", 0)));
	}
	if (best)
		put_proof(s, best, options);
	put_copies(s, options);
	put_gtids(s, generation_of(best), options);
	if (source_relay_is_held(s))
		json_object_set_new(options, "paused", json_true());
	json_object_set_new(options, "needed_comes", json_true());
	json_object_set_new(o, "options", options);
	return o;
}

static void put_start(json_t *options, const struct subtask *t)
{
	const json_t *start = subtask_start(t);

	if (start)
		json_object_set_new(options, "start", json_deep_copy(start));
}

json_t *slice_subtask(const struct subtask *t, const struct proc *p)
{
	const char *unit = unit_info((int)p->kind)->name;
	json_t *o = head(p, t->source->spec), *options = own_options(json_object_get(t->spec, unit));

	json_object_set_new(o, "task", json_string(t->task));
	if (p->kind != UNIT_load)
		put(o, "upstream", t->source->spec, "endpoint");
	if (p->kind != UNIT_dump)
		put(o, "downstream", t->spec, "downstream");
	put(o, "meta_schema", t->spec, "meta_schema");
	put(o, "mode", t->spec, "mode");
	put(o, "rules", t->spec, "rules");
	if (p->kind == UNIT_load && t->phase == PHASE_LOOK)
		json_object_set_new(o, "look", json_true());
	if (p->kind == UNIT_load)
		json_object_set_new(o, "remove_meta",
			json_boolean(json_flag(t->spec, "remove_meta", false) && !t->meta_removed));
	if (p->kind == UNIT_sync) {
		put_start(options, t);
		put(options, "operators", t->spec, "operators");
	}
	json_object_set_new(o, "options", options);
	return o;
}

json_t *slice_check(const struct check *c, const struct proc *p)
{
	json_t *o = head(p, c->spec);
	struct statvfs fs;

	put(o, "task", c->spec, "task");
	put(o, "upstream", c->spec, "endpoint");
	put(o, "downstream", c->spec, "downstream");
	put(o, "meta_schema", c->spec, "meta_schema");
	put(o, "mode", c->spec, "mode");
	put(o, "rules", c->spec, "rules");
	put(o, "schema", c->spec, "schema");
	put(o, "cutover", c->spec, "cutover");
	put(o, "parts", c->spec, "parts");
	if (fstatvfs(FD_STATE, &fs) == 0)
		json_object_set_new(o, "free_bytes", json_integer((json_int_t)(fs.f_bavail * fs.f_frsize)));
	json_object_set_new(o, "options", own_options(json_object_get(c->spec, "options")));
	return o;
}
