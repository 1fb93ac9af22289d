/*
 * Worker threads of a load out of files: one file each at a time, in transactions of some MiB, each with the
 * file's record in it. After a failure the record says where to go on. Started by the leader thread. Must
 * never commit rows without their record.
 */
#include "units/load/filework.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/sql/quote.h"
#include "units/load/filerec.h"

enum {
	TRIES = 30,
	PAUSE_MS = 200,
	TRANSACTION_BYTES = 16 << 20,
	TIDB_BYTES = 8 << 20,
	KEEP = 4 << 20,
	SQL_DUPLICATE = 1062
};

/* --- the connection --- */

static bool is_lost(const struct err *e)
{
	return db_error_is_lost(e->sql_errno) || e->code == ERR_db_driver;
}

static void lose(struct fileworker *w)
{
	if (!w->c)
		return;
	w->old = db_connection_id(w->c);
	load_disconnect(w->l, &w->c);
}

static int see_old_gone(struct fileworker *w, struct err *e)
{
	char text[24];
	bool found;

	if (w->old && load_end_old(w->l, w->c, w->old, e) < 0)
		return -1;
	w->old = 0;
	if (db_value(w->c, "SELECT @@max_allowed_packet", text, sizeof(text), &found, e) < 0)
		return -1;
	w->max_packet = found ? strtoull(text, NULL, 10) : 0;
	return 0;
}

static int connect_now(struct fileworker *w, struct err *e)
{
	if (w->c)
		return 0;
	w->c = load_connect(w->l, DB_APPLY, true, e);
	if (!w->c)
		return -1;
	if (see_old_gone(w, e) == 0)
		return 0;
	/* No row went over this one: the one to be seen gone is still the old one. */
	load_disconnect(w->l, &w->c);
	return -1;
}

/* --- the transaction --- */

static int check_count(const struct fileworker *w, uint64_t rows, bool replaces, struct err *e)
{
	uint64_t took = db_affected(w->c);

	if (took == rows || (replaces && took > rows))
		return 0;
	return err_set(
		e, ERR_load_files, "%" PRIu64 " rows stand there, the downstream took %" PRIu64, rows, took);
}

int fileworker_exec(struct fileworker *w, struct str sql, uint64_t rows, bool replaces, struct err *e)
{
	if (load_stopping(w->l))
		return err_set(e, ERR_link, "asked to leave");
	/* Else the server would cut the connection, and it would be tried again and again. */
	if (w->max_packet > 0 && sql.n + 2 >= w->max_packet)
		return err_set(e, ERR_load_files,
			"a statement of %zu bytes is more than the downstream's max_allowed_packet of "
			"%" PRIu64 ": SET GLOBAL max_allowed_packet to more",
			sql.n, w->max_packet);
	if (!w->open && db_exec(w->c, STR_LIT("BEGIN"), e) < 0)
		return -1;
	w->open = true;
	if (db_exec(w->c, sql, e) < 0 || check_count(w, rows, replaces, e) < 0)
		return -1;
	w->rows += rows;
	w->bytes += sql.n;
	if (FAILPOINT_HIT(load_mid_chunk))
		return err_set(e, ERR_db_lost, "failpoint load_mid_chunk");
	return 0;
}

static void file_over(struct load *l, const struct data_file *f)
{
	unsigned left;

	pthread_mutex_lock(&l->claim_lock);
	left = --l->folder->left[f->table];
	pthread_mutex_unlock(&l->claim_lock);
	if (left == 0)
		tally_end(l->tally, f->table);
}

static void passed(struct fileworker *w, const struct file_step *to)
{
	struct data_file *f = w->f;

	f->known = true;
	f->at = to->at;
	f->rows = to->rows;
	f->done = to->done;
	tally_add(w->l->tally, f->table, (struct amount){w->rows, w->bytes});
	atomic_fetch_add(&w->l->chunks_done, 1);
	if (f->done)
		file_over(w->l, f);
	unit_wake(w->l->env);
	w->open = false;
	w->rows = w->bytes = 0;
}

static int commit(struct fileworker *w, const struct file_step *to, struct err *e)
{
	if (filerec_put(w->l, w->c, w->f, to, e) < 0)
		return -1;
	if (FAILPOINT_HIT(load_before_commit))
		return err_set(e, ERR_db_lost, "failpoint load_before_commit");
	if (db_exec(w->c, STR_LIT("COMMIT"), e) < 0)
		return -1;
	if (FAILPOINT_HIT(load_after_commit)) {
		/* As if the reply had been lost: the record decides. */
		lose(w);
		return err_set(e, ERR_db_lost, "failpoint load_after_commit");
	}
	passed(w, to);
	return 0;
}

