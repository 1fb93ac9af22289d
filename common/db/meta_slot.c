/*
 * An applier's progress row in the downstream, and the guard that opens each of its transactions (T1, T2,
 * T4). Used by load and sync. The guard is text alone: its user reads the count before it sends COMMIT.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/xalloc.h"
#include "common/db/meta_internal.h"

struct load {
	const struct meta_id *id;
	struct meta_slot *s;
};

static int make_row(struct db *d, const struct meta_id *id, unsigned slot, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_puts(&sql, "INSERT IGNORE INTO ");
	meta_put_table(&sql, id->schema, "tidegate_slot");
	buf_puts(&sql, " (`task`,`source`,`slot`,`epoch`,`version`,`position`,`base`,`gtid`) VALUES (");
	meta_put_text(&sql, id->task);
	buf_putc(&sql, ',');
	meta_put_text(&sql, id->source);
	buf_putf(&sql, ",%u,%llu,0,'0:0:0','','')", slot, (unsigned long long)id->epoch);
	r = db_exec(d, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

static uint64_t number(struct str s)
{
	char text[24];

	snprintf(text, sizeof(text), "%.*s", STR_ARG(s));
	return strtoull(text, NULL, 10);
}

#define ROW "SELECT `epoch`,`version`,`position`,`base`,`gtid`,`applied`,`slot`,`head` FROM "

/* As it is in the messages and in the orders: 16 digits, or none. */
static uint64_t head_of(struct str v)
{
	char text[24];

	snprintf(text, sizeof(text), "%.*s", STR_ARG(v));
	return strtoull(text, NULL, 16);
}

static char *text_of(struct str v)
{
	return xstrndup(v.p ? v.p : "", v.n);
}

/* v: as ROW has them. */
static int take_row(
	struct db *d, const struct meta_id *id, const struct str *v, struct meta_slot *s, struct err *e)
{
	s->slot = (unsigned)number(v[6]);
	if (number(v[0]) != id->epoch)
		return err_set(e, ERR_sync_fenced,
			"%s: slot %u of task %s belongs to epoch %llu, this is %llu", d->where, s->slot,
			id->task, (unsigned long long)number(v[0]), (unsigned long long)id->epoch);
	s->version = number(v[1]);
	if (position_load(v[2], &s->watermark, e) < 0)
		return err_add(e, "reading slot %u of task %s", s->slot, id->task);
	s->base = text_of(v[3]);
	s->gtid = text_of(v[4]);
	s->applied = text_of(v[5]);
	s->head = head_of(v[7]);
	return 0;
}

static int load_locked(struct db *d, void *arg, struct err *e)
{
	const struct load *l = arg;
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int n;

	if (meta_lock_owner(d, l->id, e) < 0 || make_row(d, l->id, l->s->slot, e) < 0)
		return -1;
	buf_puts(&sql, ROW);
	meta_put_table(&sql, l->id->schema, "tidegate_slot");
	meta_put_where(&sql, l->id);
	buf_putf(&sql, " AND `slot`=%u FOR UPDATE", l->s->slot);
	r = db_query(d, buf_str(&sql), e);
	buf_free(&sql);
	if (!r)
		return -1;
	n = db_fetch(r, &v, e);
	if (n > 0)
		n = take_row(d, l->id, v, l->s, e);
	else if (n == 0)
		n = err_set(e, ERR_db_query, "%s: slot %u of task %s vanished", d->where, l->s->slot,
			l->id->task);
	db_rows_close(&r);
	return n;
}

int meta_slot_load(struct db *d, const struct meta_id *id, unsigned slot, struct meta_slot *s, struct err *e)
{
	struct load l = {id, s};

	memset(s, 0, sizeof(*s));
	s->slot = slot;
	if (meta_in_transaction(d, load_locked, &l, e) < 0) {
		meta_slot_fini(s);
		return -1;
	}
	return 0;
}

