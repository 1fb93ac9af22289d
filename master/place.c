/*
 * Scheduling between hosts. An owner that is lost is replaced at once, as the epoch fences it (T3, T31); one
 * that lives is asked to let go first, so that its units leave with their work saved. Called by bind.c at
 * each tick and hello, by the members' commands and by reports.
 */
#include "master/place.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/config/json.h"
#include "master/bind.h"

enum {
	HELD_MAX = 4,
	LET_GO_S = 20, /* an agent's units have 17 s to leave */
};

/* Keys of a source's document: agents that have not the key of its password, or no uid for its slot. */
#define KEYLESS "keyless"
#define SLOTLESS "slotless"

static const json_t *source_doc(const struct master *m, const char *source)
{
	return model_get(&m->model, STORE_SOURCE, source);
}

const char *place_going_to(const json_t *source)
{
	return json_text(json_object_get(source, "move"), "to", "");
}

static size_t index_of(const json_t *list, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (json_is_string(v) && strcmp(json_string_value(v), name) == 0)
			return i;
	return SIZE_MAX;
}

static bool is_listed(const json_t *source, const char *list, const char *agent)
{
	return index_of(json_object_get(source, list), agent) != SIZE_MAX;
}

/* What an agent has, and what is on its way to it. */
static int64_t load_of(const struct master *m, const char *agent)
{
	const char *key;
	json_t *s;
	int64_t n = 0;

	model_foreach(&m->model, STORE_SOURCE, key, s) {
		const char *to = place_going_to(s);

		n += strcmp(to[0] ? to : json_text(s, "agent", ""), agent) == 0;
	}
	return n;
}

static const json_t *agent_doc(const struct master *m, const char *agent)
{
	return model_get(&m->model, STORE_AGENT, agent);
}

static bool has_room(const struct master *m, const char *agent)
{
	return load_of(m, agent) < json_num(agent_doc(m, agent), "slots", 0);
}

int place_check(struct master *m, const char *source, const char *agent, struct err *e)
{
	const json_t *doc = agent_doc(m, agent);

	if (!doc)
		return err_set(e, ERR_member_unknown, "there is no agent `%.64s`", agent);
	if (!bind_online(m, bind_find(m, agent)))
		return err_set(e, ERR_bad_stage, "agent `%s` is offline", agent);
	if (json_flag(doc, "draining", false))
		return err_set(e, ERR_bad_stage, "agent `%s` is being drained", agent);
	if (is_listed(source_doc(m, source), SLOTLESS, agent))
		return err_set(e, ERR_bad_stage, "agent `%s` has no uid for the slot of `%s`", agent, source);
	if (is_listed(source_doc(m, source), KEYLESS, agent))
		return err_set(e, ERR_bad_stage,
			"agent `%s` has not the key that the password of `%s` is "
			"encrypted with",
			agent, source);
	/* Counts all sources, so it is asked last. */
	if (!has_room(m, agent))
		return err_set(e, ERR_bad_stage, "agent `%s` takes %lld sources, and has them", agent,
			(long long)json_num(doc, "slots", 0));
	return 0;
}

/* How well an agent suits; smaller is better: where the relay log or the spool may be, then ordinary ones
 * before those that stand by, then the least loaded. */
static uint64_t rank(const struct master *m, const json_t *source, const char *agent)
{
	size_t held = index_of(json_object_get(source, "held"), agent);
	uint64_t standby = json_flag(agent_doc(m, agent), "standby", false);

	if (held != SIZE_MAX)
		return held;
	return HELD_MAX + standby * (MASTER_SLOTS + 1) + (uint64_t)load_of(m, agent);
}

/* The best of those that may take it; NULL: there is none. not: one that is out of the question. */
static const struct agent *choose(struct master *m, const char *source, const char * not )
{
	const struct agent *best = NULL;
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < m->nagents; i++) {
		const struct agent *a = &m->agents[i];
		struct err ignored = {0};
		uint64_t r;

		if (strcmp(a->name, not ) == 0 || place_check(m, source, a->name, &ignored) < 0)
			continue;
		r = rank(m, source_doc(m, source), a->name);
		if (r >= least)
			continue;
		best = a;
		least = r;
	}
	return best;
}

