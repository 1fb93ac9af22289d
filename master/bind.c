/*
 * Agents as they come and go, slots and subs; which agent serves which source is place.c's. Called by hello,
 * tick and the commands. An epoch grows with each new owner, and a restarted agent is a new owner: that is
 * what fences the old one's last bytes (T3).
 */
#include "master/bind.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "master/pause.h"
#include "master/place.h"

/* By how much an agent may be ahead of an older copy: at a thousand changes a second, for 34 years. */
#define LEAP_MAX (UINT64_C(1) << 40)

/* Owners that a source may have had since a copy was made, where the clock does not tell: it was set back
 * too, or they came faster than the seconds. */
enum { FENCED_LEAP = 1000 };

struct agent *bind_find(struct master *m, const char *name)
{
	for (unsigned i = 0; i < m->nagents; i++)
		if (strcmp(m->agents[i].name, name) == 0)
			return &m->agents[i];
	return NULL;
}

struct agent *bind_session(struct master *m, uint64_t session)
{
	for (unsigned i = 0; i < m->nagents; i++)
		if (session != 0 && m->agents[i].session == session)
			return &m->agents[i];
	return NULL;
}

bool bind_online(const struct master *m, const struct agent *a)
{
	return a && a->session != 0 && m->now_ms - a->seen_ms <= m->lease_ms;
}

bool bind_any_online(const struct master *m)
{
	for (unsigned i = 0; i < m->nagents; i++)
		if (bind_online(m, &m->agents[i]))
			return true;
	return false;
}

/* Of sources that are no more; -1: none went. The clock alone would do only if it never went back. */
static int64_t highest_gone(const struct master *m)
{
	return json_num(model_get(&m->model, STORE_KEPT, "epoch"), "highest", -1);
}

uint64_t bind_first_epoch(const struct master *m)
{
	int64_t gone = highest_gone(m);

	return gone >= 0 && m->wall_s <= (uint64_t)gone ? (uint64_t)gone + 1 : m->wall_s;
}

void bind_keep_epoch(struct master *m, const char *source)
{
	int64_t epoch = json_num(model_get(&m->model, STORE_SOURCE, source), "epoch", -1);

	if (epoch > highest_gone(m))
		model_set(&m->model, STORE_KEPT, "epoch", json_pack("{s:I}", "highest", (json_int_t)epoch));
}

size_t bind_count(const struct master *m, const char *agent)
{
	const char *key;
	json_t *s;
	size_t n = 0;

	model_foreach(&m->model, STORE_SOURCE, key, s)
		n += strcmp(json_text(s, "agent", ""), agent) == 0;
	return n;
}

bool bind_sources(struct master *m)
{
	const char *key;
	json_t *s;
	bool changed = false;
	void *next;

	json_object_foreach_safe(m->model.tables[STORE_SOURCE], next, key, s)
		changed |= place_tick(m, key);
	json_object_foreach_safe(m->model.tables[STORE_SOURCE], next, key, s)
		changed |= place_drain(m, key);
	return changed;
}

/* A host that changed its name leaves an agent behind that never comes back: its place can be taken. */
static struct agent *drop_dead(struct master *m)
{
	for (unsigned i = 0; i < m->nagents; i++) {
		struct agent *a = &m->agents[i];

		if (bind_online(m, a) || a->poll || bind_count(m, a->name) > 0)
			continue;
		model_set(&m->model, STORE_AGENT, a->name, NULL);
		master_forget_agent(a);
		return a;
	}
	return NULL;
}

static struct agent *add_agent(struct master *m, const char *name, struct err *e)
{
	struct agent *a = m->nagents < MASTER_AGENTS ? &m->agents[m->nagents++] : drop_dead(m);

	if (!a) {
		err_set(e, ERR_bad_stage, "there are %d agents already", MASTER_AGENTS);
		return NULL;
	}
	*a = (struct agent){0};
	snprintf(a->name, sizeof(a->name), "%s", name);
	return a;
}

/* The process that registered last time, with this master or another one: not started anew. */
static bool same_process(const struct master *m, const struct hello *h)
{
	const json_t *was = model_get(&m->model, STORE_AGENT, h->name);

	return h->instance[0] && strcmp(json_text(was, "instance", ""), h->instance) == 0;
}

