/*
 * One DDL statement of the stream: whether it is wanted, what filters leave of it, and what an operator said
 * instead; done by ddl_do.c. Called by the applier with nothing else under way.
 */
#include <string.h>

#include "common/base/log.h"
#include "units/sync/ddl_filter.h"
#include "units/sync/ddl_rename.h"
#include "units/sync/ddl_session.h"
#include "units/sync/ddl_statement.h"
#include "units/sync/ddl_utf8.h"
#include "units/sync/names.h"

/* Wanted and unwanted tables in one statement that can't be cut. */
static int mixed(struct ddl_statement *j, struct err *e)
{
	const struct sql_name *t = j->ddl->tables;

	if (j->ddl->rename)
		return ddl_rename_across(&t[0], &t[1], j->wanted[0], j->q.schema, e);
	if (j->ddl->like)
		return err_set(e, ERR_sync_ddl_mixed,
			"`%s` is made like `%s`, which the task's rules leave out: what it looks like is not "
			"known",
			t[0].table, t[1].table);
	return err_set(e, ERR_sync_ddl_mixed, "tables that are wanted, and others: %.*s",
		j->q.sql.n > 300 ? 300 : (int)j->q.sql.n, j->q.sql.p);
}

/* Before the snapshot that all its tables are of: one of a copy of several moments (T24). */
static bool seen_by_copy(struct apply *a, const struct trx *t, const struct ddl_statement *j)
{
	const struct sql_ddl *ddl = j->ddl;
	char name[257];

	for (unsigned i = 0; i < ddl->ntables; i++)
		if (!copied_has(&a->copied, str_of(ddl_schema_of(&ddl->tables[i], j->q.schema, name)),
			    str_of(ddl->tables[i].table), t))
			return false;
	return ddl->ntables > 0;
}

/* 1: wanted, 0: not, -1: partly, which can't be done in one statement (T30). */
static int wanted(struct apply *a, const struct trx *t, struct ddl_statement *j, struct err *e)
{
	struct sql_ddl *ddl = j->ddl;
	unsigned yes = 0, count = ddl->as_select ? 1 : ddl->ntables;
	char name[257];

	if (seen_by_copy(a, t, j))
		return 0;
	if (ddl_of_database(ddl->verb))
		return rules_schema(a->rules, ddl->schema[0] ? str_of(ddl->schema) : j->q.schema);
	if (ddl->verb == SQL_VERB_RENAME_TABLE && !ddl->more) {
		int r = ddl_rename_cut(a->rules, ddl, j->q.schema, e);

		j->cut = r > 0;
		return r;
	}
	if (count > ddl->ntables)
		count = ddl->ntables;
	for (unsigned i = 0; i < count; i++) {
		struct str schema = str_of(ddl_schema_of(&ddl->tables[i], j->q.schema, name)),
			   table = str_of(ddl->tables[i].table);

		/* What DM has done to it already is not done again. */
		j->wanted[i] = rules_table(a->rules, schema, table) &&
			       !takeover_has(&a->takeover, schema, table, t->end);
		yes += j->wanted[i];
	}
	if (yes == 0 && !ddl->more)
		return 0;
	/* Like a wanted one: not ours all the same. */
	if (ddl->like && !j->wanted[0])
		return 0;
	if (!ddl->more && (yes == count || ddl_is_drop(ddl->verb)))
		return 1;
	return mixed(j, e);
}

static void say_left_out(struct apply *a, const struct ddl_statement *j, bool whole)
{
	atomic_fetch_add(&a->counts.filtered_ddls, 1);
	log_warn("left out%s by %s: %.*s", whole ? "" : " in part", j->left_out.why,
		j->q.sql.n > 300 ? 300 : (int)j->q.sql.n, j->q.sql.p);
}

