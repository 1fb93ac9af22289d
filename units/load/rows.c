/*
 * The ways in which the rows of a spool file get into the downstream. Called by apply.c within a chunk's
 * transaction. Never commits; never takes a row for stored that the downstream did not count.
 */
#include "units/load/rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "segment.h"
#include "units/load/into.h"
#include "units/load/lax.h"
#include "units/load/segments.h"

enum { SQL_DUPLICATE = 1062 };
enum { STATEMENT_BYTES = 1000000, KEEP_BYTES = 4 << 20, GIANT_BYTES = 4 << 20 };
/* BULK_VALUES bounds what the places for values cost where a table has hundreds of columns. */
enum { BULK_ROWS = 4096, BULK_VALUES = 256 * 1024 };

struct rowset {
	unsigned table; /* index into the plan, whose words these are */
	struct into into;
	struct buf text; /* an INSERT, or the values of a bulk */
	/* bulk execute */
	struct db_bulk *bulk;
	struct db_bulk_column *columns;
	struct str *values; /* of one row */
	unsigned rows, most;
};

/* One run over the rows of a file. */
struct putting {
	struct applier *a;
	struct rowset *r;
	struct segments s;
	uint64_t rows; /* counted by the downstream */
	bool giant;    /* we hold the lock for rows of many MiB: one at a time (T28) */
};

/* --- the table's words --- */

static void free_columns(struct rowset *r)
{
	for (unsigned i = 0; r->columns && i < r->into.n; i++) {
		free(r->columns[i].values);
		free(r->columns[i].lengths);
		free(r->columns[i].nulls);
	}
	free(r->columns);
	free(r->values);
	r->columns = NULL;
	r->values = NULL;
}

void rows_forget(struct applier *a)
{
	struct rowset *r = a->rows;

	if (!r)
		return;
	db_bulk_close(&r->bulk);
	free_columns(r);
	into_fini(&r->into);
	buf_free(&r->text);
	free(r);
	a->rows = NULL;
}

static struct rowset *rowset_of(struct applier *a, unsigned table)
{
	if (a->rows && a->rows->table == table)
		return a->rows;
	rows_forget(a);
	a->rows = xcalloc(1, sizeof(*a->rows));
	a->rows->table = table;
	into_init(&a->rows->into, &a->l->plan.tables.p[table]);
	return a->rows;
}

/* --- what all ways share --- */

static int not_of_table(const struct putting *p, struct err *e)
{
	return err_set(e, ERR_load_failed, "%s holds a row with another number of columns than the table",
		p->s.file);
}

/* A segment of that size holds a row of that size: whoever is about to read it whole takes turns (T28). */
static void take_turns(struct putting *p, bool streams)
{
	bool giant = !streams && p->s.kind && p->s.left > GIANT_BYTES;

	if (giant && !p->giant)
		pthread_mutex_lock(&p->a->l->giant);
	else if (!giant && p->giant)
		pthread_mutex_unlock(&p->a->l->giant);
	p->giant = giant;
}

/* The turn is taken before a large row is read, and given back when its segment is through. */
static int next_line(struct putting *p, struct str *line, struct err *e)
{
	if (segments_settle(&p->s, e) < 0)
		return -1;
	take_turns(p, false);
	return segments_line(&p->s, line, e);
}

static int check_failpoint(struct err *e)
{
	return FAILPOINT_HIT(load_mid_chunk) ? err_set(e, ERR_db_lost, "failpoint load_mid_chunk") : 0;
}

static const char *verb(const struct applier *a)
{
	return a->care == CARE_DUPLICATES && a->on_duplicate == DUPLICATE_REPLACE ? "REPLACE" : "INSERT";
}

static bool keeps(const struct applier *a)
{
	return a->care == CARE_DUPLICATES && a->on_duplicate == DUPLICATE_IGNORE;
}

static int execute(struct putting *p, struct str sql, struct err *e)
{
	if (apply_check_size(p->a, sql.n, e) < 0 || db_exec(p->a->c, sql, e) < 0)
		return -1;
	p->rows += db_affected(p->a->c);
	return check_failpoint(e);
}

/* --- INSERT with many rows --- */

