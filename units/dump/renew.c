/*
 * What became of the list since it was read: names are compared with those that there are now, and only what
 * is new is read. Called around the lock of the snapshots (lock.c) and behind it (leader.c). Under the lock
 * it must take milliseconds: two questions for all names, and a few for each new one until the time is over.
 * Must never wait for long for somebody's lock: who has it may wait for ours.
 */
#include "units/dump/renew.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/sql/alike.h"

enum {
	NO_SUCH_DATABASE = 1049,
	NO_SUCH_TABLE = 1146,
	LOCK_WAIT = 1205,
	OTHER_KIND = 1347,
	NO_SEQUENCE = 4089
};
enum { TABLES = 1, KINDS = 4, LOOK_S = 2 };

static const char *const words[KINDS] = {"DATABASE", "TABLE", "VIEW", "SEQUENCE"};

static struct items *of_kind(struct catalog *c, unsigned kind)
{
	struct items *const lists[KINDS] = {&c->schemas, &c->tables, &c->views, &c->sequences};

	return lists[kind];
}

/*
 * All names stand among the tables. Names alone: MariaDB opens a table to say of what type it is, and waits
 * for whoever renames it.
 */
static int list_names(struct catalog *now, struct db *d, const struct rules *rules, struct err *e)
{
	struct db_rows *r;
	const struct str *v;
	int got = -1;

	if (catalog_list_schemas(now, d, rules, e) < 0)
		return -1;
	r = db_query(d,
		STR_LIT("SELECT TABLE_SCHEMA,TABLE_NAME FROM information_schema.TABLES "
			"WHERE " CATALOG_OURS CATALOG_ORDER),
		e);
	while (r && (got = db_fetch(r, &v, e)) > 0) {
		struct item *i;

		if (!rules_table(rules, v[0], v[1]))
			continue;
		i = items_add(&now->tables);
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

/* Lists are in the order of their bytes. */
static const struct item *find(const struct items *l, const struct item *name)
{
	return l->n ? bsearch(name, l->p, l->n, sizeof(*name), by_name) : NULL;
}

/* Else its text was found to differ. */
static bool is_read(const struct item *i)
{
	return i->create || i->hidden;
}

static bool is_known(struct catalog *c, const struct item *name)
{
	for (unsigned kind = name->name ? TABLES : 0; kind < (name->name ? KINDS : TABLES); kind++) {
		const struct item *i = find(of_kind(c, kind), name);

		if (i && is_read(i))
			return true;
	}
	return false;
}

static bool is_listed(const struct catalog *now, const struct item *i)
{
	return find(i->name ? &now->tables : &now->schemas, i) != NULL;
}

static int tell(const struct item *i, const char *what, struct err *e)
{
	err_set(e, ERR_dump_changed, "`%s`%s%s%s %s", i->schema, i->name ? ".`" : "", i->name ? i->name : "",
		i->name ? "`" : "", what);
	return 0;
}

/* The first that came or went; NULL: none did. */
static const struct item *differs(struct catalog *c, const struct catalog *now, const char **what)
{
	const struct items *lists[] = {&now->schemas, &now->tables};

	*what = "came";
	for (unsigned n = 0; n < 2; n++)
		for (unsigned i = 0; i < lists[n]->n; i++)
			if (!is_known(c, &lists[n]->p[i]))
				return &lists[n]->p[i];
	*what = "went";
	for (unsigned kind = 0; kind < KINDS; kind++)
		for (unsigned i = 0; i < of_kind(c, kind)->n; i++)
			if (!is_listed(now, &of_kind(c, kind)->p[i]))
				return &of_kind(c, kind)->p[i];
	return NULL;
}

static void move_to(struct items *to, struct items *from)
{
	for (unsigned i = 0; i < from->n; i++)
		*items_add(to) = from->p[i];
	from->n = 0;
}

/* 1: it is there; 0: no more. */
static int read_one(struct catalog *fresh, const struct item *name, struct db *d, const struct rules *rules,
	struct err *e)
{
	struct catalog one = {0};
	int r;

	if (name->name) {
		r = catalog_read_one(&one, d, rules, name, e);
	} else {
		items_add(&one.schemas)->schema = xstrdup(name->schema);
		r = catalog_read_other(one.schemas.p, words[0], d, e);
	}
	catalog_settle(&one);
	for (unsigned kind = 0; r >= 0 && kind < KINDS; kind++) {
		if (of_kind(&one, kind)->n > 0)
			r = 1;
		move_to(of_kind(fresh, kind), of_kind(&one, kind));
	}
	catalog_fini(&one);
	return r;
}

/* 1: all that is new; 0 with e: there is no time for it. */
static int read_new(struct catalog *fresh, struct catalog *c, const struct items *names, struct db *d,
	const struct rules *rules, uint64_t until_ms, struct err *e)
{
	for (unsigned i = 0; i < names->n; i++) {
		const struct item *name = &names->p[i];
		int r;

		if (is_known(c, name))
			continue;
		if (clock_ms() >= until_ms)
			return tell(name, "came, and there is no time to read it while all wait", e);
		r = read_one(fresh, name, d, rules, e);
		if (r < 0)
			return -1;
		/* Where nothing can go it is there, and is not left out. */
		if (r == 0 && until_ms != UINT64_MAX)
			return tell(name, "is there and can't be read", e);
	}
	return 1;
}

static void merge(struct catalog *c, const struct catalog *now, struct catalog *fresh)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct items *l = of_kind(c, kind);
		unsigned kept = 0;

		for (unsigned i = 0; i < l->n; i++)
			if (is_read(&l->p[i]) && is_listed(now, &l->p[i]))
				l->p[kept++] = l->p[i];
			else
				item_fini(&l->p[i]);
		l->n = kept;
		move_to(l, of_kind(fresh, kind));
		if (l->n > 0)
			qsort(l->p, l->n, sizeof(*l->p), by_name);
	}
	catalog_settle(c);
}