int fileworker_step(struct fileworker *w, bool end, struct err *e)
{
	uint64_t most = w->l->to.flavor == FLAVOR_TIDB ? TIDB_BYTES : TRANSACTION_BYTES;
	struct file_step to = {w->text.offset, w->f->rows + w->rows, end};

	if (!end && w->bytes < most)
		return 0;
	if (!w->open && db_exec(w->c, STR_LIT("BEGIN"), e) < 0)
		return -1;
	w->open = true;
	return commit(w, &to, e);
}

/* --- a file --- */

void fileworker_look_at_zone(const struct fileworker *w)
{
	const struct plan_item *t = &w->l->plan.tables.p[w->f->table];
	struct folder *f = w->l->folder;
	bool has = false, said;

	for (unsigned i = 0; i < t->structure->ncolumns; i++)
		has |= t->structure->columns[i].kind == COLUMN_TIMESTAMP;
	if (!has || w->zone_said || f->meta.ours)
		return;
	pthread_mutex_lock(&w->l->claim_lock);
	said = f->zone_warned;
	f->zone_warned = true;
	pthread_mutex_unlock(&w->l->claim_lock);
	if (!said)
		log_warn("table `%s`.`%s` has TIMESTAMPs and %s says no time zone: they are taken for UTC, "
			 "as in all such files",
			t->schema, t->name, w->f->name);
}

static int use(struct fileworker *w, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_puts(&sql, "USE ");
	sql_put_ident(&sql, str_of(w->l->plan.tables.p[w->f->table].to_schema));
	r = db_exec(w->c, buf_str(&sql), e);
	buf_free(&sql);
	/* What the file before may have set. */
	return r < 0 || db_exec(w->c, STR_LIT("SET time_zone='+00:00'"), e) < 0 ? -1 : 0;
}

int fileworker_open(struct fileworker *w, struct text *t, uint64_t offset, struct err *e)
{
	int r = text_open(t, w->l->folder->dir, w->f->name, offset, e);

	if (w->max_packet > 0)
		t->max = (size_t)w->max_packet;
	t->limit = "the downstream's max_allowed_packet: SET GLOBAL max_allowed_packet to more";
	t->turn = &w->turn;
	return r;
}

static void keep_little(struct buf *b)
{
	if (b->cap > KEEP)
		buf_free(b);
}

void fileworker_give_back(struct fileworker *w)
{
	keep_little(&w->sql);
	keep_little(&w->row.bytes);
	text_turn_over(&w->turn);
}

/* The record decides where to go on. Where a COMMIT's answer was lost it may be further than was counted. */
static int read_record(struct fileworker *w, struct err *e)
{
	struct data_file *f = w->f, before = *f;

	if (filerec_read(w->l, w->c, f, e) < 0)
		return -1;
	if (f->at > before.at && f->rows >= before.rows) {
		tally_add(w->l->tally, f->table, (struct amount){f->rows - before.rows, f->at - before.at});
		atomic_fetch_add(&w->l->chunks_done, 1);
	}
	if (f->done && !before.done)
		file_over(w->l, f);
	return 0;
}

static int one_try(struct fileworker *w, struct err *e)
{
	char where[48];
	int r;

	if (connect_now(w, e) < 0 || read_record(w, e) < 0)
		return -1;
	if (w->f->done)
		return 0;
	if (use(w, e) < 0 || fileworker_open(w, &w->text, w->f->at, e) < 0)
		return -1;
	r = w->f->csv ? filecsv_load(w, e) : filesql_load(w, e);
	if (r < 0) {
		text_where(&w->text, where, sizeof(where));
		err_add(e, "%s", where);
	}
	return r;
}

/* After a failure: whether to try again. Nothing of what is open may stay. */
static bool again(struct fileworker *w, const struct err *why)
{
	struct err rollback = {0};

	if (is_lost(why))
		lose(w);
	else if (w->c && w->open && db_exec(w->c, STR_LIT("ROLLBACK"), &rollback) < 0)
		lose(w);
	w->open = false;
	w->rows = w->bytes = 0;
	return !load_stopping(w->l) && err_act(why->code) == ERR_ACT_RETRY;
}

