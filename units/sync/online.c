/*
 * Tables of gh-ost and pt-osc in the stream of DDL: what is done with a table's shadow is noted in
 * tidegate_online, and told again with the table itself when the two are exchanged. Called by ddl.c for each
 * statement; changes nothing itself.
 */
#include "units/sync/online.h"

#include <string.h>
#include <strings.h>

#include "common/base/log.h"
#include "common/config/json.h"
#include "common/sql/quote.h"
#include "units/sync/ddl_gone.h"
#include "units/sync/online_records.h"

struct work {
	struct apply *a;
	const struct trx *t;
	const struct binlog_query *q;
	const struct sql_ddl *ddl;
	enum online_told told;
	struct online_step *out;
	struct online_records r;
};

/* A name of the statement. */
struct named {
	char schema[257];
	const char *table;
	enum online_kind kind;
};

/* --- names --- */

static struct named name_of(const struct work *w, unsigned i)
{
	struct named n = {.table = w->ddl->tables[i].table};
	char schema[257];

	snprintf(n.schema, sizeof(n.schema), "%s", ddl_schema_of(&w->ddl->tables[i], w->q->schema, schema));
	n.kind = online_kind(rules_online(w->a->rules), str_of(n.table));
	return n;
}

static bool is_wanted(const struct work *w, const struct named *n)
{
	return rules_table(w->a->rules, str_of(n->schema), str_of(n->table));
}

/* Nothing of this transaction has come to it yet by a copy or by DM. */
static bool is_behind(const struct work *w, const struct named *n)
{
	struct str schema = str_of(n->schema), table = str_of(n->table);

	return !copied_has(&w->a->copied, schema, table, w->t) &&
	       !takeover_has(&w->a->takeover, schema, table, w->t->end);
}

static struct str without_dashes(struct str s)
{
	while (s.n && *s.p == '_') {
		s.p++;
		s.n--;
	}
	return s;
}

static bool has_base(const struct online_record *r)
{
	return json_text(r->o, "table", "")[0] != '\0';
}