/* 1: something of it is done, 0: nothing, and that is on record; -1. */
static int filter(struct apply *a, const struct trx *t, struct ddl_statement *j, struct err *e)
{
	struct ddl_asked asked = {t, &j->q, j->ddl, j->wanted};
	int r = ddl_filter(a, &asked, &j->left_out, e);

	if (r < 0)
		return r;
	if (j->left_out.any || j->left_out.shaped)
		j->place.cut = &j->left_out;
	if (!j->left_out.any)
		return r;
	say_left_out(a, j, r == 0);
	a->acting.known = false;
	if (r == 0)
		return ddl_record_filtered(a, t, &j->place, j->ddl, j->q.schema, e);
	j->cut = j->cut || j->ddl->verb == SQL_VERB_RENAME_TABLE;
	if (j->left_out.text.n == 0)
		return 1;
	j->q.sql = j->place.text = buf_str(&j->left_out.text);
	return sql_ddl_read(j->q.sql, &t->format.server, j->q.sql_mode, j->ddl, e) < 0 ||
			       names_fold(a, j->ddl, e) < 0
		       ? -1
		       : 1;
}

/* A rule may leave out what nobody can read. 0: it does, -1: it stays an error. */
static int filter_unread(struct apply *a, const struct trx *t, struct ddl_statement *j, struct err *e)
{
	struct err mine = {0};
	int r = ddl_filter_unread(a, &j->q, &j->left_out, &mine);

	if (r < 0)
		*e = mine;
	if (r != 0)
		return -1;
	say_left_out(a, j, true);
	a->acting.known = false;
	err_clear(e);
	if (online_look_unread(a, j->q.sql, &j->online, e) < 0)
		return -1;
	j->place.notes = &j->online.notes;
	return ddl_record_unread(a, t, &j->place, j->q.sql, e);
}

static int do_as_said(struct apply *a, const struct trx *t, struct ddl_statement *j, struct err *e)
{
	return ddl_rename_all(a, j, &t->format.server, e) < 0 || ddl_translate(a, t, j, e) < 0
		       ? -1
		       : ddl_do(a, t, j, e);
}

/* So that they never have the number of one that an operator says in the same place (`binlog inject`). */
enum { REPLAYED_FROM = 1000 };

/* One of several that are done in the place of j; the last one ends it. Its text is in s->q. */
static void as_part(
	struct ddl_statement *s, const struct trx *t, const struct ddl_statement *j, unsigned i, bool last)
{
	snprintf(s->place.key, sizeof(s->place.key), "%.50s+%u", j->place.event, i + 1);
	s->place.stays = t->inside || !last;
	s->place.text = s->q.sql;
	s->place.sql_mode = s->q.sql_mode;
	s->place.notes = last ? j->place.notes : NULL;
}

/* One of the statements that gh-ost or pt-osc did with the table's shadow, now with the table itself. */
static int replay(
	struct apply *a, const struct trx *t, const struct ddl_statement *j, unsigned i, struct err *e)
{
	struct ddl_statement s = {.q = j->online.list[i],
		.ddl = arena_alloc(a->scratch, sizeof(struct sql_ddl)),
		.place = j->place};
	int r;

	as_part(&s, t, j, REPLAYED_FROM + i, i + 1 == j->online.n);
	s.place.replayed = true;
	r = sql_ddl_read(s.q.sql, &t->format.server, s.q.sql_mode, s.ddl, e);
	if (r == 0)
		r = names_fold(a, s.ddl, e);
	if (r == 0)
		r = filter(a, t, &s, e);
	if (r > 0)
		r = do_as_said(a, t, &s, e);
	buf_free(&s.text);
	buf_free(&s.renamed);
	ddl_cut_fini(&s.left_out);
	return r < 0 ? err_add(e, "statement %u of %u of an online change of structure", i + 1, j->online.n)
		     : 0;
}

/* 1: it is done like any other; 0: all of it is done. */
static int look_online(struct apply *a, const struct trx *t, struct ddl_statement *j, struct err *e)
{
	if (online_look(a, t, &j->q, j->ddl, ONLINE_UNTOLD, &j->online, e) < 0)
		return -1;
	j->place.notes = &j->online.notes;
	if (j->online.way == ONLINE_FOLLOW)
		return 1;
	if (j->online.way == ONLINE_PASS)
		return ddl_record_passed(a, t, &j->place, e);
	for (unsigned i = 0; i < j->online.n; i++)
		if (replay(a, t, j, i, e) < 0)
			return -1;
	return 0;
}

