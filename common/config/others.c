/*
 * A task of several sources: what each of them has, and what its rules must know of the others'. Pure.
 */
#include "common/config/others.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

const json_t *task_part(const json_t *task, const char *source, const char *key)
{
	const json_t *own = json_object_get(json_object_get(json_object_get(task, "instances"), source), key);

	return own ? own : json_object_get(task, key);
}

json_t *task_routes(const json_t *task)
{
	json_t *out = json_object(), *sources = json_object_get(task, "sources");

	for (size_t i = 0; i < json_array_size(sources); i++) {
		const char *source = json_string_value(json_array_get(sources, i));
		json_t *routes = source ? json_object_get(task_part(task, source, "rules"), "routes") : NULL;

		if (json_array_size(routes) > 0)
			json_object_set(out, source, routes);
	}
	return out;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *others_of(const json_t *routes, const char *source)
{
	json_t *all = (json_t *)(uintptr_t)routes, *list = json_array(), *value;
	const char **names = xcalloc(json_object_size(routes) + 1, sizeof(*names)), *key;
	size_t n = 0;

	json_object_foreach(all, key, value)
		if (strcmp(key, source) != 0)
			names[n++] = key;
	/* Always in one order: another list is another order for the units. */
	qsort(names, n, sizeof(*names), by_text);
	for (size_t i = 0; i < n && json_object_get(routes, source); i++)
		json_array_append_new(list, json_pack("{s:s, s:O}", "source", names[i], "routes",
						    json_object_get(routes, names[i])));
	free(names);
	if (json_array_size(list) > 0)
		return list;
	json_decref(list);
	return NULL;
}
