/*
 * Which views, routines, triggers and events are to be there after the cutover, and what speaks against it:
 * as the source has them now, whatever they were when the copy was made. Called by the leader thread. Asks
 * only.
 */
#include "units/cutover/objects.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/sql/quote.h"
#include "units/cutover/record.h"

static bool is_wanted(const struct cutover *c, enum object_kind k)
{
	/* Under routes a view's text would name tables that are not there. */
	return k == OBJECT_VIEW ? !rules_route(c->rules) : (c->wanted & OBJECT_BIT(k)) != 0;
}

/* --- may this account see them at all? --- */

#define SHOW_ROUTINES "'SHOW CREATE ROUTINE','CREATE ROUTINE','ALTER ROUTINE','EXECUTE'"

/* SELECT shows routines to those only who have it for everything (tried on MySQL 9.7, MariaDB 10.11 and
 * 11.8). */
static const struct sight {
	unsigned kinds;
	const char *what, *global, *schema, *mend;
} sights[] = {
	{OBJECTS_TRIGGERS, "triggers", "'TRIGGER'", "'TRIGGER'", "GRANT TRIGGER on the tables"},
	{OBJECTS_EVENTS, "events", "'EVENT'", "'EVENT'", "GRANT EVENT on the schemas"},
	{OBJECTS_ROUTINES, "routines", "'SELECT','SHOW_ROUTINE'," SHOW_ROUTINES, SHOW_ROUTINES,
		"GRANT SELECT ON *.*"},
};

/* An account that may read the system tables sees those of others too. */
#define ME                                                                                                   \
	" GRANTEE=CONCAT('\\'',LEFT(CURRENT_USER(),CHAR_LENGTH(CURRENT_USER())-CHAR_LENGTH("                 \
	"SUBSTRING_INDEX(CURRENT_USER(),'@',-1))-1),'\\'@\\'',SUBSTRING_INDEX(CURRENT_USER(),'@',-1),'\\'')" \
	" AND "                                                                                              \
	"PRIVILEGE_TYPE IN "

struct seen {
	struct cutover *c;
	const struct sight *s;
	const char *schema;
};

static int count(struct cutover *c, const struct buf *sql, uint64_t *n, struct err *e)
{
	char text[24];
	bool found;

	if (db_value(c->up, sql->p, text, sizeof(text), &found, e) < 0)
		return -1;
	*n = found ? strtoull(text, NULL, 10) : 0;
	return 0;
}

/* For everything, or by a pattern that the schema is of. */
static int count_wide(const struct seen *v, uint64_t *n, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_putf(&sql,
		"SELECT (SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE" ME "(%s))+"
		"(SELECT COUNT(*) FROM information_schema.SCHEMA_PRIVILEGES WHERE" ME "(%s) AND _utf8mb4",
		v->s->global, v->s->schema);
	sql_put_string(&sql, str_of(v->schema));
	buf_puts(&sql, " LIKE TABLE_SCHEMA)");
	buf_cstr(&sql);
	r = count(v->c, &sql, n, e);
	buf_free(&sql);
	return r;
}

/* The tables' own: of triggers only, and each wanted table must have it. */
static int count_tables(const struct seen *v, uint64_t *have, uint64_t *want, struct err *e)
{
	struct buf sql = {0};
	const char *sep = "(";
	int r = 0;

	*have = *want = 0;
	buf_puts(&sql, "SELECT COUNT(DISTINCT TABLE_NAME) FROM information_schema.TABLE_PRIVILEGES WHERE" ME
		       "('TRIGGER') AND TABLE_SCHEMA=_utf8mb4");
	sql_put_string(&sql, str_of(v->schema));
	buf_puts(&sql, " AND TABLE_NAME IN ");
	for (unsigned i = 0; i < v->c->ntables; i++) {
		if (strcmp(v->c->tables[i].schema, v->schema) != 0)
			continue;
		buf_puts(&sql, sep);
		buf_puts(&sql, "_utf8mb4");
		sql_put_string(&sql, str_of(v->c->tables[i].name));
		sep = ",";
		++*want;
	}
	buf_puts(&sql, ")");
	buf_cstr(&sql);
	if (*want > 0)
		r = count(v->c, &sql, have, e);
	buf_free(&sql);
	return r;
}

/* Whoever may read MariaDB's table of routines is shown them all. */
static bool reads_proc(struct cutover *c)
{
	return db_exec(c->up, STR_LIT("SELECT 1 FROM mysql.proc LIMIT 0"), NULL) == 0;
}

