/*
 * The list of what belongs to the task downstream. Pure. Used by target.c; what is not in it is never
 * dropped.
 */
#include "units/load/own.h"

#include <stdint.h>
#include <string.h>

bool own_has(const json_t *own, const char *kind, const char *schema, const char *name)
{
	return json_object_get(json_object_get(json_object_get(own, kind), schema), name) != NULL;
}

const char *const own_tables[OWN_TABLES] = {"made", "taken", "joined"};

bool own_has_table(const json_t *own, const char *schema, const char *name)
{
	for (size_t k = 0; k < OWN_TABLES; k++)
		if (own_has(own, own_tables[k], schema, name))
			return true;
	return false;
}

/* The object under this key, made where it is missing; borrowed. */
static json_t *sub(json_t *o, const char *key)
{
	json_t *s = json_object_get(o, key);

	if (!s) {
		s = json_object();
		json_object_set_new(o, key, s);
	}
	return s;
}

void own_add(json_t *own, const char *kind, const char *schema, const char *name)
{
	own_set(own, kind, schema, name, json_true());
}

void own_set(json_t *own, const char *kind, const char *schema, const char *name, json_t *value)
{
	json_object_set_new(sub(sub(own, kind), schema), name, value);
}

void own_claim(json_t *own, const char *kind, const char *schema, const char *name)
{
	own_set(own, kind, schema, name, json_false());
}

bool own_may_have_rows(const json_t *own, const char *kind, const char *schema, const char *name)
{
	return json_is_true(json_object_get(json_object_get(json_object_get(own, kind), schema), name));
}

void own_forget(json_t *own, const char *kind, const char *schema, const char *name)
{
	json_object_del(json_object_get(json_object_get(own, kind), schema), name);
}

/* --- places --- */

void own_set_place(
	json_t *own, const char *schema, const char *name, const char *to_schema, const char *to_name)
{
	if (strcmp(schema, to_schema) == 0 && strcmp(name, to_name) == 0)
		json_object_del(json_object_get(json_object_get(own, "places"), schema), name);
	else
		own_set(own, "places", schema, name, json_pack("[s, s]", to_schema, to_name));
}

void own_place(
	const json_t *own, const char *schema, const char *name, const char **to_schema, const char **to_name)
{
	const json_t *v = json_object_get(json_object_get(json_object_get(own, "places"), schema), name);

	*to_schema = v ? json_string_value(json_array_get(v, 0)) : schema;
	*to_name = v ? json_string_value(json_array_get(v, 1)) : name;
}

bool own_is_placed(
	const json_t *own, const char *schema, const char *name, const char *to_schema, const char *to_name)
{
	const char *s, *n;

	own_place(own, schema, name, &s, &n);
	return s && n && strcmp(s, to_schema) == 0 && strcmp(n, to_name) == 0;
}

/* --- snapshots --- */

void own_add_snapshot(json_t *own, json_t *snapshot)
{
	json_t *list = json_object_get(own, "snapshots");

	if (!list) {
		list = json_array();
		json_object_set_new(own, "snapshots", list);
	}
	json_array_append_new(list, snapshot);
}

void own_set_table(
	json_t *own, const char *schema, const char *name, unsigned first, unsigned last, bool acts)
{
	json_t *v = acts ? json_pack("[i, i, i]", (int)first, (int)last, 1)
			 : json_pack("[i, i]", (int)first, (int)last);

	json_object_set_new(sub(sub(own, "tables"), schema), name, v);
}

unsigned own_snapshots(const json_t *own)
{
	return (unsigned)json_array_size(json_object_get(own, "snapshots"));
}

static const json_t *table_of(const json_t *own, const char *schema, const char *name)
{
	return json_object_get(json_object_get(json_object_get(own, "tables"), schema), name);
}

bool own_is_fresh(const json_t *own, const char *schema, const char *name)
{
	const json_t *t = table_of(own, schema, name);

	return !t || json_integer_value(json_array_get(t, 0)) + 1 >= (json_int_t)own_snapshots(own);
}

bool own_is_mixed(const json_t *own, const char *schema, const char *name)
{
	const json_t *t = table_of(own, schema, name);

	return t && json_integer_value(json_array_get(t, 0)) != json_integer_value(json_array_get(t, 1));
}

const json_t *own_oldest(const json_t *own)
{
	json_t *schemas = json_object_get(own, "tables"), *tables, *v;
	json_int_t oldest = (json_int_t)own_snapshots(own) - 1;
	const char *schema, *name;

	json_object_foreach(schemas, schema, tables) {
		json_object_foreach(tables, name, v) {
			json_int_t first = json_integer_value(json_array_get(v, 0));

			oldest = first < oldest ? first : oldest;
		}
	}
	return oldest < 0 ? NULL : json_array_get(json_object_get(own, "snapshots"), (size_t)oldest);
}

const json_t *own_newest(const json_t *own)
{
	const json_t *list = json_object_get(own, "snapshots");

	return json_array_get(list, json_array_size(list) - 1);
}

bool own_is_followed(const json_t *own)
{
	return !json_is_false(json_object_get(own_newest(own), "follows"));
}

void own_set_followed(json_t *own)
{
	json_object_del((json_t *)(uintptr_t)own_newest(own), "follows");
}

static void keep_of(json_t *names, const json_t *wanted)
{
	const char *name;
	json_t *value;
	void *next;

	json_object_foreach_safe(names, next, name, value) {
		if (!json_object_get(wanted, name))
			json_object_del(names, name);
	}
}

void own_keep(json_t *own, const json_t *targets)
{
	const json_t *wanted = json_object_get(targets, "taken");
	const char *schema;
	json_t *names;

	for (size_t k = 0; k < OWN_TABLES; k++)
		json_object_foreach(json_object_get(own, own_tables[k]), schema, names)
			keep_of(names, json_object_get(wanted, schema));
}

/* --- walking --- */

struct copying {
	const json_t *own;
	json_t *out;
};

static int add_joined(void *arg, const char *schema, const char *name)
{
	struct copying *w = arg;

	if (own_has(w->own, "shared", schema, name)) {
		own_add(w->out, "joined", schema, name);
		own_add(w->out, "shared", schema, name);
	}
	return 0;
}

json_t *own_joined(const json_t *own)
{
	struct copying w = {own, json_object()};

	for (size_t k = 0; k < OWN_TABLES; k++)
		own_each(own, own_tables[k], add_joined, &w);
	return w.out;
}

int own_each(const json_t *own, const char *kind, int (*fn)(void *arg, const char *schema, const char *name),
	void *arg)
{
	json_t *schemas = json_object_get(own, kind), *names, *value;
	const char *schema, *name;

	json_object_foreach(schemas, schema, names) {
		json_object_foreach(names, name, value) {
			if (fn(arg, schema, name) < 0)
				return -1;
		}
	}
	return 0;
}