static void new_epochs(struct master *m, const char *agent)
{
	const char *key;
	json_t *s;
	void *next;

	json_object_foreach_safe(m->model.tables[STORE_SOURCE], next, key, s)
		if (strcmp(json_text(s, "agent", ""), agent) == 0 && !place_going_to(s)[0])
			place_set(m, key, agent);
}

static const char *known_key(const struct master *m, const char *agent)
{
	return json_text(model_get(&m->model, STORE_AGENT, agent), "key", "");
}

int bind_check_key(const struct master *m, const char *agent, const char *key, struct err *e)
{
	const char *known = known_key(m, agent);

	if (!key[0] || !known[0] || strcmp(key, known) == 0)
		return 0;
	return err_set(e, ERR_member_key, "agent `%s` is known by %s, and comes with %s", agent, known, key);
}

void bind_keep_key(struct master *m, const char *agent, const char *key)
{
	json_t *doc = key[0] ? model_edit(&m->model, STORE_AGENT, agent) : NULL;

	if (!doc)
		return;
	json_object_set_new(doc, "key", json_string(key));
	model_set(&m->model, STORE_AGENT, agent, doc);
}

struct agent *bind_hello(struct master *m, const struct hello *h, struct err *e)
{
	struct agent *a = bind_find(m, h->name);
	uint64_t session = m->model.revision + 1; /* of the commit to come: never given out before */
	unsigned slots = h->slots > MASTER_SLOTS ? MASTER_SLOTS : h->slots;
	bool draining;

	if (!a)
		a = add_agent(m, h->name, e);
	if (!a)
		return NULL;
	if (!same_process(m, h)) {
		new_epochs(m, h->name);
		place_forget_unfit(m, h->name);
		json_decref(a->report);
		a->report = NULL;
	}
	draining = json_flag(model_get(&m->model, STORE_AGENT, h->name), "draining", false);
	model_set(&m->model, STORE_AGENT, h->name,
		json_pack("{s:s, s:s, s:I, s:I, s:s, s:b, s:b, s:s}", "name", h->name, "version", h->version,
			"slots", (json_int_t)slots, "session", (json_int_t)session, "instance", h->instance,
			"standby", h->standby, "draining", draining, "key", known_key(m, h->name)));
	a->session = session;
	a->seen_ms = m->now_ms;
	bind_sources(m);
	return a;
}

/* Numbers that nothing in the model uses, but perhaps still somebody on the host. */
static bool is_retired(const struct master *m, const char *source, unsigned number)
{
	for (size_t i = 0; i < m->nretired; i++) {
		const struct retired *r = &m->retired[i];

		if (source ? (r->task[0] && strcmp(r->source, source) == 0 && r->sub == number)
			   : (!r->task[0] && r->slot == number))
			return true;
	}
	return false;
}

unsigned bind_free_slot(const struct master *m)
{
	bool used[MASTER_SLOTS + 1] = {true};
	const char *key;
	json_t *s;

	model_foreach(&m->model, STORE_SOURCE, key, s) {
		int64_t slot = json_num(s, "slot", 0);

		if (slot > 0 && slot <= MASTER_SLOTS)
			used[slot] = true;
	}
	for (unsigned i = 1; i <= MASTER_SLOTS; i++)
		if (!used[i] && !is_retired(m, NULL, i))
			return i;
	return 0;
}

unsigned bind_free_sub(const struct master *m, const char *source)
{
	bool used[MASTER_CHECK_SUB] = {true};
	const char *key;
	json_t *s;

	model_foreach(&m->model, STORE_SUBTASK, key, s) {
		int64_t sub = json_num(s, "sub", 0);

		if (strcmp(json_text(s, "source", ""), source) == 0 && sub > 0 && sub < MASTER_CHECK_SUB)
			used[sub] = true;
	}
	for (unsigned i = 1; i < MASTER_CHECK_SUB; i++)
		if (!used[i] && !is_retired(m, source, i))
			return i;
	return 0;
}