/* An operator says what is done instead: nothing of the tools stops it. */
static int look_online_told(struct apply *a, const struct trx *t, struct ddl_statement *j, bool read,
	const struct ddl_handle *h, struct err *e)
{
	enum online_told told = h->op == DDL_SKIP ? ONLINE_SKIPPED : ONLINE_REPLACED;
	int r = read ? online_look(a, t, &j->q, j->ddl, told, &j->online, e)
		     : online_look_unread(a, j->q.sql, &j->online, e);

	j->place.notes = &j->online.notes;
	return r;
}

/* As the stream has it. */
static int follow(struct apply *a, const struct trx *t, struct ddl_statement *j, struct err *e)
{
	int r;

	if (sql_ddl_read(j->q.sql, &t->format.server, j->q.sql_mode, j->ddl, e) < 0)
		return filter_unread(a, t, j, e);
	if (!sql_verb_is_ddl(j->ddl->verb)) {
		err_set(e, ERR_sync_ddl_parse, "not understood: %.*s",
			j->q.sql.n > 300 ? 300 : (int)j->q.sql.n, j->q.sql.p);
		return filter_unread(a, t, j, e);
	}
	if (names_fold(a, j->ddl, e) < 0)
		return -1;
	r = look_online(a, t, j, e);
	if (r <= 0)
		return r;
	r = wanted(a, t, j, e);
	if (r > 0 && sql_verb_is_sequence(j->ddl->verb) && db_server(a->ddl)->flavor != FLAVOR_MARIADB) {
		log_info("left out, as the downstream has no sequences: %.*s",
			j->q.sql.n > 120 ? 120 : (int)j->q.sql.n, j->q.sql.p);
		r = 0;
	}
	if (r == 0)
		return ddl_record_passed(a, t, &j->place, e);
	if (r > 0)
		r = filter(a, t, j, e);
	if (r == 0)
		return 0;
	return r < 0 ? -1 : do_as_said(a, t, j, e);
}

/* One of an operator's statements: as it was written, in the downstream's words. */
static int tell(struct apply *a, const struct trx *t, const struct ddl_statement *j,
	const struct ddl_handle *h, unsigned i, struct err *e)
{
	struct ddl_statement s = {
		.q = j->q, .ddl = arena_alloc(a->scratch, sizeof(struct sql_ddl)), .place = j->place};
	bool last = h->op == DDL_REPLACE && i + 1 == h->nsqls;
	int r;

	memset(s.wanted, true, sizeof(s.wanted)); /* what an operator names is meant */
	s.q.sql = h->sqls[i];
	s.q.has_charset = false; /* of the upstream's client; this text is UTF-8 */
	s.q.error_code = 0;
	s.q.sql_mode &= ~(uint64_t)(SQL_MODE_ANSI_QUOTES | SQL_MODE_NO_BACKSLASH_ESCAPES);
	if (sql_ddl_read(s.q.sql, db_server(a->ddl), s.q.sql_mode, s.ddl, e) < 0 ||
		names_fold(a, s.ddl, e) < 0)
		return -1;
	if (!sql_verb_is_ddl(s.ddl->verb) || s.ddl->as_select)
		return err_set(e, ERR_sync_ddl_parse, "the operator's statement is no DDL: %.*s",
			s.q.sql.n > 200 ? 200 : (int)s.q.sql.n, s.q.sql.p);
	if (ddl_is_drop(s.ddl->verb) && s.ddl->more) /* gone on with after a crash, it would be those alone */
		return err_set(e, ERR_sync_ddl_parse,
			"the operator's DROP names more than %d tables: say it in several statements",
			SQL_DDL_MAX_TABLES);
	as_part(&s, t, j, i, last);
	s.place.told = h->op == DDL_REPLACE;
	s.place.injected = h->op == DDL_INJECT;
	s.place.also = last ? j->ddl : NULL;
	if (ddl_rename_all(a, &s, db_server(a->ddl), e) < 0) {
		buf_free(&s.renamed);
		return err_add(e, "statement %u of an operator's", i + 1);
	}
	s.fenced = ddl_wants_fence(a, s.ddl);
	if (s.fenced)
		ddl_write_fenced(a, &s);
	else
		buf_put(&s.text, s.said.p, s.said.n);
	log_warn("as an operator said, %s this statement of the upstream: %.*s",
		h->op == DDL_REPLACE ? "in the place of" : "before", j->q.sql.n > 300 ? 300 : (int)j->q.sql.n,
		j->q.sql.p);
	r = ddl_do(a, t, &s, e);
	a->acting.known = false;
	buf_free(&s.text);
	buf_free(&s.renamed);
	return r < 0 ? err_add(e, "statement %u of `binlog %s`", i + 1,
			       last || h->op == DDL_REPLACE ? "replace" : "inject")
		     : 0;
}