/* 1: all of them; 0: not. */
static int sees_schema(const struct seen *v, struct err *e)
{
	uint64_t wide, have, want;

	if (count_wide(v, &wide, e) < 0)
		return -1;
	if (wide == 0 && v->s->kinds == OBJECTS_ROUTINES)
		return reads_proc(v->c);
	if (wide > 0 || v->s->kinds != OBJECTS_TRIGGERS)
		return wide > 0;
	return count_tables(v, &have, &want, e) < 0 ? -1 : have == want;
}

/* Of roles the lists say nothing: then it can't be told. */
static bool has_roles(struct cutover *c)
{
	char text[24];
	bool found;

	return db_value(c->up, "SELECT COUNT(*) FROM information_schema.APPLICABLE_ROLES", text, sizeof(text),
		       &found, NULL) == 0 &&
	       found && strcmp(text, "0") != 0;
}

static void say_unseen(const struct seen *v)
{
	bool roles = has_roles(v->c);

	v->c->unseen |= v->s->kinds;
	cutover_found(v->c, "objects", roles ? "warn" : "fail", v->s->mend,
		"the source's account %s the %s of schema `%s`: there may be more than are seen",
		roles ? "may not see" : "lacks the privilege to see", v->s->what, v->schema);
}

static int look_schema(struct cutover *c, const char *schema, struct err *e)
{
	for (size_t i = 0; i < sizeof(sights) / sizeof(sights[0]); i++) {
		struct seen v = {c, &sights[i], schema};
		int r = c->wanted & sights[i].kinds ? sees_schema(&v, e) : 1;

		if (r < 0)
			return -1;
		if (r == 0)
			say_unseen(&v);
	}
	return 0;
}

static void free_names(char **names, size_t n)
{
	while (n > 0)
		free(names[--n]);
	free(names);
}

static int look_sight(struct cutover *c, struct err *e)
{
	struct db_rows *rows =
		db_query(c->up, STR_LIT("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA"), e);
	const struct str *v;
	char **names = NULL;
	size_t n = 0;
	int got = -1;

	while (rows && (got = db_fetch(rows, &v, e)) > 0) {
		if (!rules_schema(c->rules, v[0]))
			continue;
		names = xrealloc(names, (n + 1) * sizeof(*names));
		names[n++] = xstrndup(v[0].p, v[0].n);
	}
	db_rows_close(&rows);
	for (size_t i = 0; got == 0 && i < n; i++)
		got = look_schema(c, names[i], e);
	free_names(names, n);
	return got;
}

/* --- accounts --- */

static void ask_account(struct str account, struct buf *sql)
{
	const char *at = memrchr(account.p, '@', account.n);
	size_t n = at ? (size_t)(at - account.p) : account.n;

	buf_puts(sql, "SELECT 1 FROM mysql.user WHERE User=_utf8mb4");
	sql_put_string(sql, (struct str){account.p, n});
	buf_puts(sql, " AND Host=_utf8mb4");
	sql_put_string(sql, at ? (struct str){at + 1, account.n - n - 1} : STR_LIT(""));
}

/* 1: it is there; 0: it is not; -1 with e. */
static int has_account(struct cutover *c, struct str account, struct err *e)
{
	struct buf sql = {0};
	char text[8];
	bool found = false;
	int r;

	ask_account(account, &sql);
	r = db_value(c->down, buf_cstr(&sql), text, sizeof(text), &found, e);
	buf_free(&sql);
	return r < 0 ? -1 : found;
}

static int look_account(struct cutover *c, struct str account, const struct object *of)
{
	struct buf show = {0}, quoted = {0};
	struct err e = {0};
	int there = has_account(c, account, &e);

	if (there < 0) {
		cutover_failed(c, "definer", "which accounts there are downstream can't be seen", &e);
		return -1;
	}
	object_show(of->kind, of->schema, of->name, &show);
	definer_put(&quoted, account);
	if (!there)
		cutover_found(c, "definer", "fail",
			"CREATE USER it there, or take another `definer` (current-user, invoker, user@host)",
			"the DEFINER %s of %s is no account downstream: nobody could use it",
			buf_cstr(&quoted), buf_cstr(&show));
	buf_free(&show);
	buf_free(&quoted);
	return 0;
}

/* "`u`@`h`" -> "u@h". */
static struct str plain_account(const struct definer *d, struct buf *b)
{
	for (const char *p = d->account; *p; p++)
		if (*p != '`')
			buf_putc(b, *p);
	return buf_str(b);
}

