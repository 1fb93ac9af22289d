/*
 * A partial JSON update whose value before is not in the event (binlog_row_image MINIMAL, NOBLOB), as SQL
 * functions on the downstream's own value. Called by the sync's row-writer through json_diff.h.
 */
#include <string.h>

#include "common/binlog/json.h"
#include "common/binlog/json_diff.h"
#include "common/binlog/json_walk.h"
#include "common/binlog/wire.h"
#include "common/sql/quote.h"

struct step {
	uint8_t op;
	struct str path, value;
};

static int read_step(struct cur *c, struct step *s, struct err *e)
{
	*s = (struct step){.op = cur_u8(c)};
	s->path = wire_text(c, cur_lenenc(c));
	if (s->op != JSON_DIFF_REMOVE)
		s->value = wire_text(c, cur_lenenc(c));
	if (c->bad || s->op > JSON_DIFF_REMOVE || s->path.n == 0)
		return bj_damaged(e);
	return 0;
}

/* An insert into an array moves what stands behind it, one into an object is a new member. */
static const char *function_of(const struct step *s)
{
	if (s->op == JSON_DIFF_REPLACE)
		return "JSON_REPLACE(";
	if (s->op == JSON_DIFF_REMOVE)
		return "JSON_REMOVE(";
	return s->path.p[s->path.n - 1] == ']' ? "JSON_ARRAY_INSERT(" : "JSON_INSERT(";
}

/* MariaDB has no type for it: what a JSON function says is taken as it is, a text would be quoted. */
static int put_value(struct buf *sql, struct str value, enum json_to to, struct err *e)
{
	struct buf text = {0};
	int r;

	if (to != JSON_TO_TEXT)
		return bj_put_sql(sql, value, to, e);
	r = binlog_json_text(value, &text, e);
	buf_puts(sql, "JSON_COMPACT(_utf8mb4");
	sql_put_string(sql, buf_str(&text));
	buf_putc(sql, ')');
	buf_free(&text);
	return r;
}

static int put_rest(struct buf *sql, const struct step *s, enum json_to to, struct err *e)
{
	buf_puts(sql, ",_utf8mb4");
	sql_put_string(sql, s->path);
	if (s->op != JSON_DIFF_REMOVE) {
		buf_putc(sql, ',');
		if (put_value(sql, s->value, to, e) < 0)
			return -1;
	}
	buf_putc(sql, ')');
	return 0;
}

int binlog_put_json_diff(struct buf *sql, struct str column, struct str diffs, enum json_to to, struct err *e)
{
	struct buf open = {0}, rest = {0}, all = {0};
	struct cur c = wire_cur(diffs);
	struct step s;
	int r = 0;

	/* The first is the innermost. */
	while (r == 0 && cur_left(&c) > 0) {
		r = read_step(&c, &s, e);
		if (r == 0) {
			buf_clear(&all);
			buf_puts(&all, function_of(&s));
			buf_put(&all, open.p, open.n);
			buf_clear(&open);
			buf_put(&open, all.p, all.n);
			r = put_rest(&rest, &s, to, e);
		}
	}
	buf_put(sql, open.p, open.n);
	buf_put(sql, column.p, column.n);
	buf_put(sql, rest.p, rest.n);
	buf_free(&open);
	buf_free(&rest);
	buf_free(&all);
	return r;
}
