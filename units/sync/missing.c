/*
 * The policy for rows that are missing downstream, as far as it is not to stop: what is passed by, its record
 * and its lines in the log. Used by lanes and the scheduler's thread, each with a struct missing of its own.
 */
#include "units/sync/missing.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/sql/quote.h"

enum { KEY_BYTES = 300 };

/* What was passed by of one table, and the last of it. */
struct missing_table {
	const struct table *table;
	uint64_t rows;
	struct position at;
	char key[KEY_BYTES];
	size_t nkey;
};

void missing_fini(struct missing *m)
{
	free(m->tables);
	buf_free(&m->lines);
}

void missing_clear(struct missing *m)
{
	m->rows = 0;
	m->ntables = m->nlines = 0;
	buf_clear(&m->lines);
}

bool missing_may_pass(
	const struct missing *m, const struct packet *p, const struct statement *s, uint64_t did)
{
	return m->count && p->single && s->change != BINLOG_INSERT && s->rows == 1 && did == 0;
}

static struct missing_table *table_of(struct missing *m, const struct table *t)
{
	for (size_t i = 0; i < m->ntables; i++)
		if (m->tables[i].table == t)
			return &m->tables[i];
	m->tables = xrealloc(m->tables, (m->ntables + 1) * sizeof(*m->tables));
	m->tables[m->ntables] = (struct missing_table){.table = t};
	return &m->tables[m->ntables++];
}

void missing_note(struct missing *m, const struct packet *p, const struct statement *s, const char *base)
{
	struct missing_table *t = table_of(m, s->table);
	struct str key = statement_key(p, s);
	char at[300];

	m->rows++;
	t->rows++;
	t->at = s->at;
	t->nkey = key.n < KEY_BYTES ? key.n : KEY_BYTES;
	memcpy(t->key, key.p, t->nkey);
	if (m->nlines == MISSING_LINES)
		return;
	m->nlines++;
	position_text(s->at, base, at, sizeof(at));
	buf_putf(&m->lines, "%s of a row that is not there, passed by: %s, ",
		s->change == BINLOG_UPDATE ? "UPDATE" : "DELETE", s->table->head);
	/* One line each, whatever the key holds. */
	for (size_t i = 0; i < t->nkey; i++)
		buf_putc(&m->lines, (unsigned char)key.p[i] < ' ' ? ' ' : key.p[i]);
	buf_putf(&m->lines, ", transaction at %s\n", at);
}

/* --- the record --- */

static void put_one(struct buf *sql, const struct missing_table *t, const struct meta_id *id, unsigned slot)
{
	char at[64];

	position_store(t->at, at, sizeof(at));
	buf_puts(sql, "INSERT INTO ");
	sql_put_table(sql, str_of(id->schema), str_of("tidegate_missing"));
	buf_puts(sql, " (`task`,`source`,`slot`,`table_schema`,`table_name`,`row_count`,`last_position`,"
		      "`last_key`) VALUES (");
	sql_put_string(sql, str_of(id->task));
	buf_putc(sql, ',');
	sql_put_string(sql, str_of(id->source));
	buf_putf(sql, ",%u,", slot);
	sql_put_string(sql, str_of(t->table->schema));
	buf_putc(sql, ',');
	sql_put_string(sql, str_of(t->table->name));
	buf_putf(sql, ",%" PRIu64 ",'%s',", t->rows, at);
	sql_put_hex(sql, (struct str){t->key, t->nkey});
	buf_putf(sql,
		") ON DUPLICATE KEY UPDATE `row_count`=`row_count`+%" PRIu64
		",`last_position`='%s',`updated`=CURRENT_TIMESTAMP(6),`last_key`=",
		t->rows, at);
	sql_put_hex(sql, (struct str){t->key, t->nkey});
}

int missing_record(
	const struct missing *m, struct db *d, const struct meta_id *id, unsigned slot, struct err *e)
{
	struct buf sql = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->ntables; i++) {
		buf_clear(&sql);
		put_one(&sql, &m->tables[i], id, slot);
		r = db_exec(d, buf_str(&sql), e);
	}
	buf_free(&sql);
	return r < 0 ? err_add(e, "the record of missing rows") : 0;
}

int missing_load(struct missing_log *l, struct db *d, const struct meta_id *id, struct err *e)
{
	struct buf sql = {0};
	char text[32];
	bool found;
	int r;

	buf_puts(&sql, "SELECT COALESCE(SUM(`row_count`),0) FROM ");
	sql_put_table(&sql, str_of(id->schema), str_of("tidegate_missing"));
	buf_puts(&sql, " WHERE `task`=");
	sql_put_string(&sql, str_of(id->task));
	buf_puts(&sql, " AND `source`=");
	sql_put_string(&sql, str_of(id->source));
	r = db_value(d, buf_cstr(&sql), text, sizeof(text), &found, e);
	buf_free(&sql);
	if (r == 0)
		l->rows = strtoull(text, NULL, 10);
	return r;
}

/* --- the log --- */

void missing_log_init(struct missing_log *l)
{
	*l = (struct missing_log){0};
	pthread_mutex_init(&l->lock, NULL);
}

void missing_log_fini(struct missing_log *l)
{
	pthread_mutex_destroy(&l->lock);
}

unsigned missing_may_say(struct missing_log *l, uint64_t rows, uint64_t now_ms)
{
	unsigned left = MISSING_LINES - l->lines, n = rows < left ? (unsigned)rows : left;

	l->lines += n;
	l->rows += rows;
	l->held += rows - n;
	if (n > 0)
		l->last_ms = now_ms;
	return n;
}

uint64_t missing_held(struct missing_log *l, uint64_t now_ms)
{
	uint64_t held = l->held;

	if (held == 0 || now_ms - l->last_ms < MISSING_EVERY_MS)
		return 0;
	l->held = 0;
	l->last_ms = now_ms;
	return held;
}

static void say(struct missing *m, unsigned n)
{
	struct str left = buf_str(&m->lines);

	while (n-- > 0 && left.n > 0) {
		const char *end = memchr(left.p, '\n', left.n);
		int k = (int)(end - left.p);

		log_warn("%.*s", k, left.p);
		left.p += k + 1;
		left.n -= (size_t)k + 1;
	}
}

void missing_report(struct missing *m, struct missing_log *l, uint64_t now_ms)
{
	unsigned n;

	if (m->rows == 0)
		return;
	pthread_mutex_lock(&l->lock);
	n = missing_may_say(l, m->rows, now_ms);
	pthread_mutex_unlock(&l->lock);
	say(m, n);
	missing_clear(m);
}

void missing_tick(struct missing_log *l, uint64_t now_ms)
{
	uint64_t held, rows;

	pthread_mutex_lock(&l->lock);
	held = missing_held(l, now_ms);
	rows = l->rows;
	pthread_mutex_unlock(&l->lock);
	if (held > 0)
		log_warn("%" PRIu64 " more rows that are not there were passed by, %" PRIu64
			 " in all; tidegate_missing in the meta schema tells the tables",
			held, rows);
}

uint64_t missing_rows(struct missing_log *l)
{
	uint64_t rows;

	pthread_mutex_lock(&l->lock);
	rows = l->rows;
	pthread_mutex_unlock(&l->lock);
	return rows;
}