static bool is_same(struct str a, struct str b, bool exact)
{
	return exact ? str_eq(a, b) : a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

/* Made like it; of one made in full the name tells. exact false: in any case, as that may be the same table.
 */
static bool belongs(const struct work *w, const struct online_record *r, const struct named *real, bool exact)
{
	struct str schema = str_of(r->schema), table, name = str_of(real->table);

	if (!r->o)
		return false;
	if (has_base(r)) {
		schema = str_of(json_text(r->o, "schema", ""));
		table = str_of(json_text(r->o, "table", ""));
	} else {
		table = without_dashes(online_real(rules_online(w->a->rules), str_of(r->table)));
		name = without_dashes(name);
	}
	return is_same(schema, str_of(real->schema), exact) && is_same(table, name, exact);
}

static bool may_be_of(const struct work *w, const struct online_record *r, const struct named *real)
{
	return belongs(w, r, real, false);
}

static bool is_of(const struct work *w, const struct online_record *r, const struct named *real)
{
	return belongs(w, r, real, true);
}

static struct online_record *shadow_of(struct work *w, const struct named *real)
{
	for (unsigned i = 0; i < w->r.n; i++)
		if (is_of(w, &w->r.list[i], real))
			return &w->r.list[i];
	return NULL;
}

static int stop(const struct named *n, const char *why, struct err *e)
{
	return err_set(e, ERR_sync_online, "`%s`.`%s`: %s", n->schema, n->table, why);
}

/* --- statements on one table --- */

/* Something is done with the real table that its shadow does not have. */
static void touched(struct work *w, const struct named *real, const char *what)
{
	char why[200];

	snprintf(why, sizeof(why), "the real table was changed meanwhile by %s", what);
	for (unsigned i = 0; i < w->r.n; i++)
		if (may_be_of(w, &w->r.list[i], real))
			online_set_why(&w->r.list[i], why);
}

static int created(struct work *w, const struct named *n, struct err *e)
{
	struct online_record *r = online_find(&w->r, n->schema, n->table);
	struct named model;

	if (n->kind == ONLINE_REAL) {
		r = shadow_of(w, n);
		if (r && json_text(r->o, "away", "")[0] && is_wanted(w, n) && w->told == ONLINE_UNTOLD)
			return stop(n, "made anew while an online change of structure has moved it away", e);
		if (!w->ddl->if_not_exists)
			touched(w, n, "CREATE TABLE");
		return 0;
	}
	if (rules_listed(w->a->rules, str_of(n->schema), str_of(n->table)))
		log_info("`%s`.`%s` is left out: its name is one of gh-ost's or pt-osc's tables", n->schema,
			n->table);
	if (n->kind != ONLINE_SHADOW || (r && w->ddl->if_not_exists))
		return 0;
	r = online_make(&w->r, n->schema, n->table);
	if (w->ddl->as_select || w->ddl->start_transaction)
		online_set_why(r, "it was made by CREATE TABLE ... SELECT");
	if (w->ddl->if_not_exists)
		online_set_why(r, "it was made with IF NOT EXISTS, and may have been there");
	if (w->q->error_code)
		online_set_why(r, "its CREATE TABLE ended with an error");
	if (!w->ddl->like || w->ddl->ntables < 2)
		return 0;
	model = name_of(w, 1);
	json_object_set_new(r->o, "schema", json_any_text(model.schema));
	json_object_set_new(r->o, "table", json_any_text(model.table));
	if (model.kind != ONLINE_REAL)
		online_set_why(r, "it is made like a table that is itself one of an online change");
	return 0;
}

static json_t *statement_json(const struct binlog_query *q)
{
	json_t *sql = json_stringn(q->sql.p, q->sql.n);
	json_t *zone = json_stringn(q->time_zone.p ? q->time_zone.p : "", q->time_zone.n);
	json_t *schema = json_stringn(q->schema.p ? q->schema.p : "", q->schema.n);

	if (!sql || !zone || !schema || memchr(q->sql.p, 0, q->sql.n)) {
		json_decref(sql);
		json_decref(zone);
		json_decref(schema);
		return NULL;
	}
	return json_pack(
		"{s:o, s:o, s:o, s:b, s:I, s:b, s:i, s:i, s:i, s:i, s:i, s:b, s:b, s:b, s:i, s:i, s:i}",
		"sql", sql, "schema", schema, "zone", zone, "has_mode", (int)q->has_sql_mode, "mode",
		(json_int_t)q->sql_mode, "has_charset", (int)q->has_charset, "client", (int)q->client_charset,
		"connection", (int)q->connection_collation, "server", (int)q->server_collation, "lc_time",
		(int)q->lc_time, "database", (int)q->charset_database, "has_explicit",
		(int)q->has_explicit_defaults, "explicit", (int)q->explicit_defaults, "no_checks",
		(int)q->no_checks, "increment", (int)q->auto_increment, "offset", (int)q->auto_offset,
		"utf8mb4", (int)q->utf8mb4_collation);
}

static void altered(struct work *w, const struct named *n)
{
	struct online_record *r = online_find(&w->r, n->schema, n->table);
	char why[300] = "";
	json_t *one;

	if (!r)
		return;
	r->changed = true;
	if (w->q->error_code)
		online_set_why(r, "a statement on it ended with an error");
	if (w->ddl->if_exists)
		online_set_why(r, "a statement on it says IF EXISTS");
	if (online_differs(
		    w->q, &w->t->format.server, w->ddl, json_object_get(r->o, "dropped"), why, sizeof(why)))
		online_set_why(r, why);
	one = statement_json(w->q);
	if (!one || json_array_append_new(json_object_get(r->o, "ddls"), one) < 0)
		online_set_why(r, "a statement on it is no UTF-8, or holds a NUL");
}

static void on_one(struct work *w, const struct named *n, const char *what)
{
	struct online_record *r = online_find(&w->r, n->schema, n->table);

	if (n->kind == ONLINE_REAL)
		touched(w, n, what);
	else if (n->kind == ONLINE_SHADOW && w->ddl->verb == SQL_VERB_TRUNCATE)
		online_set_why(r, "it was truncated");
	else if (n->kind == ONLINE_SHADOW)
		altered(w, n);
}

/* The name that the table of a two-step exchange has meanwhile. */
static struct online_record *held_by(struct work *w, const struct named *trash)
{
	for (unsigned i = 0; i < w->r.n; i++)
		if (w->r.list[i].o && strcmp(w->r.list[i].schema, trash->schema) == 0 &&
			strcmp(json_text(w->r.list[i].o, "away", ""), trash->table) == 0)
			return &w->r.list[i];
	return NULL;
}

static void set_away(struct online_record *r, const char *trash)
{
	json_object_set_new(r->o, "away", json_any_text(trash));
	r->changed = true;
}

static int dropped_real(struct work *w, const struct named *n, struct err *e)
{
	struct online_record *r = is_wanted(w, n) && is_behind(w, n) ? shadow_of(w, n) : NULL;

	if (!r)
		return 0;
	if (w->told == ONLINE_UNTOLD)
		return stop(n,
			"dropped while an online change of structure is at work on it: if its shadow takes "
			"its place (pt-osc's drop_swap), say binlog skip; if it is to go, binlog replace "
			"with the same DROP",
			e);
	if (w->told == ONLINE_SKIPPED)
		set_away(r, n->table);
	else
		online_forget(r);
	return 0;
}

static int dropped(struct work *w, const struct named *n, struct err *e)
{
	struct online_record *r;

	if (n->kind == ONLINE_REAL)
		return dropped_real(w, n, e);
	if (n->kind == ONLINE_TRASH)
		return held_by(w, n) && w->told == ONLINE_UNTOLD
			       ? stop(n, "dropped before its shadow took the real table's place", e)
			       : 0;
	r = online_find(&w->r, n->schema, n->table);
	if (r)
		online_forget(r);
	return 0;
}

static void dropped_schema(struct work *w)
{
	for (unsigned i = 0; i < w->r.n; i++)
		if (w->r.list[i].o && strcmp(w->r.list[i].schema, w->ddl->schema) == 0)
			online_forget(&w->r.list[i]);
		else if (w->r.list[i].o &&
			 strcasecmp(json_text(w->r.list[i].o, "schema", ""), w->ddl->schema) == 0)
			online_set_why(&w->r.list[i], "the real table's database was dropped");
}

/* --- RENAME --- */

struct pairs {
	unsigned n, swaps, leaves, others;
};

static bool is_name(const struct named *a, const struct named *b)
{
	return strcmp(a->schema, b->schema) == 0 && strcmp(a->table, b->table) == 0;
}

/* Does the statement move a shadow to this name (from_kind SHADOW, to it), or it to a trash's name? */
static bool has_pair(const struct work *w, const struct pairs *p, const struct named *real, bool comes)
{
	for (unsigned i = 0; i < p->n; i++) {
		struct named from = name_of(w, 2 * i), to = name_of(w, 2 * i + 1);

		if (comes ? from.kind == ONLINE_SHADOW && is_name(&to, real)
			  : to.kind == ONLINE_TRASH && is_name(&from, real))
			return true;
	}
	return false;
}

static int may_swap(struct work *w, const struct pairs *p, const struct online_record *r,
	const struct named *to, struct err *e)
{
	char text[400];
	const char *why = NULL;

	if (!r) {
		why = "its shadow is not on record: it was made before the copy, or before where the task "
		      "began";
	} else if (json_text(r->o, "why", "")[0]) {
		snprintf(text, sizeof(text), "its shadow `%.64s` can't be followed: %s", r->table,
			json_text(r->o, "why", ""));
		why = text;
	} else if (has_base(r) && !is_of(w, r, to)) {
		snprintf(text, sizeof(text), "its shadow `%.64s` is made like `%.64s`.`%.64s`", r->table,
			json_text(r->o, "schema", ""), json_text(r->o, "table", ""));
		why = text;
	} else if (!is_of(w, r, to)) {
		snprintf(text, sizeof(text), "its shadow `%.64s` was not made by LIKE, and has not its name",
			r->table);
		why = text;
	} else if (json_array_size(json_object_get(r->o, "ddls")) == 0) {
		why = "nothing was altered in its shadow, so only its rows can differ, which are not "
		      "followed";
	} else if (!has_pair(w, p, to, false) && !json_text(r->o, "away", "")[0]) {
		why = "it has not left for a name that trash-table-rules know before its shadow takes its "
		      "place";
	}
	return why ? stop(to, why, e) : 0;
}

static struct str text_of(const struct work *w, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	struct str s = {json_string_value(v), json_string_length(v)};

	return (struct str){arena_strdup(w->a->scratch, s), s.n};
}

/* The statement under the real table's name. */
static int rewrite(const struct work *w, struct binlog_query *q, const struct named *to, struct err *e)
{
	struct sql_ddl *ddl = arena_alloc(w->a->scratch, sizeof(*ddl));
	struct buf b = {0};

	if (sql_ddl_read(q->sql, &w->t->format.server, q->sql_mode, ddl, e) < 0)
		return -1;
	if (ddl->ntables == 0 || ddl->tables[0].end > q->sql.n)
		return err_set(e, ERR_internal, "tidegate_online: a statement names no table");
	buf_put(&b, q->sql.p, ddl->tables[0].at);
	sql_put_table(&b, str_of(to->schema), str_of(to->table));
	buf_put(&b, q->sql.p + ddl->tables[0].end, q->sql.n - ddl->tables[0].end);
	q->sql = (struct str){arena_strdup(w->a->scratch, buf_str(&b)), b.n};
	buf_free(&b);
	return 0;
}

static struct binlog_query statement(const struct work *w, const json_t *o)
{
	return (struct binlog_query){.sql = text_of(w, o, "sql"),
		.schema = text_of(w, o, "schema"),
		.time_zone = text_of(w, o, "zone"),
		.thread_id = w->q->thread_id,
		.has_sql_mode = json_flag(o, "has_mode", false),
		.sql_mode = (uint64_t)json_num(o, "mode", 0),
		.has_charset = json_flag(o, "has_charset", false),
		.client_charset = (uint16_t)json_num(o, "client", 0),
		.connection_collation = (uint16_t)json_num(o, "connection", 0),
		.server_collation = (uint16_t)json_num(o, "server", 0),
		.lc_time = (uint16_t)json_num(o, "lc_time", 0),
		.charset_database = (uint16_t)json_num(o, "database", 0),
		.has_explicit_defaults = json_flag(o, "has_explicit", false),
		.explicit_defaults = json_flag(o, "explicit", false),
		.no_checks = json_flag(o, "no_checks", false),
		.auto_increment = (uint16_t)json_num(o, "increment", 0),
		.auto_offset = (uint16_t)json_num(o, "offset", 0),
		.utf8mb4_collation = (uint16_t)json_num(o, "utf8mb4", 0)};
}

static int put_list(struct work *w, const struct online_record *r, const struct named *to, struct err *e)
{
	const json_t *ddls = json_object_get(r->o, "ddls"), *o;
	struct online_step *out = w->out;
	struct binlog_query *list =
		arena_alloc(w->a->scratch, (out->n + json_array_size(ddls)) * sizeof(*list));
	size_t i;

	if (out->n)
		memcpy(list, out->list, out->n * sizeof(*list));
	out->list = list;
	json_array_foreach(ddls, i, o) {
		list[out->n] = statement(w, o);
		if (rewrite(w, &list[out->n], to, e) < 0)
			return -1;
		out->n++;
	}
	return 0;
}

static int swap(
	struct work *w, struct pairs *p, const struct named *from, const struct named *to, struct err *e)
{
	struct online_record *r = online_find(&w->r, from->schema, from->table);

	if (is_wanted(w, to))
		p->swaps++;
	if (is_wanted(w, to) && is_behind(w, to) && w->told == ONLINE_UNTOLD &&
		(may_swap(w, p, r, to, e) < 0 || put_list(w, r, to, e) < 0))
		return -1;
	if (r)
		online_forget(r);
	touched(w, to, "another such change, which took its place");
	return 0;
}

static void moved(struct work *w, const struct named *from, const struct named *to)
{
	struct online_record *r = online_find(&w->r, from->schema, from->table);
	json_t *o = r ? json_incref(r->o) : NULL;

	if (!r)
		return;
	online_forget(r);
	if (to->kind != ONLINE_SHADOW) {
		json_decref(o);
		return;
	}
	r = online_make(&w->r, to->schema, to->table);
	json_decref(r->o);
	r->o = o;
}

static void leaves(struct work *w, struct pairs *p, const struct named *from, const struct named *to)
{
	struct online_record *r = shadow_of(w, from);

	if (!is_wanted(w, from))
		return;
	if (!r && !has_pair(w, p, from, true) && is_behind(w, from)) {
		p->others++; /* stopped like any that leaves */
		return;
	}
	p->leaves++;
	if (r && !has_pair(w, p, from, true))
		set_away(r, to->table);
}

static void left_trash(struct work *w, const struct named *from, const struct named *to)
{
	struct online_record *r = held_by(w, from);

	if (to->kind == ONLINE_SHADOW)
		online_set_why(online_make(&w->r, to->schema, to->table), "it was another table before");
	else if (r)
		set_away(r, to->table);
}

/* The second step of an exchange failed: the downstream has it under its name all the time. */
static bool comes_back(struct work *w, const struct named *from, const struct named *to)
{
	struct online_record *r = held_by(w, from);

	if (!r || !is_of(w, r, to))
		return false;
	json_object_del(r->o, "away");
	r->changed = true;
	return true;
}

static int pair(struct work *w, struct pairs *p, unsigned i, struct err *e)
{
	struct named from = name_of(w, 2 * i), to = name_of(w, 2 * i + 1);

	if (from.kind == ONLINE_SHADOW && to.kind == ONLINE_REAL)
		return swap(w, p, &from, &to, e);
	if (from.kind == ONLINE_SHADOW)
		moved(w, &from, &to);
	else if (from.kind == ONLINE_REAL && to.kind == ONLINE_TRASH)
		leaves(w, p, &from, &to);
	else if (from.kind == ONLINE_TRASH && to.kind != ONLINE_REAL)
		left_trash(w, &from, &to);
	else if (from.kind == ONLINE_TRASH && comes_back(w, &from, &to))
		p->leaves++;
	else
		p->others += is_wanted(w, &from) || is_wanted(w, &to);
	if (from.kind == ONLINE_REAL && to.kind == ONLINE_SHADOW)
		online_set_why(online_make(&w->r, to.schema, to.table), "it was another table before");
	if (from.kind == ONLINE_REAL && to.kind == ONLINE_REAL)
		touched(w, &from,
			has_pair(w, p, &from, true) ? "RENAME to a name that is none of trash-table-rules"
						    : "RENAME");
	return 0;
}

/* Of ALTER TABLE too: then nothing else may be in it. */
static int renamed(struct work *w, struct err *e)
{
	struct pairs p = {.n = w->ddl->ntables / 2};
	struct named first = name_of(w, 0);

	for (unsigned i = 0; i < p.n; i++)
		if (pair(w, &p, i, e) < 0)
			return -1;
	if (w->told != ONLINE_UNTOLD || p.swaps + p.leaves == 0)
		return 0;
	if (p.others)
		return stop(&first,
			"an online change of structure is ended together with other tables' new names", e);
	if (w->ddl->more || w->q->error_code)
		return stop(&first, "the exchange has too many names, or ended with an error", e);
	w->out->way = w->out->n ? ONLINE_REPLAY : ONLINE_PASS;
	return 0;
}

/* With other parts beside the RENAME it is one of a shadow that changes, or stops. */
static int alter_renames(struct work *w, struct err *e)
{
	struct named from = name_of(w, 0), to = name_of(w, 1);
	bool other = !online_only_renames(w->q, &w->t->format.server, w->ddl);
	struct online_record *r;

	if (other && (from.kind != ONLINE_REAL || to.kind != ONLINE_REAL)) {
		r = online_find(&w->r, from.schema, from.table);
		online_set_why(r, "an ALTER TABLE changes and renames it at once");
		if (from.kind == ONLINE_REAL && is_wanted(w, &from) && w->told == ONLINE_UNTOLD)
			return stop(&from, "an ALTER TABLE changes and renames it at once", e);
	} else if (other) {
		touched(w, &from, "ALTER TABLE");
	}
	return renamed(w, e);
}

/* --- */

static int look(struct work *w, struct err *e)
{
	struct named n;

	if (w->ddl->more)
		online_set_why_of_all(&w->r, "a statement had too many names to be read");
	if (sql_ddl_drops_database(w->ddl))
		dropped_schema(w);
	if (w->ddl->ntables == 0)
		return 0;
	n = name_of(w, 0);
	switch (w->ddl->verb) {
	case SQL_VERB_CREATE_TABLE:
		return created(w, &n, e);
	case SQL_VERB_ALTER_TABLE:
		if (w->ddl->rename)
			return alter_renames(w, e);
		on_one(w, &n, "ALTER TABLE");
		if (w->ddl->exchange) {
			struct named other = name_of(w, 1);

			online_set_why(online_find(&w->r, other.schema, other.table),
				"a partition was exchanged with it");
			touched(w, &other, "EXCHANGE PARTITION");
		}
		return 0;
	case SQL_VERB_CREATE_INDEX:
	case SQL_VERB_DROP_INDEX:
	case SQL_VERB_TRUNCATE:
		on_one(w, &n, sql_verb_name(w->ddl->verb));
		return 0;
	case SQL_VERB_DROP_TABLE:
		for (unsigned i = 0; i < w->ddl->ntables; i++) {
			n = name_of(w, i);
			if (dropped(w, &n, e) < 0)
				return -1;
		}
		return 0;
	case SQL_VERB_RENAME_TABLE:
		return renamed(w, e);
	default:
		return 0;
	}
}

int online_look(struct apply *a, const struct trx *t, const struct binlog_query *q, const struct sql_ddl *ddl,
	enum online_told told, struct online_step *out, struct err *e)
{
	struct work w = {.a = a, .t = t, .q = q, .ddl = ddl, .told = told, .out = out};
	int r;

	*out = (struct online_step){.way = ONLINE_FOLLOW};
	if (sql_verb_is_sequence(ddl->verb))
		return 0;
	/* Without such rules too: what is on record of earlier ones sees an end. */
	r = online_load(&w.r, a, e);
	if (r == 0 && rules_online(a->rules))
		r = look(&w, e);
	if (r == 0)
		online_put_notes(&w.r, &out->notes);
	online_fini(&w.r);
	return r;
}

int online_look_unread(struct apply *a, struct str statement, struct online_step *out, struct err *e)
{
	struct online_records rs = {0};
	int r = rules_online(a->rules) ? online_load(&rs, a, e) : 0;

	*out = (struct online_step){.way = ONLINE_FOLLOW};
	for (unsigned i = 0; r == 0 && i < rs.n; i++) {
		struct online_record *x = &rs.list[i];
		const char *base = json_text(x->o, "table", x->table);

		if (gone_may_name(statement, str_of(x->table)) || gone_may_name(statement, str_of(base)))
			online_set_why(x, "a statement that can't be read, and may name it, was left out");
	}
	if (r == 0)
		online_put_notes(&rs, &out->notes);
	online_fini(&rs);
	return r;
}