void bind_retire(struct master *m, const char *source, const char *task)
{
	const json_t *s = model_get(&m->model, STORE_SOURCE, source);
	const json_t *sub = task ? model_subtask(&m->model, task, source) : NULL;
	struct retired r = {.revision = m->model.revision + 1};

	/* Where nobody serves the source nobody holds anything of it; a flood of deletions may use numbers
	 * again early. */
	if (!json_text(s, "agent", "")[0] || m->nretired == MASTER_RETIRED)
		return;
	snprintf(r.source, sizeof(r.source), "%s", source);
	snprintf(r.task, sizeof(r.task), "%s", task ? task : "");
	snprintf(r.agent, sizeof(r.agent), "%s", json_text(s, "agent", ""));
	r.slot = (uint32_t)json_num(s, "slot", 0);
	r.sub = (uint32_t)json_num(sub, "sub", 0);
	m->retired = xrealloc(m->retired, (m->nretired + 1) * sizeof(r));
	m->retired[m->nretired++] = r;
}

bool bind_same_sub(const json_t *told, int64_t sub)
{
	return json_num(told, "sub", sub) == sub;
}

static bool lists(const json_t *report, const struct retired *r)
{
	const json_t *source, *sub;
	size_t i, k;

	json_array_foreach(json_object_get(report, "sources"), i, source) {
		if (strcmp(json_text(source, "source", ""), r->source) != 0)
			continue;
		if (!r->task[0])
			return true;
		json_array_foreach(json_object_get(source, "subtasks"), k, sub)
			if (strcmp(json_text(sub, "task", ""), r->task) == 0 && bind_same_sub(sub, r->sub))
				return true;
	}
	return false;
}

void bind_reap(struct master *m, const struct agent *a, uint64_t report_revision)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->nretired; i++) {
		const struct retired *r = &m->retired[i];

		if (strcmp(r->agent, a->name) != 0 || report_revision < r->revision || lists(a->report, r))
			m->retired[kept++] = *r;
	}
	m->nretired = kept;
}

int bind_refuse_old(const struct master *m, struct err *e)
{
	if (m->newer == 0)
		return 0;
	return err_set(e, ERR_store_old,
		"the store is at revision %" PRIu64 " of cluster %s, but agent `%s` has worked by revision "
		"%" PRIu64,
		m->model.revision, m->model.store ? store_cluster(m->model.store) : "", m->newer_of,
		m->newer);
}

int bind_check_store(
	struct master *m, const char *agent, struct str cluster, uint64_t revision, struct err *e)
{
	bool ours = m->model.store && str_is(cluster, store_cluster(m->model.store));

	/* Believed, such a leap would be the last one that there is room for, at the next accept-store. */
	if (revision > (uint64_t)JSON_EXACT_MAX || (ours && revision > m->model.revision + LEAP_MAX))
		return err_set(e, ERR_proto,
			"agent %s tells revision %" PRIu64 ", which no store that has come to %" PRIu64
			" can have had",
			agent, revision, m->model.revision);
	if (ours && revision > m->model.revision && revision > m->newer) {
		m->newer = revision;
		snprintf(m->newer_of, sizeof(m->newer_of), "%s", agent);
		bind_refuse_old(m, e);
		log_warn("agent %s: %s", agent, e->text);
	}
	return bind_refuse_old(m, e);
}

/* Beyond what a later copy of this store can have given out: a source's first is the second of its making. */
static void raise_epoch(struct master *m, const char *source, int64_t by)
{
	json_t *doc = model_edit(&m->model, STORE_SOURCE, source);
	int64_t epoch = json_num(doc, "epoch", 0) + by, now = (int64_t)bind_first_epoch(m);

	json_object_set_new(doc, "epoch", json_integer(epoch > now ? epoch : now));
	model_set(&m->model, STORE_SOURCE, source, doc);
}

void bind_accept_store(struct master *m, uint64_t *revision)
{
	const char *key;
	json_t *s;
	void *next;

	*revision = (m->newer > m->model.revision ? m->newer : m->model.revision) + 1;
	json_object_foreach_safe(m->model.tables[STORE_SOURCE], next, key, s) {
		raise_epoch(m, key, 1);
		pause_end_all(&m->model, key, ERR_sync_fenced);
	}
}

bool bind_accept_fenced(struct master *m, const char *source)
{
	if (!pause_end_all(&m->model, source, ERR_sync_fenced))
		return false;
	raise_epoch(m, source, FENCED_LEAP);
	return true;
}
