/*
 * A task on one source: which of dump, load and sync are wanted, by stage (agent/stage.c's table) and phase.
 * Full copy first, with the relay already pulling so that no change is missed between snapshot and binlog;
 * then the sync from the snapshot on. Called by source.c; touches no process itself (agent/proc.c).
 */
#include "agent/subtask.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/slice.h"
#include "agent/source.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/config/mode.h"

static json_t *own_slice(void *owner, const struct proc *p)
{
	return slice_subtask(owner, p);
}

static bool has_position(const json_t *snapshot)
{
	return json_text(snapshot, "file", "")[0] || json_text(snapshot, "gtid", "")[0];
}

static void keep_snapshot(struct subtask *t, const json_t *snapshot)
{
	if (!has_position(snapshot) || (t->snapshot && json_equal(t->snapshot, snapshot)))
		return;
	json_decref(t->snapshot);
	t->snapshot = json_deep_copy(snapshot);
	t->source->agent->changed = true;
}

static void forget_status(struct proc *p)
{
	json_decref(p->status);
	p->status = NULL;
}

/* Beyond "wait" the load has looked at its tables downstream, so what remove_meta asked for is done. */
static void on_status(void *owner, struct proc *p)
{
	struct subtask *t = owner;
	const char *phase;

	if (t->reborn || (t->stale && p == t->sync))
		forget_status(p);
	if (p != t->load)
		return;
	phase = proc_status_text(p, "phase");
	if (!t->stale)
		keep_snapshot(t, json_object_get(p->status, "snapshot"));
	if (phase[0] && strcmp(phase, "wait") != 0 && t->phase != PHASE_LOOK)
		t->meta_removed = true;
}

/* The master knows its modes; one that is newer than this agent is taken for the most common one. */
static const struct mode *mode_of(const struct subtask *t)
{
	const struct mode *m = mode_find(subtask_mode(t));

	return m ? m : mode_find("all");
}

static void on_copied(struct subtask *t)
{
	log_info("full copy is done task=%s source=%s", t->task, t->source->name);
	t->copied = true;
	if (mode_of(t)->sync) {
		t->phase = PHASE_SYNC;
	} else {
		t->phase = PHASE_DONE;
		subtask_event(t, EVENT_DONE);
	}
}

static bool is_incremental(const struct subtask *t)
{
	return mode_of(t)->from == MODE_NONE;
}

static void on_looked(struct subtask *t)
{
	bool found = json_flag(t->load->status, "found", false);

	t->looked = true;
	t->source->agent->changed = true;
	if (found && !is_incremental(t))
		on_copied(t);
	else
		t->phase = is_incremental(t) ? PHASE_SYNC : PHASE_COPY;
	proc_next(t->load, PROC_NEXT_NOW);
}

static void on_ended(void *owner, struct proc *p, enum proc_end how)
{
	struct subtask *t = owner;

	if (how == PROC_FAILED && !t->stale) {
		/* The first one is the cause, what follows from it would only hide it. */
		if (t->error.code == 0)
			t->error = p->error;
		subtask_event(t, EVENT_ERROR);
	} else if (how == PROC_RETRY && p == t->load && p->error.code == ERR_dump_changed) {
		/* The dump has begun anew. With pauses that grow the load would miss the next snapshot while
		 * the dump waits for it, and come when that one is gone as well. */
		proc_next(p, PROC_NEXT_SOON);
	} else if (t->reborn) {
		/* What it has finished is not this life's. */
	} else if (how == PROC_FINISHED && p == t->load) {
		if (t->phase == PHASE_LOOK)
			on_looked(t);
		else
			on_copied(t);
	} else if (how == PROC_FINISHED && p == t->dump) { /* into files: nobody loads it */
		on_copied(t);
	} else if (how == PROC_FINISHED && p == t->sync) {
		t->phase = PHASE_DONE;
		subtask_event(t, EVENT_DONE);
	}
	/* No unit is asked for any more where the stage says so: proc.c looks at it right after this. */
	if (t->stage != STAGE_Running) {
		proc_want(t->dump, false);
		proc_want(t->load, false);
		proc_want(t->sync, false);
	} else if (t->phase != PHASE_COPY) {
		proc_want(t->dump, false);
		proc_want(t->load, false);
	}
}

static const struct proc_owner owner_ops = {own_slice, on_status, on_ended};

static struct proc *add_proc(struct subtask *t, enum unit_kind kind)
{
	struct proc *p = proc_new(t->source->agent, kind, t->source->slot, t->sub, t->source->name);

	proc_own(p, t->task, &owner_ops, t);
	p->backoff.rules = &t->source->rules;
	return p;
}