void meta_slot_fini(struct meta_slot *s)
{
	free(s->gtid);
	free(s->base);
	free(s->applied);
	memset(s, 0, sizeof(*s));
}

struct load_all {
	const struct meta_id *id;
	unsigned count;
	struct meta_slot *list;
	size_t n;
};

static int load_all_locked(struct db *d, void *arg, struct err *e)
{
	struct load_all *l = arg;
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int n;

	if (meta_lock_owner(d, l->id, e) < 0)
		return -1;
	for (unsigned i = 1; i <= l->count; i++)
		if (make_row(d, l->id, i, e) < 0)
			return -1;
	buf_puts(&sql, ROW);
	meta_put_table(&sql, l->id->schema, "tidegate_slot");
	meta_put_where(&sql, l->id);
	buf_puts(&sql, " AND `slot`>0 ORDER BY `slot` FOR UPDATE");
	r = db_query(d, buf_str(&sql), e);
	buf_free(&sql);
	if (!r)
		return -1;
	while ((n = db_fetch(r, &v, e)) > 0) {
		l->list = xrealloc(l->list, (l->n + 1) * sizeof(*l->list));
		memset(&l->list[l->n], 0, sizeof(*l->list));
		n = take_row(d, l->id, v, &l->list[l->n++], e);
		if (n < 0)
			break;
	}
	db_rows_close(&r);
	return n;
}

int meta_slots_load(struct db *d, const struct meta_id *id, unsigned count, struct meta_slot **list,
	size_t *n, struct err *e)
{
	struct load_all l = {.id = id, .count = count};
	int r = meta_in_transaction(d, load_all_locked, &l, e);

	for (size_t i = 0; r < 0 && i < l.n; i++)
		meta_slot_fini(&l.list[i]);
	if (r < 0)
		free(l.list);
	*list = r < 0 ? NULL : l.list;
	*n = r < 0 ? 0 : l.n;
	return r;
}

/* was: the version that it must have. */
static void put_progress(struct buf *sql, const struct meta_id *id, const struct meta_slot *s,
	const struct meta_progress *p, uint64_t was)
{
	char position[64];

	position_store(p->watermark, position, sizeof(position));
	buf_puts(sql, "UPDATE ");
	meta_put_table(sql, id->schema, "tidegate_slot");
	buf_putf(sql, " SET `version`=%llu, `position`='%s', `base`=", (unsigned long long)s->version + 1,
		position);
	meta_put_text(sql, p->base);
	buf_puts(sql, ", `gtid`=");
	meta_put_text(sql, p->gtid);
	buf_puts(sql, ", `applied`=");
	meta_put_text(sql, p->applied);
	buf_puts(sql, ", `head`='");
	if (p->head)
		buf_putf(sql, "%016llx", (unsigned long long)p->head);
	buf_puts(sql, "', `updated`=CURRENT_TIMESTAMP(6)");
	meta_put_where(sql, id);
	buf_putf(sql, " AND `slot`=%u AND `epoch`=%llu AND `version`=%llu", s->slot,
		(unsigned long long)id->epoch, (unsigned long long)was);
}

void meta_slot_guard(
	struct buf *sql, const struct meta_id *id, const struct meta_slot *s, const struct meta_progress *p)
{
	put_progress(sql, id, s, p, s->version);
}

int meta_slot_again(struct db *d, const struct meta_id *id, const struct meta_slot *s,
	const struct meta_progress *p, struct err *e)
{
	uint64_t affected = 0, matched = 0;
	struct db_multi m = {.affected = &affected, .matched = &matched, .count = 1};
	struct buf sql = {0};
	int r;

	put_progress(&sql, id, s, p, s->version + 1);
	r = db_exec_multi(d, buf_str(&sql), &m, e);
	buf_free(&sql);
	if (r == 0 && (m.done != 1 || matched != 1))
		return err_set(
			e, ERR_internal, "slot %u of task %s is not as the guard left it", s->slot, id->task);
	return r;
}
