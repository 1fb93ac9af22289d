/* The masters of a cluster, for list-member, config and offline-member. Called by the tick and the words. */
#include "master/masters.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/config/json.h"

#define ROW "master/"

static void row_key(const char *name, char out[STORE_NAME + 8])
{
	snprintf(out, STORE_NAME + 8, ROW "%s", name);
}

/* Is a rather than b the one of that name? We ourselves, else the newer one. */
static bool is_rather(const json_t *a, const json_t *b, const struct store_leader *self)
{
	const char *at = json_text(a, "address", "");

	if (strcmp(json_text(a, "name", ""), self->name) == 0) {
		if (strcmp(at, self->address) == 0)
			return true;
		if (strcmp(json_text(b, "address", ""), self->address) == 0)
			return false;
	}
	return json_num(a, "since", 0) > json_num(b, "since", 0);
}

/* Of one name, NULL: none. *other: one more that has it. */
static const json_t *find_there(
	const json_t *all, const char *name, const struct store_leader *self, const json_t **other)
{
	const json_t *v, *found = NULL;
	size_t i;

	*other = NULL;
	json_array_foreach(all, i, v) {
		if (strcmp(json_text(v, "name", ""), name) != 0)
			continue;
		if (found)
			*other = is_rather(v, found, self) ? found : v;
		if (!found || *other == found)
			found = v;
	}
	return found;
}

/* A name is what rows, certificates and people know a master by. */
static void warn_of_two(struct master *m, const json_t *one, const json_t *other)
{
	if (!m->said_two_masters)
		log_warn("two masters are named `%s`: at %s and at %s; give one of them another --name "
			 "(if it was started again at another address, this is over in a moment)",
			json_text(one, "name", ""), json_text(one, "address", ""),
			json_text(other, "address", ""));
	m->said_two_masters = true;
}

/* True: the row is another one now. */
static bool note(struct master *m, const json_t *one)
{
	const char *address = json_text(one, "address", "");
	char key[STORE_NAME + 8];
	const json_t *row;

	row_key(json_text(one, "name", ""), key);
	row = model_get(&m->model, STORE_KEPT, key);
	if (row && strcmp(json_text(row, "address", ""), address) == 0)
		return false;
	model_set(&m->model, STORE_KEPT, key, json_pack("{s:s}", "address", address));
	return true;
}

bool masters_note(struct master *m)
{
	struct store_leader self = {0};
	bool known, news = false;
	json_t *all = m->model.store ? store_masters(m->model.store, &known) : NULL, *v;
	size_t i;

	if (all)
		store_leader(m->model.store, &self);
	json_array_foreach(all, i, v) {
		const json_t *other, *one = find_there(all, json_text(v, "name", ""), &self, &other);

		if (one != v)
			continue; /* one row for each name, or each would take it from the other for ever */
		if (other)
			warn_of_two(m, one, other);
		news |= note(m, one);
	}
	json_decref(all);
	return news;
}

void masters_url(const char *address, char out[STORE_NAME + 8])
{
	snprintf(out, STORE_NAME + 8, "%s%s", strstr(address, "://") ? "" : "ipc://", address);
}

void masters_leader(const struct master *m, struct store_leader *who)
{
	*who = (struct store_leader){0};
	if (m->model.store)
		store_leader(m->model.store, who);
	if (!who->name[0])
		*who = (struct store_leader){"master", "master.sock"};
	if (m->address && m->address[0] && strcmp(who->name, "master") == 0)
		snprintf(who->address, sizeof(who->address), "%s", m->address);
}

/* alive: taken; null: it is not known. */
static json_t *entry(const char *name, const char *address, json_t *alive, bool leads, bool stands)
{
	return json_pack("{s:s, s:s, s:o, s:b, s:b}", "name", name, "address", address, "alive", alive,
		"leads", leads, "stands", stands);
}

json_t *masters_list(struct master *m)
{
	struct store_leader who;
	bool known = true;
	json_t *list = json_array(), *row;
	json_t *there = m->model.store ? store_masters(m->model.store, &known) : NULL;
	const char *key;

	masters_leader(m, &who);
	json_array_append_new(list, entry(who.name, who.address, json_true(), true, true));
	model_foreach(&m->model, STORE_KEPT, key, row) {
		const char *name = key + strlen(ROW);
		const json_t *v, *other;

		if (strncmp(key, ROW, strlen(ROW)) != 0 || strcmp(name, who.name) == 0)
			continue;
		v = find_there(there, name, &who, &other);
		json_array_append_new(list, entry(name, json_text(row, "address", ""),
						    known ? json_boolean(v != NULL) : json_null(), false,
						    json_flag(v, "stands", false)));
	}
	json_decref(there);
	return list;
}

int masters_forget(struct master *m, const char *name, struct err *e)
{
	json_t *list = masters_list(m), *v = NULL, *at;
	char key[STORE_NAME + 8];
	bool alive, told;
	size_t i;

	json_array_foreach(list, i, at)
		if (strcmp(json_text(at, "name", ""), name) == 0)
			v = at;
	alive = json_flag(v, "alive", false);
	told = !json_is_null(json_object_get(v, "alive"));
	json_decref(list);
	if (!v)
		return err_set(e, ERR_member_unknown, "there is no master `%.100s`", name);
	if (alive)
		return err_set(e, ERR_member_online, "master `%.100s` is there: end it first", name);
	if (!told)
		return err_set(e, ERR_bad_stage,
			"whether master `%.100s` is there is not known just now: try again in a moment",
			name);
	row_key(name, key);
	model_set(&m->model, STORE_KEPT, key, NULL);
	return 0;
}
