/*
 * Foreign keys of the downstream, for the scheduler: a row that refers to a key shares it, a row that has it
 * owns it, so that parents and children of one key keep their order and others run side by side. Names
 * without regard to case: some servers fold them. Scheduler's thread only.
 */
#include "units/sync/ties.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/base/xalloc.h"
#include "units/sync/hash.h"
#include "units/sync/keys.h"

/* A table of a constraint; tables tied to each other are one group. */
struct tie {
	struct tie *up; /* itself: the root */
	uint64_t group;
	bool serial;   /* of the root: nothing finer can be said of the group */
	bool cascades; /* of the root: some rows of it change by themselves */
};

struct constraint {
	struct constraint *next;
	struct tie *child, *parent;
	char *name;
	struct pair {
		char *child, *parent;
	} * columns;
	unsigned n;
	bool on_delete, on_update;
};

struct ties {
	struct map *map; /* name -> struct tie */
	struct constraint *list;
};

/* One side of a constraint, of a table of the stream. */
struct side {
	uint64_t id; /* of the referenced key; also the gate of those whose value can't be said */
	bool owns, on_delete, on_update;
	unsigned n;
	struct side_column {
		int up; /* -1: the upstream has it not */
		enum hash_how how;
	} * columns;
};

struct table_ties {
	uint64_t gate; /* of the group, where there are cascades; 0: there are none */
	struct side *list;
	unsigned n;
};

/* --- what the server says --- */

static struct buf name_of(struct str schema, struct str table)
{
	struct buf b = {0};

	buf_put(&b, schema.p, schema.n);
	buf_putc(&b, '\0');
	buf_put(&b, table.p, table.n);
	for (size_t i = 0; i < b.n; i++) {
		if (b.p[i] & 0x80) { /* servers fold these in ways of their own: all such names are one */
			buf_clear(&b);
			buf_putc(&b, (char)0x80);
			return b;
		}
		if (b.p[i] >= 'A' && b.p[i] <= 'Z')
			b.p[i] = (char)(b.p[i] + 32);
	}
	return b;
}

static struct tie *root_of(struct tie *t)
{
	while (t->up != t)
		t = t->up = t->up->up;
	return t;
}

static struct tie *tie_of(struct ties *s, struct str schema, struct str table, bool make)
{
	struct buf name = name_of(schema, table);
	struct tie *t = map_get(s->map, buf_str(&name));

	if (!t && make) {
		t = xcalloc(1, sizeof(*t));
		t->up = t;
		t->group = XXH3_64bits_withSeed(name.p, name.n, 2);
		t->serial = name.n == 1;
		map_put(s->map, buf_str(&name), t);
	}
	buf_free(&name);
	return t;
}

static void constraint_free(struct constraint *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		free(c->columns[i].child);
		free(c->columns[i].parent);
	}
	free(c->columns);
	free(c->name);
	free(c);
}

void ties_fini(struct tables *ts)
{
	if (!ts->ties)
		return;
	while (ts->ties->list) {
		struct constraint *c = ts->ties->list;

		ts->ties->list = c->next;
		constraint_free(c);
	}
	map_free(&ts->ties->map, free);
	free(ts->ties);
	ts->ties = NULL;
}

void ties_begin(struct tables *ts)
{
	ties_fini(ts);
	ts->ties = xcalloc(1, sizeof(*ts->ties));
	ts->ties->map = map_new();
}

void ties_add(struct tables *ts, const struct tie_column *v)
{
	struct ties *s = ts->ties;
	struct tie *child = tie_of(s, v->schema, v->table, true);
	struct tie *parent = tie_of(s, v->parent_schema, v->parent_table, true);
	struct constraint *c = s->list;

	/* Columns of one come in a row. */
	if (!c || c->child != child || c->parent != parent || !str_is(v->constraint, c->name)) {
		c = xcalloc(1, sizeof(*c));
		*c = (struct constraint){.next = s->list,
			.child = child,
			.parent = parent,
			.name = xstrndup(v->constraint.p, v->constraint.n),
			.on_delete = v->on_delete,
			.on_update = v->on_update};
		s->list = c;
	}
	c->columns = xrealloc(c->columns, (c->n + 1) * sizeof(*c->columns));
	c->columns[c->n++] = (struct pair){
		xstrndup(v->column.p, v->column.n), xstrndup(v->parent_column.p, v->parent_column.n)};
	root_of(child)->up = root_of(parent);
}

void ties_end(struct tables *ts)
{
	size_t at = 0;
	void *table;

	for (struct constraint *c = ts->ties->list; c; c = c->next) {
		struct tie *root = root_of(c->child);

		root->serial = root->serial || c->child->serial || c->parent->serial;
		root->cascades = root->cascades || c->on_delete || c->on_update;
	}
	while (map_next(ts->map, &at, NULL, &table))
		ties_learn(ts, table);
}

