/*
 * The operators of `binlog skip|replace|inject`, as the slice holds them, and which of them is meant for a
 * statement. Called by main.c and ddl.c; asks nobody.
 */
#include "units/sync/ddl_handle.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"

static int read_op(const char *word, enum ddl_handle_op *op, struct err *e)
{
	static const char *const words[] = {"skip", "replace", "inject"};

	for (int i = 0; i < 3; i++)
		if (strcmp(words[i], word) == 0) {
			*op = (enum ddl_handle_op)i;
			return 0;
		}
	return err_set(e, ERR_config_bad, "a binlog operator `%.40s`", word);
}

static int read_sqls(struct ddl_handle *h, const json_t *sqls, struct err *e)
{
	size_t n = json_array_size(sqls);

	if ((n == 0) != (h->op == DDL_SKIP))
		return err_set(e, ERR_config_bad, "a binlog operator with %zu statements", n);
	h->sqls = xcalloc(n + 1, sizeof(*h->sqls));
	for (size_t i = 0; i < n; i++) {
		const json_t *s = json_array_get(sqls, i);

		if (!json_is_string(s))
			return err_set(e, ERR_config_bad, "a statement of a binlog operator is no text");
		h->sqls[i].n = json_string_length(s);
		h->sqls[i].p = xstrndup(json_string_value(s), h->sqls[i].n);
		h->nsqls++;
	}
	return 0;
}

static int read_one(struct ddl_handle *h, const json_t *o, struct err *e)
{
	char base[256];

	if (binlog_name_split(str_of(json_text(o, "file", "")), base, sizeof(base), &h->file, e) < 0 ||
		read_op(json_text(o, "op", ""), &h->op, e) < 0)
		return -1;
	h->base = xstrdup(base);
	h->offset = (uint64_t)json_num(o, "offset", 0);
	h->generation = (uint32_t)json_num(o, "generation", 0);
	return read_sqls(h, json_object_get(o, "sqls"), e);
}

int ddl_handles_read(struct ddl_handles *h, const json_t *list, struct err *e)
{
	const json_t *o;
	size_t i;

	*h = (struct ddl_handles){.list = xcalloc(json_array_size(list) + 1, sizeof(*h->list))};
	json_array_foreach(list, i, o)
		if (read_one(&h->list[h->n++], o, e) < 0) {
			ddl_handles_fini(h);
			return -1;
		}
	return 0;
}

void ddl_handles_fini(struct ddl_handles *h)
{
	for (unsigned i = 0; i < h->n; i++) {
		for (unsigned k = 0; k < h->list[i].nsqls; k++)
			free((char *)h->list[i].sqls[k].p);
		free(h->list[i].sqls);
		free(h->list[i].base);
	}
	free(h->list);
	*h = (struct ddl_handles){0};
}

static bool is_at(const struct ddl_handle *h, struct position p)
{
	return h->file == p.file && h->offset == p.offset &&
	       (h->generation == 0 || h->generation == p.generation);
}

const struct ddl_handle *ddl_handles_find(const struct ddl_handles *h, const char *base, const struct trx *t)
{
	for (unsigned i = 0; i < h->n; i++)
		if (strcmp(h->list[i].base, base) == 0 &&
			(is_at(&h->list[i], t->event) || (!t->inside && is_at(&h->list[i], t->start))))
			return &h->list[i];
	return NULL;
}
