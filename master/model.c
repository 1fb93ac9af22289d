/*
 * The master's state in memory and its change sets. Called by the commands, by agents' hellos and reports.
 * Never decides anything; the store is written before anybody sees a change as done.
 */
#include "master/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"

struct model_change {
	enum store_table table;
	char *key;
	json_t *before; /* NULL: was not there */
};

int model_open(struct model *m, struct store *store, struct err *e)
{
	*m = (struct model){.store = store, .revision = 1};
	if (store) {
		if (store_load(store, m->tables, e) < 0)
			return -1;
		m->revision = store_revision(store);
		return 0;
	}
	for (int t = 0; t < STORE_TABLES; t++)
		m->tables[t] = json_object();
	return 0;
}

void model_close(struct model *m)
{
	model_abort(m);
	for (int t = 0; t < STORE_TABLES; t++) {
		json_decref(m->tables[t]);
		m->tables[t] = NULL;
	}
}

const json_t *model_get(const struct model *m, enum store_table t, const char *key)
{
	return json_object_get(m->tables[t], key);
}

json_t *model_edit(const struct model *m, enum store_table t, const char *key)
{
	const json_t *doc = model_get(m, t, key);

	return doc ? json_deep_copy(doc) : NULL;
}

static bool remembered(const struct model *m, enum store_table t, const char *key)
{
	for (size_t i = 0; i < m->nchanges; i++)
		if (m->changes[i].table == t && strcmp(m->changes[i].key, key) == 0)
			return true;
	return false;
}

/* What the row was before this change set: to take it back, and to know what to write. */
static void remember(struct model *m, enum store_table t, const char *key)
{
	struct model_change *c;

	if (remembered(m, t, key))
		return;
	m->changes = xrealloc(m->changes, (m->nchanges + 1) * sizeof(*m->changes));
	c = &m->changes[m->nchanges++];
	*c = (struct model_change){t, xstrdup(key), json_incref(json_object_get(m->tables[t], key))};
}

static void put(struct model *m, enum store_table t, const char *key, json_t *doc)
{
	if (doc)
		json_object_set_new(m->tables[t], key, doc);
	else
		json_object_del(m->tables[t], key);
}

void model_set(struct model *m, enum store_table t, const char *key, json_t *doc)
{
	remember(m, t, key);
	put(m, t, key, doc);
}

static void forget(struct model *m)
{
	for (size_t i = 0; i < m->nchanges; i++) {
		free(m->changes[i].key);
		json_decref(m->changes[i].before);
	}
	free(m->changes);
	m->changes = NULL;
	m->nchanges = 0;
}

void model_abort(struct model *m)
{
	for (size_t i = 0; i < m->nchanges; i++) {
		struct model_change *c = &m->changes[i];

		put(m, c->table, c->key, json_incref(c->before));
	}
	forget(m);
}

static int write_changes(struct model *m, uint64_t revision, struct err *e)
{
	struct store_change *list = xcalloc(m->nchanges + 1, sizeof(*list));
	int r;

	for (size_t i = 0; i < m->nchanges; i++) {
		const struct model_change *c = &m->changes[i];

		list[i] = (struct store_change){c->table, c->key, model_get(m, c->table, c->key)};
	}
	r = store_commit(m->store, revision, list, m->nchanges, e);
	free(list);
	return r;
}

int model_commit(struct model *m, struct err *e)
{
	return model_commit_at(m, m->revision + 1, e);
}

int model_commit_at(struct model *m, uint64_t revision, struct err *e)
{
	if (m->store && write_changes(m, revision, e) < 0) {
		model_abort(m);
		return -1;
	}
	m->revision = revision;
	forget(m);
	return 0;
}

void model_subtask_key(const char *task, const char *source, char out[MODEL_KEY])
{
	snprintf(out, MODEL_KEY, "%.*s/%.*s", MODEL_NAME, task, MODEL_SOURCE, source);
}

const json_t *model_subtask(const struct model *m, const char *task, const char *source)
{
	char key[MODEL_KEY];

	model_subtask_key(task, source, key);
	return model_get(m, STORE_SUBTASK, key);
}

size_t model_count(const struct model *m, const char *task, const char *source)
{
	const char *key;
	json_t *s;
	size_t n = 0;

	model_foreach(m, STORE_SUBTASK, key, s)
		n += (!task || strcmp(json_text(s, "task", ""), task) == 0) &&
		     (!source || strcmp(json_text(s, "source", ""), source) == 0);
	return n;
}