static int run_insert(struct putting *p, struct err *e)
{
	struct buf *sql = &p->r->text;
	int r;

	if (sql->n == 0)
		return 0;
	if (keeps(p->a))
		into_put_keep(&p->r->into, sql);
	r = execute(p, buf_str(sql), e);
	buf_clear(sql);
	if (sql->cap > KEEP_BYTES)
		buf_free(sql);
	return r;
}

/* Most rows are far below the limit with all their escapes. */
static int check_row(const struct putting *p, struct str line, struct err *e)
{
	if (p->a->limits.entry == 0 || line.n <= p->a->limits.entry)
		return 0;
	return apply_check_row(p->a, into_row_bytes(&p->r->into, line), e);
}

static int put_inserts(struct putting *p, struct err *e)
{
	struct buf *sql = &p->r->text;
	struct str line;
	int r;

	buf_clear(sql);
	while ((r = next_line(p, &line, e)) > 0) {
		if (check_row(p, line, e) < 0)
			return -1;
		if (sql->n > 0 && sql->n + line.n > STATEMENT_BYTES && run_insert(p, e) < 0)
			return -1;
		if (sql->n == 0) {
			buf_puts(sql, verb(p->a));
			buf_put(sql, p->r->into.names.p, p->r->into.names.n);
		} else {
			buf_putc(sql, ',');
		}
		if (!into_put_row(&p->r->into, line, sql))
			return not_of_table(p, e);
		if (sql->n > STATEMENT_BYTES && run_insert(p, e) < 0)
			return -1;
	}
	return r < 0 ? -1 : run_insert(p, e);
}

/* --- bulk execute --- */

/* On the wire a value takes 2 to 4 bytes beside its own, in a line one: short ones are twice as long there.
 */
static size_t bulk_bytes(const struct applier *a)
{
	uint64_t safe = a->limits.packet / 4;

	return safe > 0 && safe < STATEMENT_BYTES ? (size_t)safe : STATEMENT_BYTES;
}

static void make_columns(struct rowset *r)
{
	unsigned most = BULK_VALUES / (r->into.n ? r->into.n : 1);

	free_columns(r);
	r->most = most > BULK_ROWS ? BULK_ROWS : most > 0 ? most : 1;
	r->columns = xcalloc(r->into.n, sizeof(*r->columns));
	r->values = xcalloc(r->into.n, sizeof(*r->values));
	for (unsigned i = 0; i < r->into.n; i++)
		r->columns[i] = (struct db_bulk_column){.type = DB_BULK_BYTES,
			.values = xcalloc(r->most, sizeof(char *)),
			.lengths = xcalloc(r->most, sizeof(unsigned long)),
			.nulls = xcalloc(r->most, 1)};
}

static int prepare_bulk(struct putting *p, struct err *e)
{
	struct rowset *r = p->r;
	struct buf sql = {0};

	if (r->bulk)
		return 0;
	into_put_bulk(&r->into, "INSERT", &sql);
	r->bulk = db_bulk_open(p->a->c, buf_str(&sql), r->into.n, e);
	buf_free(&sql);
	if (!r->bulk)
		return -1;
	make_columns(r);
	return 0;
}

static int run_bulk(struct putting *p, struct err *e)
{
	struct rowset *r = p->r;
	uint64_t count;

	if (r->rows == 0)
		return 0;
	if (db_bulk_run(r->bulk, r->columns, r->rows, &count, e) < 0)
		return -1;
	p->rows += count;
	r->rows = 0;
	buf_clear(&r->text);
	return check_failpoint(e);
}

/* Takes the line apart where it stands, and its values as the next row's. */
static int put_in_bulk(struct putting *p, char *line, size_t n, struct err *e)
{
	struct rowset *r = p->r;

	if (!into_split(&r->into, line, n, r->values))
		return not_of_table(p, e);
	for (unsigned i = 0; i < r->into.n; i++) {
		((const char **)r->columns[i].values)[r->rows] = r->values[i].p;
		r->columns[i].lengths[r->rows] = r->values[i].n;
		r->columns[i].nulls[r->rows] = r->values[i].p ? 0 : DB_BULK_NULL;
	}
	r->rows++;
	return 0;
}