/* The owner of before comes first in the list, the new one is not in it. */
static void note_held(json_t *doc, const char *before, const char *now)
{
	json_t *was = json_object_get(doc, "held"), *held = json_array(), *v;
	size_t i;

	if (before[0] && strcmp(before, now) != 0)
		json_array_append_new(held, json_string(before));
	json_array_foreach(was, i, v) {
		const char *name = json_is_string(v) ? json_string_value(v) : "";

		if (strcmp(name, before) != 0 && strcmp(name, now) != 0 && json_array_size(held) < HELD_MAX)
			json_array_append(held, v);
	}
	json_object_set_new(doc, "held", held);
}

void place_set(struct master *m, const char *source, const char *agent)
{
	json_t *doc = model_edit(&m->model, STORE_SOURCE, source);
	char before[MODEL_NAME + 1];

	snprintf(before, sizeof(before), "%s", json_text(doc, "agent", ""));
	note_held(doc, before, agent);
	json_object_set_new(doc, "agent", json_string(agent));
	json_object_set_new(doc, "epoch", json_integer(json_num(doc, "epoch", 0) + 1));
	json_object_set_new(doc, "placed", json_integer((json_int_t)m->model.revision + 1));
	json_object_del(doc, "move");
	model_set(&m->model, STORE_SOURCE, source, doc);
	if (strcmp(before, agent) != 0)
		log_info("source %s is agent %s's now%s%s", source, agent,
			before[0] ? ", no longer that of " : "", before);
}

void place_move(struct master *m, const char *source, const char *agent)
{
	const char *owner = json_text(source_doc(m, source), "agent", "");
	json_t *doc;

	if (!owner[0] || !bind_online(m, bind_find(m, owner))) {
		place_set(m, source, agent);
		return;
	}
	doc = model_edit(&m->model, STORE_SOURCE, source);
	log_info("source %s goes from agent %s to %s", source, owner, agent);
	json_object_set_new(doc, "move",
		json_pack("{s:s, s:I, s:I}", "to", agent, "revision", (json_int_t)m->model.revision + 1,
			"until", (json_int_t)m->wall_s + LET_GO_S));
	model_set(&m->model, STORE_SOURCE, source, doc);
}

/* Its time is over; or the wall clock went back since, or is that of another master, and it would never be.
 */
static bool is_overdue(const struct master *m, const json_t *move)
{
	int64_t left = json_num(move, "until", 0) - (int64_t)m->wall_s;

	return left <= 0 || left > 2 * LET_GO_S;
}

/* Its units are gone, by the owner's own word; or the owner takes too long, or is lost: the epoch fences it.
 */
static bool is_let_go(struct master *m, const char *source, const json_t *move, const struct agent *owner)
{
	const json_t *s;
	size_t i;

	if (!bind_online(m, owner) || is_overdue(m, move))
		return true;
	if (!owner->report || json_num(owner->report, "revision", 0) < json_num(move, "revision", 0))
		return false;
	json_array_foreach(json_object_get(owner->report, "sources"), i, s)
		if (strcmp(json_text(s, "source", ""), source) == 0)
			return false;
	return true;
}

/* Where it was to go may be gone by now; then the next best, and the old owner where there is none. */
static void finish_move(struct master *m, const char *source, const char *owner)
{
	const char *to = place_going_to(source_doc(m, source));
	json_t *doc = model_edit(&m->model, STORE_SOURCE, source);
	char target[MODEL_NAME + 1];
	const struct agent *a;
	struct err e = {0};

	/* Without the move first: it counts for the one it goes to. */
	snprintf(target, sizeof(target), "%s", to);
	json_object_del(doc, "move");
	model_set(&m->model, STORE_SOURCE, source, doc);
	if (place_check(m, source, target, &e) < 0) {
		a = choose(m, source, owner);
		log_warn("source %s can't go to %s: %s", source, target, e.text);
		snprintf(target, sizeof(target), "%s", a ? a->name : owner);
	}
	place_set(m, source, target);
}

