/*
 * What became of the list since it was read: names are compared with those that there are now, and only what
 * is new is read. Called around the lock of the snapshots (lock.c) and behind it (leader.c). Under the lock
 * it must take milliseconds: one question for all names, and a few for each of a handful of tables.
 */
#include "units/dump/renew.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/sql/alike.h"

enum { NO_SUCH_DATABASE = 1049, NO_SUCH_TABLE = 1146, TABLES = 1, KINDS = 4 };

static const char *const words[KINDS] = {"DATABASE", "TABLE", "VIEW", "SEQUENCE"};

static struct items *of_kind(struct catalog *c, unsigned kind)
{
	struct items *const lists[KINDS] = {&c->schemas, &c->tables, &c->views, &c->sequences};

	return lists[kind];
}

/* What is of no known kind counts as a table: reading it says what is wrong with it. */
static struct items *of_type(struct catalog *c, struct str type)
{
	if (str_is(type, "SYSTEM VIEW") || str_starts(type, "TEMPORARY"))
		return NULL;
	return str_is(type, "VIEW") ? &c->views : str_is(type, "SEQUENCE") ? &c->sequences : &c->tables;
}

/* Names alone: no server opens a table for that, or asks an engine. */
static int list_names(struct catalog *now, struct db *d, const struct rules *rules, struct err *e)
{
	struct db_rows *r;
	const struct str *v;
	int got = -1;

	if (catalog_list_schemas(now, d, rules, e) < 0)
		return -1;
	r = db_query(d,
		STR_LIT("SELECT TABLE_SCHEMA,TABLE_NAME,TABLE_TYPE FROM information_schema.TABLES "
			"WHERE " CATALOG_OURS CATALOG_ORDER),
		e);
	while (r && (got = db_fetch(r, &v, e)) > 0) {
		struct items *l = of_type(now, v[2]);
		struct item *i;

		if (!l || !rules_table(rules, v[0], v[1]))
			continue;
		i = items_add(l);
		i->schema = xstrndup(v[0].p, v[0].n);
		i->name = xstrndup(v[1].p, v[1].n);
	}
	db_rows_close(&r);
	return got;
}

static int by_name(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = strcmp(x->schema, y->schema);

	return order || !x->name ? order : strcmp(x->name, y->name);
}

/* Lists are in the order of their bytes. NULL: it is new, or its text was found to differ. */
static struct item *find(const struct items *was, const struct item *now)
{
	struct item *i = was->n ? bsearch(now, was->p, was->n, sizeof(*now), by_name) : NULL;

	return i && (i->create || i->hidden) ? i : NULL;
}

static int read_new(struct item *i, unsigned kind, struct db *d, const struct rules *rules, struct err *e)
{
	struct catalog one = {0};
	int r;

	if (kind != TABLES)
		return catalog_read_other(i, words[kind], d, e);
	r = catalog_read_table(&one, d, rules, i, e);
	if (r == 0 && one.tables.n > 0) {
		struct item old = *i;

		*i = one.tables.p[0];
		one.tables.p[0] = old;
	}
	catalog_fini(&one);
	return r;
}

/* All but the names: the list that it is taken from is still searched. */
static void take(struct item *to, struct item *from)
{
	struct item all = *from;

	*from = (struct item){.schema = all.schema, .name = all.name};
	all.schema = to->schema;
	all.name = to->name;
	*to = all;
}

static int merge(
	struct catalog *c, struct catalog *now, struct db *d, const struct rules *rules, struct err *e)
{
	int r = 0;

	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct items *was = of_kind(c, kind), *l = of_kind(now, kind), old = *was;

		for (unsigned i = 0; r == 0 && i < l->n; i++) {
			struct item *known = find(was, &l->p[i]);

			if (known)
				take(&l->p[i], known);
			else
				r = read_new(&l->p[i], kind, d, rules, e);
		}
		*was = *l;
		*l = old;
	}
	catalog_settle(c);
	return r;
}

int catalog_renew(struct catalog *c, struct db *d, const struct rules *rules, unsigned most, struct err *e)
{
	struct catalog now = {0};
	unsigned fresh = 0, known = 0, were = 0;
	int r = list_names(&now, d, rules, e);

	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct items *l = of_kind(&now, kind);

		were += of_kind(c, kind)->n;
		for (unsigned i = 0; i < l->n; i++)
			find(of_kind(c, kind), &l->p[i]) ? known++ : fresh++;
	}
	if (r == 0 && (fresh > 0 || known < were)) {
		if (fresh > most || most == 0)
			r = 1;
		else
			r = merge(c, &now, d, rules, e);
	}
	catalog_fini(&now);
	return r < 0 ? -1 : r == 0;
}

/* --- behind the snapshots --- */

/* But for AUTO_INCREMENT's counter. */
static bool is_alike(const char *was, const char *now, struct db *d)
{
	struct buf why = {0};
	bool same = alike(str_of(was), str_of(now), db_server(d), &why);

	buf_free(&why);
	return same;
}

/* 1: it is gone, or can't be shown. */
static int ask(struct item *i, unsigned kind, struct db *d, char **text, struct err *e)
{
	bool gone;

	*text = catalog_show_create(d, words[kind], i, e);
	if (*text)
		return 0;
	gone = e->sql_errno == NO_SUCH_DATABASE || e->sql_errno == NO_SUCH_TABLE;
	if (err_act(e->code) == ERR_ACT_RETRY || (kind <= TABLES && !gone))
		return -1;
	err_clear(e);
	return 1;
}

static int check_one(struct item *i, unsigned kind, struct db *d, bool *same, struct err *e)
{
	char *now;
	int r = ask(i, kind, d, &now, e);

	if (r < 0)
		return -1;
	*same = !now ? !i->create
		     : i->create &&
				(kind == TABLES ? is_alike(i->create, now, d) : strcmp(i->create, now) == 0);
	if (*same && !now)
		return 0;
	free(i->create);
	i->create = *same ? now : NULL;
	if (!*same) {
		free(now);
		free(i->hidden);
		i->hidden = NULL;
	}
	return 0;
}

int catalog_check(struct catalog *c, struct db *d, struct err *e)
{
	bool all = true, same;

	for (unsigned kind = 0; kind < KINDS; kind++)
		for (unsigned n = 0; n < of_kind(c, kind)->n; n++) {
			struct item *i = &of_kind(c, kind)->p[n];

			if (check_one(i, kind, d, &same, e) < 0)
				return err_add(e, "looking at the structures again");
			if (!same && all)
				err_set(e, ERR_dump_changed, "%s `%s`%s%s%s", words[kind], i->schema,
					i->name ? ".`" : "", i->name ? i->name : "", i->name ? "`" : "");
			all = all && same;
		}
	return all;
}

static void leave_out_hidden(struct items *l, const char *what)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < l->n; i++) {
		if (l->p[i].create) {
			l->p[kept++] = l->p[i];
			continue;
		}
		log_warn("%s `%s`.`%s` is left out: %s", what, l->p[i].schema, l->p[i].name, l->p[i].hidden);
		item_fini(&l->p[i]);
	}
	l->n = kept;
}

void catalog_leave_out(struct catalog *c)
{
	leave_out_hidden(&c->views, "VIEW");
	leave_out_hidden(&c->sequences, "SEQUENCE");
	for (unsigned i = 0; i < c->tables.n; i++)
		if (c->tables.p[i].versioned)
			log_warn("table `%s`.`%s` is system-versioned: its current rows are copied, its "
				 "history is not",
				c->tables.p[i].schema, c->tables.p[i].name);
}