static int refused(struct fileworker *w, struct err *e)
{
	const struct plan_item *t = &w->l->plan.tables.p[w->f->table];

	if (load_is_too_large(e))
		e->code = ERR_load_too_large;
	else if (err_act(e->code) == ERR_ACT_PAUSE)
		e->code = ERR_load_files;
	if (t->merged && e->sql_errno == SQL_DUPLICATE)
		err_add(e, "rows of tables that are merged into `%s`.`%s` have the same key", t->to_schema,
			t->to_name);
	return err_add(e, "table `%s`.`%s`, %s", t->schema, t->name, w->f->name);
}

static int load_file(struct fileworker *w, struct err *e)
{
	uint64_t before = 0;
	unsigned tries = 0;
	int r;

	for (;;) {
		err_clear(e);
		r = one_try(w, e);
		text_close(&w->text);
		fileworker_give_back(w);
		if (r == 0)
			return 0;
		if (!again(w, e))
			return refused(w, e);
		tries = w->f->at > before ? 1 : tries + 1;
		before = w->f->at;
		if (tries == TRIES)
			return refused(w, e);
		log_info("%s is gone on with: %s", w->f->name, e->text);
		if (!load_pause(w->l, tries < 10 ? tries * PAUSE_MS : 10 * PAUSE_MS))
			return -1;
	}
}

/* --- the threads --- */

static struct data_file *claim(struct load *l)
{
	struct folder *f = l->folder;
	struct data_file *got = NULL;

	pthread_mutex_lock(&l->claim_lock);
	while (!load_stopping(l) && !got && f->next < f->n) {
		got = &f->files[f->next++];
		if (got->done)
			got = NULL;
	}
	pthread_mutex_unlock(&l->claim_lock);
	return got;
}

static void end_worker(struct fileworker *w)
{
	struct err ignored;

	if (w->c && !load_stopping(w->l))
		meta_forget_connection(w->c, &w->l->id, db_connection_id(w->c), &ignored);
	load_disconnect(w->l, &w->c);
	csv_row_fini(&w->row);
	buf_free(&w->sql);
	free(w->columns);
}

static void *worker_main(void *arg)
{
	struct fileworker *w = arg;
	struct err e = {0};
	int r = 0;

	while (r == 0 && (w->f = claim(w->l)))
		r = load_file(w, &e);
	if (r < 0)
		load_fail(w->l, &e);
	end_worker(w);
	return NULL;
}

void filework_run_all(struct load *l)
{
	struct fileworker *w = xcalloc(l->threads, sizeof(*w));
	unsigned n = 0;

	for (; n < l->threads; n++) {
		w[n].l = l;
		w[n].turn.lock = &l->giant;
		if (pthread_create(&w[n].thread, NULL, worker_main, &w[n]) != 0) {
			struct err e = {0};

			err_set(&e, ERR_internal, "a thread can't be started");
			load_fail(l, &e);
			break;
		}
	}
	while (n > 0)
		pthread_join(w[--n].thread, NULL);
	free(w);
}

void filework_count(struct load *l, struct tally *t)
{
	struct folder *f = l->folder;

	for (size_t i = 0; i < f->n; i++)
		if (f->files[i].known)
			tally_add(t, f->files[i].table, (struct amount){f->files[i].rows, f->files[i].at});
	for (size_t i = 0; i < f->n; i++)
		f->left[f->files[i].table] += !f->files[i].done;
	for (unsigned i = 0; i < l->plan.tables.n; i++)
		if (f->left[i] == 0)
			tally_end(t, i);
}

int filework_check(struct load *l, struct db *c, struct err *e)
{
	struct folder *f = l->folder;

	for (size_t i = 0; i < f->n; i++)
		f->files[i].done = false;
	l->recorded.rows = l->recorded.chunks = 0;
	if (filerec_read_all(l, c, e) < 0)
		return -1;
	for (size_t i = 0; i < f->n; i++)
		if (!f->files[i].done)
			return err_set(e, ERR_load_files, "%s is not recorded as loaded", f->files[i].name);
	if (f->unwanted == 0 && f->meta.rows >= 0 && l->recorded.rows != (uint64_t)f->meta.rows)
		return err_set(e, ERR_load_files,
			"%" PRIu64 " rows are loaded, but metadata tells of %" PRId64
			": a file is not as the dump left it",
			l->recorded.rows, f->meta.rows);
	return 0;
}