/* v: schema, constraint, table. Names of constraints are compared as the server gives them. */
static struct buf rule_key(const struct str *v)
{
	struct buf b = {0};

	for (unsigned i = 0; i < 3; i++) {
		buf_put(&b, v[i].p, v[i].n);
		buf_putc(&b, '\0');
	}
	return b;
}

struct rule {
	bool on_delete, on_update;
};

static bool acts(struct str rule)
{
	return !str_is(rule, "RESTRICT") && !str_is(rule, "NO ACTION");
}

/* Into rules: constraint -> struct rule. */
static int read_rules(struct db *d, struct map *rules, struct err *e)
{
	static const char sql[] = "SELECT CONSTRAINT_SCHEMA, CONSTRAINT_NAME, TABLE_NAME, DELETE_RULE, "
				  "UPDATE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS";
	struct db_rows *rows = db_query(d, STR_LIT(sql), e);
	const struct str *v;
	int n;

	if (!rows)
		return -1;
	while ((n = db_fetch(rows, &v, e)) > 0) {
		struct buf key = rule_key(v);
		struct rule *r = xcalloc(1, sizeof(*r));

		*r = (struct rule){acts(v[3]), acts(v[4])};
		free(map_put(rules, buf_str(&key), r));
		buf_free(&key);
	}
	db_rows_close(&rows);
	return n;
}

static int read_columns(struct tables *ts, const struct map *rules, struct err *e)
{
	static const char sql[] =
		"SELECT CONSTRAINT_SCHEMA, CONSTRAINT_NAME, TABLE_NAME, TABLE_SCHEMA, COLUMN_NAME, "
		"REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME "
		"FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_NAME IS NOT NULL "
		"ORDER BY TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION";
	struct db_rows *rows = db_query(ts->ask_down, STR_LIT(sql), e);
	const struct str *v;
	int n;

	if (!rows)
		return -1;
	while ((n = db_fetch(rows, &v, e)) > 0) {
		struct buf key = rule_key(v);
		const struct rule *r = map_get(rules, buf_str(&key));
		struct tie_column c = {.constraint = v[1],
			.table = v[2],
			.schema = v[3],
			.column = v[4],
			.parent_schema = v[5],
			.parent_table = v[6],
			.parent_column = v[7],
			.on_delete = !r || r->on_delete,
			.on_update = !r || r->on_update};

		ties_add(ts, &c);
		buf_free(&key);
	}
	db_rows_close(&rows);
	return n;
}

int ties_read(struct tables *ts, bool checked, struct err *e)
{
	struct map *rules = map_new();
	int n = 0;

	ties_begin(ts);
	if (checked)
		n = read_rules(ts->ask_down, rules, e);
	if (checked && n == 0)
		n = read_columns(ts, rules, e);
	map_free(&rules, free);
	if (n == 0)
		ties_end(ts);
	return n;
}

/* --- what it is to a table of the stream --- */

/*
 * The hash of both sides must be of one form, whatever the types: the server lets numbers of one size and
 * sign refer to each other, and text of one charset.
 */
static enum hash_how how_of(const struct table *t, unsigned up, unsigned down)
{
	const struct column *c = &t->up->columns[up];
	enum hash_how how = hash_how(t, up, down);

	if (c->generated || t->down->columns[down].generated)
		return HASH_OPEN;
	if (hash_is_int(c))
		return how;
	if (c->kind == COLUMN_TEXT)
		return how == HASH_BIN ? HASH_ASCII : how;
	return c->kind == COLUMN_BINARY ? how : HASH_OPEN;
}

/* Several constraints refer to one key: one owner. */
static bool merged(struct table_ties *k, const struct side *s)
{
	for (unsigned i = 0; s->owns && i < k->n; i++)
		if (k->list[i].owns && k->list[i].id == s->id) {
			k->list[i].on_delete = k->list[i].on_delete || s->on_delete;
			k->list[i].on_update = k->list[i].on_update || s->on_update;
			free(s->columns);
			return true;
		}
	return false;
}

static void add_side(struct table *t, const struct constraint *c, bool owns)
{
	struct table_ties *k = t->ties;
	struct side s = {.id = c->parent->group,
		.owns = owns,
		.on_delete = c->on_delete,
		.on_update = c->on_update,
		.n = c->n,
		.columns = xcalloc(c->n, sizeof(*s.columns))};

	for (unsigned i = 0; i < c->n; i++) {
		const char *name = owns ? c->columns[i].parent : c->columns[i].child;
		int up = structure_column(t->up, name), down = structure_column(t->down, name);

		s.id = hash_name(s.id, c->columns[i].parent);
		s.columns[i].up = up;
		s.columns[i].how = up < 0 || down < 0 ? HASH_OPEN : how_of(t, (unsigned)up, (unsigned)down);
	}
	if (merged(k, &s))
		return;
	k->list = xrealloc(k->list, (k->n + 1) * sizeof(*k->list));
	k->list[k->n++] = s;
}