struct subtask *subtask_new(struct source *s, const json_t *spec)
{
	struct subtask *t = xcalloc(1, sizeof(*t));

	t->source = s;
	t->task = xstrdup(json_text(spec, "task", ""));
	t->sub = (unsigned)json_num(spec, "sub", 0);
	t->stage = STAGE_New;
	t->resumes = json_num(spec, "resumes", 0);
	t->dump = add_proc(t, UNIT_dump);
	t->load = add_proc(t, UNIT_load);
	t->sync = add_proc(t, UNIT_sync);
	t->next = s->subtasks;
	s->subtasks = t;
	return t;
}

void subtask_free(struct subtask **tp)
{
	struct subtask *t = *tp;

	for (struct subtask **at = &t->source->subtasks; *at; at = &(*at)->next)
		if (*at == t) {
			*at = t->next;
			break;
		}
	proc_free(&t->dump);
	proc_free(&t->load);
	proc_free(&t->sync);
	json_decref(t->spec);
	json_decref(t->snapshot);
	free(t->task);
	free(t);
	*tp = NULL;
}

const char *subtask_mode(const struct subtask *t)
{
	return json_text(t->spec, "mode", "all");
}

bool subtask_follows(const struct subtask *t)
{
	return mode_of(t)->sync;
}

bool subtask_needs_relay(const struct subtask *t)
{
	return mode_of(t)->sync && t->stage != STAGE_Stopped && t->stage != STAGE_New;
}

const json_t *subtask_relay_start(const struct subtask *t)
{
	const json_t *need = json_object_get(t->sync->status, "need"), *kept = json_object_get(t->spec, "at");

	if (json_text(need, "file", "")[0])
		return need;
	return json_text(kept, "file", "")[0] ? kept : subtask_start(t);
}

const json_t *subtask_start(const struct subtask *t)
{
	const json_t *said = json_object_get(t->spec, "start");

	if (t->snapshot)
		return t->snapshot;
	return has_position(said) ? said : NULL;
}

static bool must_look(const struct subtask *t)
{
	return json_flag(t->spec, "look", false) && !t->looked && !t->copied;
}

static enum phase first_phase(const struct subtask *t)
{
	if (must_look(t))
		return PHASE_LOOK;
	if (is_incremental(t))
		return PHASE_SYNC;
	if (!t->copied)
		return PHASE_COPY;
	return mode_of(t)->sync ? PHASE_SYNC : PHASE_DONE;
}

static void begin(struct subtask *t)
{
	/* A relay sees at its start alone that its log is of other servers under the same numbers. Where
	 * something else is gone no start brings it back, and other tasks read from it. */
	if (t->error.code == ERR_relay_other)
		source_renew_relay(t->source);
	err_clear(&t->error);
	t->phase = first_phase(t);
	t->copying = false;
	backoff_forgive(&t->dump->backoff);
	backoff_forgive(&t->load->backoff);
	backoff_forgive(&t->sync->backoff);
	source_resume_relay(t->source);
}

void subtask_event(struct subtask *t, enum stage_event event)
{
	enum stage before = t->stage;
	struct stage_move m = stage_move(before, event);

	t->stage = m.next;
	if (m.action == ACTION_START)
		begin(t);
	if (t->stage == before)
		return;
	t->source->agent->changed = true;
	log_info("stage %s -> %s on %s task=%s source=%s", stage_name((int)before), stage_name((int)t->stage),
		stage_event_name(event), t->task, t->source->name);
}

/* --- orders --- */

/* What of an order makes units start again when it changes. */
static bool same_settings(const json_t *a, const json_t *b)
{
	static const char *const keys[] = {
		"mode", "downstream", "meta_schema", "rules", "dump", "load", "sync", "operators"};

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const json_t *x = json_object_get(a, keys[i]), *y = json_object_get(b, keys[i]);

		if (x != y && (!x || !y || !json_equal(x, y)))
			return false;
	}
	return true;
}

/*
 * "Running" in the orders stands for a wish that lasts: a subtask that paused on an error is not started
 * again by it, only by a new wish. That is another "resumes" number; where the orders carry none, orders of
 * a newer revision count as one. So does another life, or a new epoch (begins): the error is of a time that
 * is over (an owner that was cut off ends with 60501); one that is so still is found again.
 */
static bool wants_run_anew(struct subtask *t, const json_t *spec, int64_t revision, bool begins)
{
	int64_t resumes = json_num(spec, "resumes", -1);
	bool anew = begins || (resumes >= 0 ? resumes != t->resumes : revision > t->revision);

	/* A smaller one is of another life under the same number, a new wish, and counts from there. */
	if (resumes >= 0)
		t->resumes = resumes;
	if (t->stage != STAGE_Paused && t->stage != STAGE_Pausing)
		return true;
	return t->error.code == 0 || anew;
}