static int skip(struct apply *a, const struct trx *t, struct ddl_statement *j, struct err *e)
{
	log_warn("skipped, as an operator said: %.*s", j->q.sql.n > 300 ? 300 : (int)j->q.sql.n, j->q.sql.p);
	j->place.told = true;
	a->acting.known = false;
	return ddl_record_skipped(a, t, &j->place, j->q.sql, j->ddl, j->q.schema, e);
}

/* Its own statement may be one that can't be read: that is why it is skipped or replaced. */
static int obey(struct apply *a, const struct trx *t, struct ddl_statement *j, const struct ddl_handle *h,
	struct err *e)
{
	struct err unread;
	bool read = sql_ddl_read(j->q.sql, &t->format.server, j->q.sql_mode, j->ddl, &unread) == 0 &&
		    sql_verb_is_ddl(j->ddl->verb);

	if (!read)
		memset(j->ddl, 0, sizeof(*j->ddl));
	if (names_fold(a, j->ddl, e) < 0)
		return -1;
	if (h->op != DDL_INJECT && look_online_told(a, t, j, read, h, e) < 0)
		return -1;
	if (h->op == DDL_SKIP)
		return skip(a, t, j, e);
	for (unsigned i = 0; i < h->nsqls; i++)
		if (tell(a, t, j, h, i, e) < 0)
			return -1;
	return h->op == DDL_INJECT ? follow(a, t, j, e) : 0;
}

/* A person must look: what `binlog skip` without a position means. */
static void note_failed(struct apply *a, const struct trx *t)
{
	pthread_mutex_lock(&a->lock);
	a->failed_ddl = t->event;
	pthread_mutex_unlock(&a->lock);
}

int apply_ddl(struct apply *a, const struct trx *t, struct err *e)
{
	const struct ddl_handle *h = ddl_handles_find(&a->handles, a->base, t);
	struct ddl_statement j = {
		.ddl = arena_alloc(a->scratch, sizeof(struct sql_ddl)), .place.stays = t->inside};
	char at[300];
	int r = -1;

	position_store(t->event, j.place.event, sizeof(j.place.event));
	position_store(t->event, j.place.key, sizeof(j.place.key));
	if (binlog_read_query(buf_str(&t->raw), &t->format, a->scratch, &j.q, e) == 0 &&
		ddl_to_utf8(a, &j.q, t->inside, e) == 0 && apply_add_gtid(a, t, e) == 0) {
		apply_write_gtid(a);
		j.place.text = j.q.sql;
		j.place.sql_mode = j.q.sql_mode;
		r = h ? obey(a, t, &j, h, e) : follow(a, t, &j, e);
	}
	if (r < 0) {
		position_text(t->event, a->base, at, sizeof(at));
		err_add(e, "at %s", at);
		if (err_act(e->code) == ERR_ACT_PAUSE)
			note_failed(a, t);
	} else {
		atomic_fetch_add(&a->counts.ddls, 1);
		atomic_store(&a->counts.commit_us, trx_commit_us(t));
	}
	buf_free(&j.text);
	ddl_cut_fini(&j.left_out);
	buf_free(&j.online.notes);
	buf_free(&j.renamed);
	arena_clear(a->scratch);
	return r;
}
