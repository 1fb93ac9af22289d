/* The masters of a cluster, for list-member, config and offline-member. Called by the tick and the words. */
#include "master/masters.h"

#include <stdio.h>
#include <string.h>

#include "common/config/json.h"

#define ROW "master/"

static void row_key(const char *name, char out[STORE_NAME + 8])
{
	snprintf(out, STORE_NAME + 8, ROW "%s", name);
}

bool masters_note(struct master *m)
{
	bool known, news = false;
	json_t *all = m->model.store ? store_masters(m->model.store, &known) : NULL, *v;
	size_t i;

	json_array_foreach(all, i, v) {
		const char *address = json_text(v, "address", "");
		char key[STORE_NAME + 8];
		const json_t *row;

		row_key(json_text(v, "name", ""), key);
		row = model_get(&m->model, STORE_KEPT, key);
		if (row && strcmp(json_text(row, "address", ""), address) == 0)
			continue;
		model_set(&m->model, STORE_KEPT, key, json_pack("{s:s}", "address", address));
		news = true;
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

static const json_t *find_there(const json_t *all, const char *name)
{
	const json_t *v, *found = NULL;
	size_t i;

	json_array_foreach(all, i, v)
		if (strcmp(json_text(v, "name", ""), name) == 0)
			found = v;
	return found;
}

static json_t *entry(const char *name, const char *address, bool alive, bool leads, bool stands)
{
	return json_pack("{s:s, s:s, s:b, s:b, s:b}", "name", name, "address", address, "alive", alive,
		"leads", leads, "stands", stands);
}

json_t *masters_list(struct master *m)
{
	struct store_leader who;
	bool known;
	json_t *list = json_array(), *row;
	json_t *there = m->model.store ? store_masters(m->model.store, &known) : NULL;
	const char *key;

	masters_leader(m, &who);
	json_array_append_new(list, entry(who.name, who.address, true, true, true));
	model_foreach(&m->model, STORE_KEPT, key, row) {
		const char *name = key + strlen(ROW);
		const json_t *v;

		if (strncmp(key, ROW, strlen(ROW)) != 0 || strcmp(name, who.name) == 0)
			continue;
		v = find_there(there, name);
		json_array_append_new(list, entry(name, json_text(row, "address", ""), v != NULL, false,
						    json_flag(v, "stands", false)));
	}
	json_decref(there);
	return list;
}

int masters_forget(struct master *m, const char *name, struct err *e)
{
	json_t *list = masters_list(m);
	const json_t *v = find_there(list, name);
	bool known = v != NULL, alive = json_flag(v, "alive", false);
	char key[STORE_NAME + 8];

	json_decref(list);
	if (!known)
		return err_set(e, ERR_member_unknown, "there is no master `%.100s`", name);
	if (alive)
		return err_set(e, ERR_member_online, "master `%.100s` is there: end it first", name);
	row_key(name, key);
	model_set(&m->model, STORE_KEPT, key, NULL);
	return 0;
}
