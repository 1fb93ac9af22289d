/*
 * One upstream: its relay, and the subtasks that follow it. The relay runs as long as somebody may need what
 * it pulls, also while tasks are paused. Called by orders.c.
 */
#include "agent/source.h"

#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/purge.h"
#include "agent/slice.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"

static void relay_event(struct source *s, enum stage_event event)
{
	enum stage before = s->stage;
	struct stage_move m = stage_move(before, event);

	s->stage = m.next;
	if (m.action == ACTION_START) {
		err_clear(&s->error);
		backoff_forgive(&s->relay->backoff);
	}
	if (s->stage == before)
		return;
	s->agent->changed = true;
	log_info("relay: stage %s -> %s on %s source=%s", stage_name((int)before), stage_name((int)s->stage),
		stage_event_name(event), s->name);
}

static json_t *own_slice(void *owner, const struct proc *p)
{
	return slice_relay(owner, p);
}

static void on_ended(void *owner, struct proc *p, enum proc_end how)
{
	struct source *s = owner;

	if (how == PROC_FAILED) {
		s->error = p->error;
		relay_event(s, EVENT_ERROR);
		source_relay_failed(s);
	}
	proc_want(p, s->stage == STAGE_Running);
}

static const struct proc_owner relay_ops = {own_slice, NULL, on_ended};

struct source *source_find(const struct agent *a, const char *name)
{
	for (struct source *s = a->sources; s; s = s->next)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

struct source *source_new(struct agent *a, const char *name, unsigned slot)
{
	struct source *s = xcalloc(1, sizeof(*s));

	*s = (struct source){
		.agent = a, .name = xstrdup(name), .slot = slot, .stage = STAGE_New, .next = a->sources};
	s->relay = proc_new(a, UNIT_relay, slot, 0, name);
	proc_own(s->relay, "", &relay_ops, s);
	s->rules = backoff_default;
	s->relay->backoff.rules = &s->rules;
	a->sources = s;
	return s;
}

void source_free(struct source **sp)
{
	struct source *s = *sp;

	for (struct source **at = &s->agent->sources; *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			break;
		}
	while (s->subtasks) {
		struct subtask *t = s->subtasks;
		subtask_free(&t);
	}
	proc_free(&s->relay);
	json_decref(s->spec);
	free(s->name);
	free(s);
	*sp = NULL;
}

bool source_relay_pulls(const struct source *s)
{
	return s->relay->state == PROC_ALIVE && strcmp(proc_status_text(s->relay, "phase"), "pull") == 0 &&
	       proc_status_text(s->relay, "position")[0];
}

void source_resume_relay(struct source *s)
{
	if (s->stage == STAGE_Paused || s->stage == STAGE_Pausing)
		relay_event(s, EVENT_RUN);
}

void source_renew_relay(struct source *s)
{
	relay_event(s, EVENT_CHANGED);
}

/* The operator sees and resumes tasks, not relays: so the error is shown where they look. */
void source_relay_failed(struct source *s)
{
	for (struct subtask *t = s->subtasks; t; t = t->next) {
		if (!subtask_needs_relay(t) || t->stage != STAGE_Running)
			continue;
		t->error = s->error;
		subtask_event(t, EVENT_ERROR);
	}
}

/* --- orders --- */

static bool differs(const json_t *a, const json_t *b, const char *key)
{
	const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

	return x != y && (!x || !y || !json_equal(x, y));
}

/* Where a relay without a log begins is of no interest to one that runs; what it keeps, it is told. */
static bool relay_differs(const json_t *a, const json_t *b)
{
	static const char *const keys[] = {"server_id", "fsync", "heartbeat_ms"};
	const json_t *x = json_object_get(json_object_get(a, "relay"), "options");
	const json_t *y = json_object_get(json_object_get(b, "relay"), "options");

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (differs(x, y, keys[i]))
			return true;
	return false;
}

static struct subtask *find_subtask(const struct source *s, const char *task)
{
	for (struct subtask *t = s->subtasks; t; t = t->next)
		if (strcmp(t->task, task) == 0)
			return t;
	return NULL;
}

static bool sub_is_taken(const struct source *s, unsigned sub)
{
	for (struct subtask *t = s->subtasks; t; t = t->next)
		if (t->sub == sub)
			return true;
	return false;
}

/* NULL: it can't be taken up now. A task that comes back under another number waits until its old units are
 * gone. */
static struct subtask *get_subtask(struct source *s, const json_t *spec)
{
	const char *task = json_text(spec, "task", "");
	int64_t sub = json_num(spec, "sub", 0);
	struct subtask *t = find_subtask(s, task);