static void look_accounts(struct cutover *c, const struct plan *p)
{
	static char seen;
	struct map *asked = map_new();
	struct buf plain = {0};
	struct str one = plain_account(&c->definer, &plain);

	for (unsigned i = 0; i < p->all.n; i++) {
		const struct object *o = &p->all.p[i];
		struct str account = c->definer.policy == DEFINER_ACCOUNT ? one : str_of(o->definer);

		if (!p->make[i] || map_get(asked, account) ||
			(c->definer.policy != DEFINER_KEEP && c->definer.policy != DEFINER_ACCOUNT))
			continue;
		map_put(asked, account, &seen);
		if (look_account(c, account, o) < 0)
			break;
	}
	map_free(&asked, NULL);
	buf_free(&plain);
}

/* --- one by one --- */

static int judge(struct cutover *c, const struct plan *p, const struct object *o, bool *make, struct err *e)
{
	bool ours = record_find(p->known, object_word(o->kind), o->schema, o->name) != NULL, there;
	struct buf show = {0};
	struct err why = {0};

	*make = false;
	object_show(o->kind, o->schema, o->name, &show);
	if (object_readable(c->up, o, &why) < 0) {
		cutover_found(c, "objects", "fail", "tidegate grants --for cutover", "%s", why.text);
	} else if (c->to.flavor == FLAVOR_TIDB && o->kind != OBJECT_VIEW) {
		cutover_found(c, "objects", "fail", "take its kind out of the task's `objects`",
			"%s can't be made: TiDB has none", buf_cstr(&show));
	} else if (object_there(c->down, o->kind, o->schema, o->name, &there, e) < 0) {
		buf_free(&show);
		return -1;
	} else if (there && !ours) {
		cutover_found(c, "objects", o->kind == OBJECT_VIEW ? "warn" : "fail",
			"drop it, or keep it and take its kind out of the task's `objects`",
			"there is a %s downstream that is not of this task: it is left as it is",
			buf_cstr(&show));
	} else {
		*make = true;
		if (!there && o->kind == OBJECT_VIEW)
			cutover_found(c, "objects", "warn", "",
				"%s is not there: it is new, or could not be made with the copy; it will be "
				"tried",
				buf_cstr(&show));
	}
	buf_free(&show);
	return 0;
}

static void say_counts(struct cutover *c, const struct plan *p)
{
	unsigned n[OBJECT_KINDS] = {0}, left = 0;
	struct buf text = {0};

	for (unsigned i = 0; i < p->all.n; i++)
		if (!is_wanted(c, p->all.p[i].kind) && p->all.p[i].kind < OBJECT_KINDS)
			n[p->all.p[i].kind]++;
	for (int k = 0; k < OBJECT_KINDS; k++) {
		if (n[k])
			buf_putf(&text, "%s%u %s", left ? ", " : "", n[k], object_word((enum object_kind)k));
		left += n[k];
	}
	if (left)
		cutover_found(c, "objects", "warn",
			"name their kinds in the task's `objects` to have them made",
			"not asked for, and not made: %s", buf_cstr(&text));
	buf_free(&text);
}

static void look_scheduler(struct cutover *c, const struct plan *p)
{
	char value[24] = "";
	bool events = false, found;

	for (unsigned i = 0; i < p->all.n; i++)
		events |= p->make[i] && p->all.p[i].enabled;
	if (events &&
		db_value(c->down, "SELECT @@global.event_scheduler", value, sizeof(value), &found, NULL) ==
			0 &&
		strcmp(value, "ON") != 0)
		cutover_found(c, "objects", "warn", "SET GLOBAL event_scheduler=ON there",
			"the downstream's event_scheduler is %s: its events will not run", value);
}

static void read_state(struct cutover *c, struct plan *p)
{
	const char *state = record_find(p->known, RECORD_POSITION, "", "");

	snprintf(p->position, sizeof(p->position), "%s:%" PRIu64, c->at.file, c->at.offset);
	/* Without a binlog nothing tells whether it stands where it stood. */
	p->begun = c->at.file[0] && state && strcmp(state, p->position) == 0;
}

int objects_plan(struct cutover *c, struct plan *p, struct err *e)
{
	if (record_read(c, &p->known, e) < 0 || look_sight(c, e) < 0 ||
		objects_read(c->up, c->rules, OBJECT_BIT(OBJECT_VIEW) | OBJECTS_ALL, &p->all, e) < 0)
		return -1;
	read_state(c, p);
	p->make = xcalloc((size_t)p->all.n + 1, sizeof(*p->make));
	for (unsigned i = 0; i < p->all.n; i++)
		if (is_wanted(c, p->all.p[i].kind) && judge(c, p, &p->all.p[i], &p->make[i], e) < 0)
			return -1;
	say_counts(c, p);
	look_accounts(c, p);
	look_scheduler(c, p);
	return 0;
}

void objects_plan_fini(struct plan *p)
{
	objects_fini(&p->all);
	free(p->make);
	json_decref(p->known);
	*p = (struct plan){0};
}