/* Nothing of c changes before all is read. */
static int renew(struct catalog *c, const struct catalog *now, struct db *d, const struct rules *rules,
	uint64_t until_ms, struct err *e)
{
	struct catalog fresh = {0};
	int r = read_new(&fresh, c, &now->schemas, d, rules, until_ms, e);

	if (r > 0)
		r = read_new(&fresh, c, &now->tables, d, rules, until_ms, e);
	if (r > 0)
		merge(c, now, &fresh);
	catalog_fini(&fresh);
	return r;
}

/* Who has the lock that was waited for may wait for ours. */
static bool may_repeat(const struct err *e)
{
	return e->sql_errno == LOCK_WAIT || e->code == ERR_dump_changed;
}

int catalog_renew(
	struct catalog *c, struct db *d, const struct rules *rules, uint64_t until_ms, struct err *e)
{
	struct catalog now = {0};
	const struct item *other;
	const char *what;
	int r = list_names(&now, d, rules, e) < 0 ? -1 : 1;

	if (r > 0 && (other = differs(c, &now, &what)))
		r = until_ms == 0 ? tell(other, what, e) : renew(c, &now, d, rules, until_ms, e);
	catalog_fini(&now);
	return r < 0 && may_repeat(e) ? 0 : r;
}

int catalog_look_shortly(struct db *d, struct err *e)
{
	return db_execf(d, e, "SET SESSION lock_wait_timeout=%d", LOOK_S);
}

int catalog_look_patiently(struct db *d, struct err *e)
{
	return db_exec(d, STR_LIT("SET SESSION lock_wait_timeout=DEFAULT"), e);
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

/* 1: it is gone, or can't be shown; 2: it is something else now. */
static int ask(struct item *i, unsigned kind, struct db *d, char **text, struct err *e)
{
	bool gone, other;

	*text = catalog_show_create(d, words[kind], i, e);
	if (*text)
		return 0;
	gone = e->sql_errno == NO_SUCH_DATABASE || e->sql_errno == NO_SUCH_TABLE;
	other = e->sql_errno == OTHER_KIND || e->sql_errno == NO_SEQUENCE;
	if (err_act(e->code) == ERR_ACT_RETRY || (kind <= TABLES && !gone))
		return -1;
	err_clear(e);
	return other ? 2 : 1;
}

static int check_one(struct item *i, unsigned kind, struct db *d, bool *same, struct err *e)
{
	char *now;
	int r = ask(i, kind, d, &now, e);

	if (r < 0)
		return -1;
	*same = !now ? r == 1 && !i->create
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
	struct err first = {0};
	bool all = true, same;

	for (unsigned kind = 0; kind < KINDS; kind++)
		for (unsigned n = 0; n < of_kind(c, kind)->n; n++) {
			struct item *i = &of_kind(c, kind)->p[n];

			if (check_one(i, kind, d, &same, e) < 0) {
				err_add(e, "looking at the structures again");
				return e->sql_errno == LOCK_WAIT ? 0 : -1;
			}
			if (!same && all)
				err_set(&first, ERR_dump_changed, "%s `%s`%s%s%s", words[kind], i->schema,
					i->name ? ".`" : "", i->name ? i->name : "", i->name ? "`" : "");
			all = all && same;
		}
	if (!all)
		*e = first;
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