	if (!task[0] || sub < 1 || sub > SPAWN_MAX_SUB) {
		log_error("the orders have a subtask without a name or a number from 1 to %d source=%s",
			SPAWN_MAX_SUB, s->name);
		return NULL;
	}
	if (t)
		return t->sub == (unsigned)sub ? t : NULL;
	return sub_is_taken(s, (unsigned)sub) ? NULL : subtask_new(s, spec);
}

static void apply_subtasks(struct source *s, int64_t revision, bool changed)
{
	json_t *list = json_object_get(s->spec, "subtasks"), *spec;
	size_t i;

	for (struct subtask *t = s->subtasks; t; t = t->next)
		t->gone = true;
	json_array_foreach(list, i, spec) {
		struct subtask *t = get_subtask(s, spec);

		if (t)
			subtask_apply(t, spec, revision, changed);
	}
	for (struct subtask *t = s->subtasks; t; t = t->next)
		if (t->gone)
			subtask_forget(t);
}

static uint64_t at_least(int64_t value, uint64_t least)
{
	return value < 0 || (uint64_t)value < least ? least : (uint64_t)value;
}

/* The checker of its file; units that wait already wait as long as they were told. */
static void apply_rules(struct source *s)
{
	const json_t *c = json_object_get(s->spec, "checker"), *factor = json_object_get(c, "factor");
	const struct backoff_rules *d = &backoff_default;
	struct backoff_rules *r = &s->rules;

	r->min_ms = at_least(json_num(c, "min_ms", (int64_t)d->min_ms), 1);
	r->max_ms = at_least(json_num(c, "max_ms", (int64_t)d->max_ms), r->min_ms);
	r->forgiven_ms = at_least(json_num(c, "forgiven_ms", (int64_t)d->forgiven_ms), 1);
	r->factor = json_is_number(factor) && json_number_value(factor) >= 1 ? json_number_value(factor)
									     : d->factor;
	r->jitter = json_flag(c, "jitter", false);
	r->never = !json_flag(c, "enable", true);
}

static void apply_resumes(struct source *s, bool first)
{
	int64_t resumes = json_num(json_object_get(s->spec, "relay"), "resumes", 0);

	if (!first && resumes > s->resumes)
		source_resume_relay(s);
	s->resumes = resumes;
}

void source_apply(struct source *s, json_t *spec, int64_t revision)
{
	bool first = !s->spec;
	bool changed = s->spec && (differs(s->spec, spec, "endpoint") || differs(s->spec, spec, "epoch"));
	bool relay_changed = s->spec && relay_differs(s->spec, spec);

	json_decref(s->spec);
	s->spec = json_incref(spec);
	s->gone = false;
	if (changed || relay_changed)
		relay_event(s, EVENT_CHANGED);
	apply_rules(s);
	apply_resumes(s, first);
	apply_subtasks(s, revision, changed);
}

void source_forget(struct source *s)
{
	s->gone = true;
	for (struct subtask *t = s->subtasks; t; t = t->next)
		subtask_forget(t);
}

/* --- what is wanted now --- */

bool source_relay_is_held(const struct source *s)
{
	return strcmp(json_text(json_object_get(s->spec, "relay"), "stage", ""), "Paused") == 0;
}

/* When its files go: may change while it runs. */
static void put_rules(const struct source *s, json_t *args)
{
	static const char *const keys[] = {
		"quota_bytes", "purge_interval_s", "purge_expires_s", "purge_remain_bytes"};
	const json_t *options = json_object_get(json_object_get(s->spec, "relay"), "options");

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_object_get(options, keys[i]))
			json_object_set(args, keys[i], json_object_get(options, keys[i]));
}

