/*
 * The names of gh-ost's and pt-osc's tables, by DM's rules. Read with the other rules of a task (rules.c). A
 * name whose matcher gives up is a real table's: copying too much is seen.
 */
#include "common/sql/online.h"

#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"
#include "common/sql/pattern.h"

struct list {
	struct pattern **p;
	size_t n;
};

struct online {
	struct list of[ONLINE_TRASH + 1];
	char *text;
};

static const struct {
	enum online_kind kind;
	const char *key, *regex;
} kinds[] = {
	{ONLINE_SHADOW, "shadow", "^_(.+)_(?:new|gho)$"},
	{ONLINE_TRASH, "trash", "^_(.+)_(?:ghc|del|old)$"},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static bool fits(const struct pattern *p, const char *name)
{
	return pattern_matches(p, str_of(name), false);
}

/* DM puts '^' before and '$' behind where they are not written. */
static int add(struct list *list, const char *regex, const char *key, struct err *e)
{
	struct buf whole = {0};
	struct pattern *p;

	buf_putf(&whole, "^(?:%s)$", regex);
	p = pattern_new_regex(buf_cstr(&whole), true, e);
	buf_free(&whole);
	if (!p)
		return err_add(e, "%s-table-rules", key);
	list->p[list->n++] = p;
	if (pattern_groups(p) != 1)
		return err_set(e, ERR_config_bad,
			"%s-table-rules: `%s` has %u groups in parentheses, must have 1: the real table's "
			"name",
			key, regex, pattern_groups(p));
	if (fits(p, "t") && fits(p, "orders"))
		return err_set(e, ERR_config_bad,
			"%s-table-rules: `%s` fits any table's name, so no table would be copied", key,
			regex);
	return 0;
}

static int read_list(struct list *list, const json_t *given, unsigned kind, struct err *e)
{
	size_t n = json_array_size(given);
	int r = 0;

	if (given && !json_is_null(given) && !json_is_array(given))
		return err_set(e, ERR_config_bad, "%s-table-rules: a list is wanted", kinds[kind].key);
	list->p = xcalloc(n + 1, sizeof(struct pattern *));
	if (n == 0)
		return add(list, kinds[kind].regex, kinds[kind].key, e);
	for (size_t i = 0; r == 0 && i < n; i++) {
		const char *regex = json_string_value(json_array_get(given, i));

		r = regex && *regex ? add(list, regex, kinds[kind].key, e)
				    : err_set(e, ERR_config_bad, "%s-table-rules: entry %zu is empty",
					      kinds[kind].key, i + 1);
	}
	return r;
}

int online_new(struct online **out, const json_t *o, struct err *e)
{
	struct online *new;

	*out = NULL;
	if (!o || json_is_null(o))
		return 0;
	if (!json_is_object(o))
		return err_set(e, ERR_config_bad, "online: an object is wanted");
	new = xcalloc(1, sizeof(*new));
	new->text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	for (unsigned i = 0; i < KINDS; i++)
		if (read_list(&new->of[kinds[i].kind], json_object_get(o, kinds[i].key), i, e) < 0) {
			online_free(&new);
			return -1;
		}
	*out = new;
	return 0;
}

void online_free(struct online **o)
{
	struct online *old = *o;

	*o = NULL;
	if (!old)
		return;
	for (unsigned i = 0; i < KINDS; i++) {
		struct list *list = &old->of[kinds[i].kind];

		for (size_t k = 0; k < list->n; k++)
			pattern_free(&list->p[k]);
		free(list->p);
	}
	free(old->text);
	free(old);
}

const char *online_text(const struct online *o)
{
	return o && o->text ? o->text : "";
}

static const struct pattern *find(const struct online *o, struct str table, enum online_kind *kind)
{
	for (unsigned i = 0; o && i < KINDS; i++) {
		const struct list *list = &o->of[kinds[i].kind];

		*kind = kinds[i].kind;
		for (size_t k = 0; k < list->n; k++)
			if (pattern_matches(list->p[k], table, false))
				return list->p[k];
	}
	*kind = ONLINE_REAL;
	return NULL;
}

enum online_kind online_kind(const struct online *o, struct str table)
{
	enum online_kind kind;

	find(o, table, &kind);
	return kind;
}

struct str online_real(const struct online *o, struct str table)
{
	enum online_kind kind;
	const struct pattern *p = find(o, table, &kind);
	struct str groups[2] = {{"", 0}, {"", 0}};
	struct err ignored;

	if (p && pattern_find(p, table, groups, 2, &ignored) < 1)
		groups[1] = (struct str){"", 0};
	return groups[1];
}