/* A large row by itself, without a copy: it stays in the reader's buffer until the bulk has run. */
static int put_large(struct putting *p, struct str line, struct err *e)
{
	if (run_bulk(p, e) < 0 || apply_check_size(p->a, line.n, e) < 0 ||
		put_in_bulk(p, (char *)(uintptr_t)line.p, line.n, e) < 0)
		return -1;
	return run_bulk(p, e);
}

/* The values stay where they are in text until the bulk has run: it may not move, but when it is empty. */
static int add_to_bulk(struct putting *p, struct str line, struct err *e)
{
	struct rowset *r = p->r;
	size_t most = bulk_bytes(p->a);
	char *copy;

	if (line.n > most)
		return put_large(p, line, e);
	if (r->rows > 0 && (r->rows == r->most || r->text.n + line.n > most) && run_bulk(p, e) < 0)
		return -1;
	if (r->rows == 0) {
		buf_clear(&r->text);
		buf_room(&r->text, most);
	}
	copy = r->text.p + r->text.n;
	buf_put(&r->text, line.p, line.n);
	return put_in_bulk(p, copy, line.n, e);
}

static int put_bulks(struct putting *p, struct err *e)
{
	struct str line;
	int r;

	p->r->rows = 0;
	if (prepare_bulk(p, e) < 0)
		return -1;
	while ((r = next_line(p, &line, e)) > 0)
		if (add_to_bulk(p, line, e) < 0)
			return -1;
	return r < 0 ? -1 : run_bulk(p, e);
}

/* --- LOAD DATA --- */

static int give_bytes(void *arg, char *out, unsigned n)
{
	return segments_bytes(arg, out, n);
}

/* What the server says of the first rows that it did not take as they are. */
static void put_warnings(struct db *c, struct buf *b)
{
	struct err ignored;
	struct db_rows *rows = db_query(c, STR_LIT("SHOW WARNINGS LIMIT 3"), &ignored);
	const struct str *v;

	while (rows && db_fetch(rows, &v, &ignored) > 0)
		buf_putf(b, "%s%.*s (%.*s)", b->n ? "; " : "", STR_ARG(v[2]), STR_ARG(v[1]));
	db_rows_close(&rows);
	buf_cstr(b);
}

static int check_load(struct putting *p, const struct db_load *l, uint64_t want, struct err *e)
{
	struct buf said = {0};

	if (l->records == want && l->deleted == 0 && l->skipped == 0 && l->warnings == 0) {
		p->rows += want;
		return check_failpoint(e);
	}
	p->a->doubt = true;
	put_warnings(p->a->c, &said);
	err_set(e, ERR_load_failed,
		"LOAD DATA took %" PRIu64 " of %" PRIu64 " rows, skipped %" PRIu64 ", with %" PRIu64
		" warnings: %s",
		l->records, want, l->skipped, l->warnings, said.p);
	buf_free(&said);
	return -1;
}

static int put_load(struct putting *p, struct err *e)
{
	struct db_load l = {.read = give_bytes, .arg = &p->s};
	uint64_t before = p->s.text_rows - p->s.rows;
	struct buf *sql = &p->r->text;
	int r;

	buf_clear(sql);
	into_put_load(&p->r->into, sql);
	r = db_load(p->a->c, buf_str(sql), &l, e);
	if (p->s.failed.code) {
		/* The server took what it got for the whole file: that session must not go on. */
		p->a->cut = true;
		*e = p->s.failed;
		return -1;
	}
	return r < 0 ? -1 : check_load(p, &l, p->s.text_rows - before, e);
}

/* --- rows that only SQL can say --- */

/* Nothing but the error value that it is known to have may have been bent. */
static int check_lax(struct putting *p, struct str statement, struct err *e)
{
	const struct structure *s = p->a->l->plan.tables.p[p->r->table].structure;

	return lax_check(p->a->c, s, statement, e);
}

/* The row goes over the one that it meets, as by REPLACE, which knows no IGNORE. Where it meets two, or is in
 * no partition, IGNORE makes a warning of that, and nothing is written. */