/* Somebody waits for what comes of a look at it: before a cutover, say. */
static bool is_watched(const struct source *s)
{
	const json_t *checks = json_object_get(s->agent->orders, "checks"), *c;
	size_t i;

	json_array_foreach(checks, i, c)
		if (strcmp(json_text(c, "source", ""), s->name) == 0)
			return true;
	return false;
}

/*
 * What may change while the relay runs: the readers whose pins it keeps, which are all that are or will be
 * there, and those of them that really read it, which may not have pinned anything yet (T21).
 */
static void tell_relay(struct source *s)
{
	/* Each wake-up of the agent comes by here, for each source. What a relay is begun anew with is
	 * nothing. */
	if (s->told == s->agent->turn && s->relay->args[0])
		return;
	s->told = s->agent->turn;
	json_t *readers = json_array(), *needed = json_array(), *args;
	const json_t *purge = purge_wanted(s->agent, s->name);

	for (const struct subtask *t = s->subtasks; t; t = t->next) {
		json_array_append_new(readers, json_string(t->task));
		if (subtask_follows(t) && !t->gone)
			json_array_append_new(needed, json_string(t->task));
	}
	args = json_pack("{s:o, s:o, s:b, s:b}", "readers", readers, "needed", needed, "paused",
		source_relay_is_held(s), "watched", is_watched(s));
	put_rules(s, args);
	if (purge)
		json_object_set(args, "purge", (json_t *)purge);
	proc_args(s->relay, args);
}

bool source_wants_relay(const struct source *s)
{
	const json_t *wanted = json_object_get(json_object_get(s->spec, "relay"), "wanted");

	if (json_is_boolean(wanted))
		return json_is_true(wanted);
	for (const struct subtask *t = s->subtasks; t; t = t->next)
		if (subtask_needs_relay(t))
			return true;
	return false;
}

/* A task that rests may never look: those that work don't wait for it. Alone it still says where to begin. */
static bool start_is_open(const struct source *s)
{
	bool rests = false, reads = false;

	for (struct subtask *t = s->subtasks; t; t = t->next) {
		bool open = subtask_start_is_open(t);

		if (open && (t->stage == STAGE_Running || t->stage == STAGE_Resuming))
			return true;
		rests |= open;
		reads |= subtask_reads(t);
	}
	return rests && !reads;
}

static void relay_tick(struct source *s, uint64_t now)
{
	if (s->gone || !source_wants_relay(s))
		relay_event(s, EVENT_STOP);
	else if (s->stage == STAGE_New || s->stage == STAGE_Stopped || s->stage == STAGE_Stopping)
		relay_event(s, EVENT_RUN);
	proc_want(s->relay, s->stage == STAGE_Running && !(proc_is_off(s->relay) && start_is_open(s)));
	tell_relay(s);
	proc_tick(s->relay, now);
	if (proc_is_off(s->relay))
		relay_event(s, EVENT_GONE);
}

bool source_tick(struct source *s, uint64_t now)
{
	struct subtask *t, *next;
	bool removed = false;

	for (t = s->subtasks; t; t = t->next)
		subtask_tick(t, now);
	relay_tick(s, now);
	for (t = s->subtasks; t; t = next) {
		next = t->next;
		if (t->gone && subtask_is_off(t) && t->stage == STAGE_Stopped) {
			log_info("removed task=%s source=%s", t->task, s->name);
			subtask_free(&t);
			removed = true;
		}
	}
	return removed;
}

bool source_is_off(const struct source *s)
{
	return !s->subtasks && proc_is_off(s->relay);
}
