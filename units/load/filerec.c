/*
 * SQL on tidegate_file. Called by the workers, each on its connection, and by the leader thread. The record
 * is a compare-and-set on the position, so that rows are committed once whoever tries, and however often (T1,
 * T2).
 */
#include "units/load/filerec.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/sql/quote.h"
#include "units/load/record.h"

static void put_file(struct buf *sql, const struct data_file *f)
{
	buf_puts(sql, "_binary");
	sql_put_string(sql, str_of(f->name));
}

static void take(struct data_file *f, const struct str *v)
{
	f->known = true;
	f->at = record_number(v[1]);
	f->rows = record_number(v[2]);
	f->done = record_number(v[3]) != 0;
}

static void put_select(struct load *l, struct buf *sql)
{
	buf_puts(sql, "SELECT `file`,`position`,`row_count`,`done` FROM ");
	record_put_table(l, sql, "tidegate_file");
	record_put_where(l, sql);
	buf_puts(sql, " AND `copy_id`=");
	record_put_text(sql, l->plan.copy_id);
}

static struct data_file *find(struct folder *f, struct str name)
{
	/* By name, as they were listed. */
	size_t lo = 0, hi = f->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int order = strncmp(f->files[mid].name, name.p, name.n);

		if (order == 0)
			order = f->files[mid].name[name.n] != '\0';
		if (order == 0)
			return &f->files[mid];
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

int filerec_read_all(struct load *l, struct db *c, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int got = -1;

	put_select(l, &sql);
	rows = db_query(c, buf_str(&sql), e);
	buf_free(&sql);
	while (rows && (got = db_fetch(rows, &v, e)) > 0) {
		struct data_file *f = find(l->folder, v[0]);

		if (!f)
			continue;
		take(f, v);
		l->recorded.rows += f->rows;
		l->recorded.chunks += f->done;
	}
	db_rows_close(&rows);
	return got;
}

int filerec_read(struct load *l, struct db *c, struct data_file *f, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int got = -1;

	put_select(l, &sql);
	buf_puts(&sql, " AND `file`=");
	put_file(&sql, f);
	rows = db_query(c, buf_str(&sql), e);
	buf_free(&sql);
	if (rows)
		got = db_fetch(rows, &v, e);
	if (got > 0)
		take(f, v);
	else if (got == 0)
		f->known = f->done = false, f->at = f->rows = 0;
	db_rows_close(&rows);
	return got < 0 ? -1 : 0;
}

static int see_owner(struct load *l, struct db *c, struct err *e)
{
	struct buf sql = {0};
	char epoch[24];
	bool found;
	int r;

	buf_puts(&sql, "SELECT `epoch` FROM ");
	record_put_table(l, &sql, "tidegate_slot");
	record_put_where(l, &sql);
	buf_puts(&sql, " AND `slot`=0");
	/* Not on TiDB, which refuses it: there the take-over's KILL alone stands between. */
	if (l->to.flavor != FLAVOR_TIDB)
		buf_puts(&sql, " LOCK IN SHARE MODE");
	r = db_value(c, buf_cstr(&sql), epoch, sizeof(epoch), &found, e);
	buf_free(&sql);
	if (r == 0 && (!found || strtoull(epoch, NULL, 10) != l->id.epoch))
		return err_set(e, ERR_sync_fenced, "%s: task %s, source %s has another owner now",
			db_where(c), l->task, l->source);
	return r;
}

static void put_insert(struct load *l, struct buf *sql, const struct data_file *f, const struct file_step *to)
{
	const struct plan_item *t = &l->plan.tables.p[f->table];
	struct buf name = {0};

	sql_put_table(&name, str_of(t->schema), str_of(t->name));
	buf_puts(sql, "INSERT INTO ");
	record_put_table(l, sql, "tidegate_file");
	buf_puts(sql, " (`task`,`source`,`copy_id`,`file`,`tbl`,`position`,`row_count`,`done`) VALUES (");
	record_put_text(sql, l->task);
	buf_putc(sql, ',');
	record_put_text(sql, l->source);
	buf_putc(sql, ',');
	record_put_text(sql, l->plan.copy_id);
	buf_putc(sql, ',');
	put_file(sql, f);
	buf_putc(sql, ',');
	record_put_text(sql, buf_cstr(&name));
	buf_putf(sql, ",%" PRIu64 ",%" PRIu64 ",%d)", to->at, to->rows, (int)to->done);
	buf_free(&name);
}

static void put_update(struct load *l, struct buf *sql, const struct data_file *f, const struct file_step *to)
{
	buf_puts(sql, "UPDATE ");
	record_put_table(l, sql, "tidegate_file");
	buf_putf(sql,
		" SET `position`=%" PRIu64 ",`row_count`=%" PRIu64 ",`done`=%d,`loaded`=CURRENT_TIMESTAMP(6)",
		to->at, to->rows, (int)to->done);
	record_put_where(l, sql);
	buf_puts(sql, " AND `copy_id`=");
	record_put_text(sql, l->plan.copy_id);
	buf_puts(sql, " AND `file`=");
	put_file(sql, f);
	buf_putf(sql, " AND `position`=%" PRIu64 " AND `done`=0", f->at);
}

int filerec_put(
	struct load *l, struct db *c, const struct data_file *f, const struct file_step *to, struct err *e)
{
	struct buf sql = {0};
	int r = see_owner(l, c, e);

	if (r == 0 && f->known)
		put_update(l, &sql, f, to);
	else if (r == 0)
		put_insert(l, &sql, f, to);
	if (r == 0)
		r = db_exec(c, buf_str(&sql), e);
	buf_free(&sql);
	if (r == 0 && db_affected(c) != 1)
		return err_set(e, ERR_sync_fenced, "%s: the record of %s was refused", db_where(c), f->name);
	return r;
}