static int go_over(struct putting *p, struct str statement, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_put(&sql, statement.p, statement.n);
	into_put_newer(&p->r->into, &sql);
	r = execute(p, buf_str(&sql), e);
	buf_free(&sql);
	return r == 0 ? check_lax(p, statement, e) : r;
}

/*
 * A row with an ENUM's error value. One that meets another row is passed by without a word: where copies of
 * two moments are one, that is no error, and its state comes by the binlog. Else it is as of any other row.
 */
static int ignoring(struct putting *p, struct str statement, struct err *e)
{
	const struct plan_item *t = &p->a->l->plan.tables.p[p->r->table];
	bool by_user = p->a->l->on_duplicate == DUPLICATE_REPLACE;

	if (execute(p, statement, e) < 0)
		return -1;
	if (db_affected(p->a->c) != 0)
		return check_lax(p, statement, e);
	if (apply_judge_duplicate(p->a, t, e) < 0)
		return -1;
	if (p->a->on_duplicate == DUPLICATE_ERROR) {
		err_set(e, ERR_load_failed,
			"%s: a row was not taken: it meets another one in a unique key, or is in no "
			"partition",
			p->s.file);
		e->sql_errno = SQL_DUPLICATE;
		return -1;
	}
	p->a->care = CARE_DUPLICATES;
	return p->a->on_duplicate == DUPLICATE_REPLACE && by_user ? go_over(p, statement, e) : 0;
}

static int put_statement(struct putting *p, struct err *e)
{
	struct buf *sql = &p->r->text;
	struct str statement;
	int r = segments_statement(&p->s, &statement, e);

	if (r <= 0)
		return r;
	if (!str_starts(statement, "INSERT "))
		return err_set(e, ERR_load_failed, "%s holds a statement that inserts nothing", p->s.file);
	if (str_starts(statement, "INSERT IGNORE "))
		return ignoring(p, statement, e);
	if (p->a->care != CARE_DUPLICATES)
		return execute(p, statement, e);
	buf_clear(sql);
	buf_puts(sql, verb(p->a));
	buf_put(sql, statement.p + strlen("INSERT"), statement.n - strlen("INSERT"));
	if (keeps(p->a))
		into_put_keep(&p->r->into, sql);
	r = execute(p, buf_str(sql), e);
	buf_clear(sql);
	if (sql->cap > KEEP_BYTES)
		buf_free(sql);
	return r;
}

/* --- choosing --- */

static const struct way {
	const char *name;
	int (*put)(struct putting *p, struct err *e);
	bool streams; /* no row of text is in our buffers as a whole */
} ways[] = {
	[LOAD_BY_INSERT] = {"INSERT", put_inserts, false},
	[LOAD_BY_BULK] = {"bulk execute", put_bulks, false},
	[LOAD_BY_LOAD_DATA] = {"LOAD DATA", put_load, true},
};

static enum load_by way_of(const struct applier *a)
{
	/* A strict INSERT says what is wrong with a row, and can be told what to do with one that is there.
	 */
	return a->care != CARE_NONE ? LOAD_BY_INSERT : a->way;
}

const char *rows_way_name(const struct applier *a)
{
	return ways[way_of(a)].name;
}

static int put_all(struct putting *p, struct err *e)
{
	/* Rows without a column that is stored have no values: only an INSERT can say that. */
	const struct way *way = &ways[p->r->into.n > 0 ? way_of(p->a) : LOAD_BY_INSERT];
	int r = 0;

	while (r == 0 && p->s.kind) {
		bool text = p->s.kind == SEGMENT_TEXT;

		take_turns(p, text && way->streams);
		r = text ? way->put(p, e) : put_statement(p, e);
	}
	return r;
}

int rows_put(struct applier *a, const struct chunk *k, uint64_t *rows, struct err *e)
{
	struct putting p = {.a = a, .r = rowset_of(a, k->table)};
	int r = segments_open(&p.s, a->l->env->state_fd, k->file, k->bytes, e);

	if (r == 0)
		r = put_all(&p, e);
	segments_close(&p.s);
	if (p.giant)
		pthread_mutex_unlock(&a->l->giant);
	*rows = p.rows;
	return r;
}