static void apply_stage(struct subtask *t, const json_t *spec, int64_t revision, bool begins)
{
	const char *stage = json_text(spec, "stage", "Running");

	if (strcmp(stage, "Paused") == 0)
		subtask_event(t, EVENT_PAUSE);
	else if (strcmp(stage, "Stopped") == 0)
		subtask_event(t, EVENT_STOP);
	else if (strcmp(stage, "Running") != 0 && strcmp(stage, "Finished") != 0)
		log_error("the orders want stage \"%s\", which is none: nothing is done task=%s source=%s",
			stage, t->task, t->source->name);
	else if (wants_run_anew(t, spec, revision, begins))
		subtask_event(t, EVENT_RUN);
}

/* Stopped and started again between two orders: a task of the same name that begins with nothing. */
static bool is_another_life(const struct subtask *t, const json_t *spec)
{
	return (json_flag(t->spec, "copied", false) && !json_flag(spec, "copied", false)) ||
	       (!json_flag(t->spec, "remove_meta", false) && json_flag(spec, "remove_meta", false));
}

static void forget_progress(struct subtask *t)
{
	t->copied = t->meta_removed = t->looked = false;
	forget_status(t->dump);
	forget_status(t->load);
	forget_status(t->sync);
	t->stale = t->reborn = !subtask_is_off(t);
	json_decref(t->snapshot);
	t->snapshot = NULL;
}

/* Another agent may have had it in between: what was needed is of the time before, the orders know better. */
static void forget_owner(struct subtask *t)
{
	forget_status(t->sync);
	t->stale = !subtask_is_off(t);
}

void subtask_apply(struct subtask *t, json_t *spec, int64_t revision, bool source_changed)
{
	bool anew = t->spec && is_another_life(t, spec);
	bool changed = t->spec && (anew || source_changed || !same_settings(t->spec, spec));

	if (anew)
		forget_progress(t);
	if (source_changed)
		forget_owner(t);
	json_decref(t->spec);
	t->spec = json_incref(spec);
	t->gone = false;
	t->copied = t->copied || json_flag(spec, "copied", false);
	/* Another agent may have had it in between. */
	if (!t->snapshot || source_changed)
		keep_snapshot(t, json_object_get(spec, "snapshot"));
	if (changed)
		subtask_event(t, EVENT_CHANGED);
	apply_stage(t, spec, revision, anew || source_changed);
	t->revision = revision;
}

void subtask_forget(struct subtask *t)
{
	t->gone = true;
	subtask_event(t, EVENT_STOP);
}

/* --- what is wanted now --- */

bool subtask_is_off(const struct subtask *t)
{
	return proc_is_off(t->dump) && proc_is_off(t->load) && proc_is_off(t->sync);
}

/*
 * In mode all the snapshot must lie behind what the relay holds: so it pulls first, and only then the dump
 * looks. Where the master wants no relay yet, it will have it begin at the snapshot when that is known.
 */
static bool may_copy(struct subtask *t)
{
	if (t->stage != STAGE_Running || t->phase != PHASE_COPY)
		return false;
	if (!t->copying)
		t->copying =
			!mode_of(t)->sync || !source_wants_relay(t->source) || source_relay_pulls(t->source);
	return t->copying;
}

bool subtask_reads(const struct subtask *t)
{
	return t->stage == STAGE_Running && t->phase != PHASE_LOOK && subtask_needs_relay(t);
}

/* One that works already knows it, whatever is to be looked at when it begins once more. */
bool subtask_start_is_open(const struct subtask *t)
{
	return must_look(t) && subtask_needs_relay(t) && !subtask_reads(t);
}

void subtask_tick(struct subtask *t, uint64_t now)
{
	bool copy, follow;

	if (t->stage == STAGE_Running && t->phase == PHASE_DONE)
		subtask_event(t, EVENT_DONE);
	copy = may_copy(t);
	follow = t->stage == STAGE_Running && t->phase == PHASE_SYNC;
	proc_want(t->dump, copy && mode_of(t)->dump);
	proc_want(
		t->load, (copy && mode_of(t)->load) || (t->stage == STAGE_Running && t->phase == PHASE_LOOK));
	proc_want(t->sync, follow);
	proc_tick(t->dump, now);
	proc_tick(t->load, now);
	proc_tick(t->sync, now);
	if (subtask_is_off(t)) {
		t->stale = t->reborn = false;
		subtask_event(t, EVENT_GONE);
	}
}