/* One that stands for files is where they are: nobody but an operator moves it. */
static bool is_of_files(const json_t *source)
{
	return !json_text(json_object_get(source, "endpoint"), "host", "")[0];
}

bool place_tick(struct master *m, const char *source)
{
	const json_t *doc = source_doc(m, source), *move = json_object_get(doc, "move");
	char owner[MODEL_NAME + 1];
	const struct agent *a, *now;

	snprintf(owner, sizeof(owner), "%s", json_text(doc, "agent", ""));
	now = owner[0] ? bind_find(m, owner) : NULL;
	if (move) {
		if (!is_let_go(m, source, move, now))
			return false;
		finish_move(m, source, owner);
		return true;
	}
	if (bind_online(m, now) || (now && is_of_files(doc)))
		return false;
	a = choose(m, source, owner);
	if (a)
		place_set(m, source, a->name);
	return a != NULL;
}

bool place_drain(struct master *m, const char *source)
{
	const json_t *doc = source_doc(m, source);
	const char *owner = json_text(doc, "agent", "");
	const struct agent *a;

	if (place_going_to(doc)[0] || is_of_files(doc) || !json_flag(agent_doc(m, owner), "draining", false))
		return false;
	a = choose(m, source, owner);
	if (a)
		place_move(m, source, a->name);
	return a != NULL;
}

/* True where it is not in that list already. */
static bool put_in_list(struct master *m, const char *source, const char *list, const char *agent)
{
	json_t *doc;

	if (is_listed(source_doc(m, source), list, agent))
		return false;
	doc = model_edit(&m->model, STORE_SOURCE, source);
	if (!json_is_array(json_object_get(doc, list)))
		json_object_set_new(doc, list, json_array());
	json_array_append_new(json_object_get(doc, list), json_string(agent));
	model_set(&m->model, STORE_SOURCE, source, doc);
	return true;
}

bool place_keyless(struct master *m, const char *source, const char *owner)
{
	char agent[MODEL_NAME + 1];
	const struct agent *a;

	/* It may be the document's own text, which goes where the change set had this document already. */
	snprintf(agent, sizeof(agent), "%s", owner);
	put_in_list(m, source, KEYLESS, agent);
	a = choose(m, source, agent);
	if (!a)
		return false;
	log_warn("agent %s has not the key of source %s", agent, source);
	place_move(m, source, a->name);
	return true;
}

bool place_slotless(struct master *m, const char *source, const char *owner)
{
	char agent[MODEL_NAME + 1];
	const struct agent *a;
	bool first;

	if (place_going_to(source_doc(m, source))[0] || is_of_files(source_doc(m, source)))
		return false;
	snprintf(agent, sizeof(agent), "%s", owner);
	first = put_in_list(m, source, SLOTLESS, agent);
	if (first)
		log_warn("agent %s has no uid for the slot of source %s", agent, source);
	a = choose(m, source, agent);
	if (a)
		place_move(m, source, a->name);
	return first || a;
}

void place_try_all(struct master *m, const char *source)
{
	json_t *doc;

	if (!json_object_get(source_doc(m, source), "keyless"))
		return;
	doc = model_edit(&m->model, STORE_SOURCE, source);
	json_object_del(doc, "keyless");
	model_set(&m->model, STORE_SOURCE, source, doc);
}

static void take_off_list(struct master *m, const char *source, const char *list, const char *agent)
{
	json_t *doc;

	if (!is_listed(source_doc(m, source), list, agent))
		return;
	doc = model_edit(&m->model, STORE_SOURCE, source);
	json_array_remove(json_object_get(doc, list), index_of(json_object_get(doc, list), agent));
	model_set(&m->model, STORE_SOURCE, source, doc);
}

void place_forget_unfit(struct master *m, const char *agent)
{
	const char *key;
	json_t *s;
	void *next;

	json_object_foreach_safe(m->model.tables[STORE_SOURCE], next, key, s) {
		take_off_list(m, key, KEYLESS, agent);
		take_off_list(m, key, SLOTLESS, agent);
	}
}