void ties_free(struct table_ties **t)
{
	if (!*t)
		return;
	for (unsigned i = 0; i < (*t)->n; i++)
		free((*t)->list[i].columns);
	free((*t)->list);
	free(*t);
	*t = NULL;
}

void ties_learn(struct tables *ts, struct table *t)
{
	struct tie *found =
		ts->ties ? tie_of(ts->ties, str_of(t->to_schema), str_of(t->to_name), false) : NULL;
	struct tie *root = found ? root_of(found) : NULL;

	ties_free(&t->ties);
	keys_set_group(t, root && root->serial ? root->group : 0);
	if (!root || root->serial || !t->up)
		return;
	t->ties = xcalloc(1, sizeof(*t->ties));
	t->ties->gate = root->cascades ? root->group : 0;
	for (const struct constraint *c = ts->ties->list; c; c = c->next) {
		if (c->child == found)
			add_side(t, c, false);
		if (c->parent == found)
			add_side(t, c, true);
	}
}

/* --- rows --- */

/* What an UPDATE's second image leaves out is as it was. */
static const struct binlog_value *value_of(
	const struct binlog_value *image, const struct binlog_value *before, int up)
{
	return image[up].present || !before ? &image[up] : &before[up];
}

/* False: it can't be said. *null: it refers to nothing, or nothing refers to it. */
static bool side_hash(const struct side *s, const struct change *c, const struct binlog_value *image,
	const struct binlog_value *before, bool *null, uint64_t *hash)
{
	bool said = true;
	char wide[8];

	*hash = s->id;
	*null = false;
	for (unsigned i = 0; i < s->n; i++) {
		int up = s->columns[i].up;
		const struct binlog_value *v = up < 0 ? NULL : value_of(image, before, up);
		const struct column *x;

		if (!v || !v->present) {
			said = false;
			continue;
		}
		x = &c->table->up->columns[up];
		if (v->null)
			*null = true;
		else if (!hash_value(hash, s->columns[i].how, 0,
				 hash_is_int(x) ? hash_widen(v->raw, x->is_unsigned, wide) : v->raw))
			said = false;
	}
	return said;
}

static void touch_image(struct touch *to, const struct side *s, const struct change *c,
	const struct binlog_value *image, const struct binlog_value *before)
{
	uint64_t hash;
	bool null, said = side_hash(s, c, image, before, &null, &hash);

	if (null)
		return;
	touch_gate(to, s->id, !said);
	if (said)
		touch_ref(to, hash, s->owns);
}

/* The UPDATE leaves it as it is; byte by byte, so that a mere change of case counts. */
static bool unchanged(const struct side *s, const struct change *c)
{
	for (unsigned i = 0; i < s->n; i++) {
		int up = s->columns[i].up;
		const struct binlog_value *a = up < 0 ? NULL : &c->after[up],
					  *b = up < 0 ? NULL : &c->before[up];

		if (!a || (a->present && (!b->present || a->null != b->null ||
						 (!a->null && !str_eq(a->raw, b->raw)))))
			return false;
	}
	return true;
}

static bool has(const struct side *s, const struct binlog_value *image)
{
	bool all = true;

	for (unsigned i = 0; i < s->n; i++)
		all = all && image[s->columns[i].up].present;
	return all;
}

/* Rows that nobody names change with it. */
static bool cascades(const struct side *s, const struct change *c, bool same)
{
	return s->owns &&
	       (c->kind == BINLOG_DELETE ? s->on_delete : c->kind == BINLOG_UPDATE && !same && s->on_update);
}

static void touch_side(struct touch *to, uint64_t gate, const struct side *s, const struct change *c)
{
	bool same = c->kind == BINLOG_UPDATE && unchanged(s, c);

	if (cascades(s, c, same))
		touch_gate(to, gate, true);
	if (same) {
		/* Nothing is checked; but who refers to the row locks it, and would meet this one in another
		 * lane. */
		if (s->owns && has(s, c->before))
			touch_image(to, s, c, c->before, NULL);
		return;
	}
	if (c->kind != BINLOG_INSERT)
		touch_image(to, s, c, c->before, NULL);
	if (c->kind != BINLOG_DELETE)
		touch_image(to, s, c, c->after, c->before);
}

void ties_touch(struct touch *to, const struct change *c)
{
	const struct table_ties *k = c->table->ties;

	if (!k)
		return;
	if (k->gate)
		touch_gate(to, k->gate, false);
	for (unsigned i = 0; i < k->n; i++)
		touch_side(to, k->gate, &k->list[i], c);
}

void ties_touch_table(struct touch *to, const struct table *t)
{
	const struct table_ties *k = t->ties;

	if (!k)
		return;
	if (k->gate)
		touch_gate(to, k->gate, true);
	/* Whoever shares or owns a key of the constraint shares its gate. */
	for (unsigned i = 0; i < k->n; i++)
		touch_gate(to, k->list[i].id, true);
}
