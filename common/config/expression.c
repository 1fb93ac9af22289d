/*
 * One expression-filter of a task file: its kind and its expressions, each refused where it stands. Called by
 * task_file.c.
 */
#include "common/config/checked.h"
#include "common/config/files.h"
#include "common/config/json.h"
#include "common/sql/expr.h"

static const struct {
	const char *key, *member;
	unsigned group;
} parts[] = {
	{"insert-value-expr", "insert", 1},
	{"update-old-value-expr", "update_old", 2},
	{"update-new-value-expr", "update_new", 2},
	{"delete-value-expr", "delete", 4},
};

static int take(const char *file, const json_t *o, unsigned i, json_t *out, unsigned *groups, struct err *e)
{
	const char *text = json_text(o, parts[i].key, "");
	struct expr_options options = {.server = {FLAVOR_MYSQL, 0}};
	struct err why = {0};

	if (!text[0])
		return 0;
	if (*groups && *groups != parts[i].group)
		return checked_error(file, o, parts[i].key, e,
			"`%s` beside one of another kind: give it a filter of its own", parts[i].key);
	*groups = parts[i].group;
	if (expr_check(text, &options, &why) < 0)
		return checked_error(file, o, parts[i].key, e, "`%s`: %s", parts[i].key, why.text);
	json_object_set_new(out, parts[i].member, json_string(text));
	return 0;
}

json_t *file_expression(const char *file, const char *name, const json_t *o, struct err *e)
{
	json_t *out = json_pack("{s:s, s:s, s:s}", "name", name, "schema", json_text(o, "schema", ""),
		"table", json_text(o, "table", ""));
	bool across = json_flag(o, "update-across", false);
	unsigned groups = 0;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < sizeof(parts) / sizeof(parts[0]); i++)
		r = take(file, o, i, out, &groups, e);
	if (r == 0 && !groups)
		r = checked_error(
			file, o, "table", e, "`%.100s` in expression-filter has no expression", name);
	if (r == 0 && across && groups != parts[0].group)
		r = checked_error(
			file, o, "update-across", e, "`update-across` goes with `insert-value-expr`");
	if (across)
		json_object_set_new(out, "across", json_true());
	if (r == 0)
		return out;
	json_decref(out);
	return NULL;
}
