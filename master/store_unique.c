/*
 * The guard that SQLite's unique indexes are, for a store without indexes: which source has a slot, which
 * subtask of a source has a number. Called by store_etcd.c. It holds an image of what is in the store, which
 * only the leader writes.
 */
#include "master/store_unique.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"

struct unique {
	struct map *owner; /* number -> key of the document that has it; both with the table before them */
	struct map *has;   /* the other way round */
};

enum { TEXT = 400 };

struct unique *unique_new(void)
{
	struct unique *u = xcalloc(1, sizeof(*u));

	u->owner = map_new();
	u->has = map_new();
	return u;
}

void unique_free(struct unique **p)
{
	if (!*p)
		return;
	map_free(&(*p)->owner, free);
	map_free(&(*p)->has, free);
	free(*p);
	*p = NULL;
}

/* "source 7", "subtask 3 of mysql-01"; false where the table has nothing of the kind, or the document not. */
static bool number_of(enum store_table t, const json_t *doc, char out[TEXT])
{
	const json_t *n = json_object_get(doc, t == STORE_SOURCE ? "slot" : "sub");

	if ((t != STORE_SOURCE && t != STORE_SUBTASK) || !json_is_integer(n))
		return false;
	if (t == STORE_SOURCE)
		snprintf(out, TEXT, "slot %" JSON_INTEGER_FORMAT, json_integer_value(n));
	else
		snprintf(out, TEXT, "number %" JSON_INTEGER_FORMAT " of source %.200s", json_integer_value(n),
			json_text(doc, "source", ""));
	return true;
}

static void key_of(enum store_table t, const char *key, char out[TEXT])
{
	snprintf(out, TEXT, "%s %.300s", store_table_names[t], key);
}

static void forget(struct unique *u, const char *key)
{
	char *number = map_del(u->has, str_of(key));
	const char *owner = number ? map_get(u->owner, str_of(number)) : NULL;

	/* Another one of the same change set may have taken it already. */
	if (owner && strcmp(owner, key) == 0)
		free(map_del(u->owner, str_of(number)));
	free(number);
}

static void put(struct unique *u, enum store_table t, const char *name, const json_t *doc)
{
	char key[TEXT], number[TEXT];

	key_of(t, name, key);
	forget(u, key);
	if (!doc || !number_of(t, doc, number))
		return;
	free(map_put(u->owner, str_of(number), xstrdup(key)));
	free(map_put(u->has, str_of(key), xstrdup(number)));
}

static int collide(const char *number, const char *a, const char *b, struct err *e)
{
	return err_set(e, ERR_store, "%s would be that of %s and of %s", number, a, b);
}

/* Does the change set take the number away from the one that has it now? */
static bool gives_up(const struct store_change *changes, size_t n, const char *owner, const char *number)
{
	char key[TEXT], other[TEXT];

	for (size_t i = 0; i < n; i++) {
		key_of(changes[i].table, changes[i].key, key);
		if (strcmp(key, owner) == 0)
			return !changes[i].doc || !number_of(changes[i].table, changes[i].doc, other) ||
			       strcmp(number, other) != 0;
	}
	return false;
}

static int check_one(const struct unique *u, struct map *taken, const struct store_change *changes, size_t n,
	size_t at, struct err *e)
{
	const struct store_change *c = &changes[at];
	char key[TEXT], number[TEXT];
	const char *owner;

	if (!c->doc || !number_of(c->table, c->doc, number))
		return 0;
	key_of(c->table, c->key, key);
	owner = map_get(u->owner, str_of(number));
	if (owner && strcmp(owner, key) != 0 && !gives_up(changes, n, owner, number))
		return collide(number, owner, key, e);
	owner = map_get(taken, str_of(number));
	if (owner)
		return collide(number, owner, key, e);
	free(map_put(taken, str_of(number), xstrdup(key)));
	return 0;
}

int unique_check(const struct unique *u, const struct store_change *changes, size_t n, struct err *e)
{
	struct map *taken = map_new();
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = check_one(u, taken, changes, n, i, e);
	map_free(&taken, free);
	return r;
}

void unique_apply(struct unique *u, const struct store_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put(u, changes[i].table, changes[i].key, changes[i].doc);
}

int unique_load(struct unique *u, json_t *const tables[STORE_TABLES], struct err *e)
{
	const char *key;
	json_t *doc;

	map_free(&u->owner, free);
	map_free(&u->has, free);
	u->owner = map_new();
	u->has = map_new();
	for (int t = 0; t < STORE_TABLES; t++)
		json_object_foreach(tables[t], key, doc) {
			struct store_change c = {(enum store_table)t, key, doc};

			if (unique_check(u, &c, 1, e) < 0)
				return -1;
			unique_apply(u, &c, 1);
		}
	return 0;
}
