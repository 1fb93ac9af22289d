/*
 * The list of what belongs to the task downstream. Pure. Used by target.c; what is not in it is never
 * dropped.
 */
#include "units/load/own.h"

bool own_has(const json_t *own, const char *kind, const char *schema, const char *name)
{
	return json_object_get(json_object_get(json_object_get(own, kind), schema), name) != NULL;
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
