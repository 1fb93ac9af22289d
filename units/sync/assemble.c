/*
 * Transactions out of the event stream of both families: what begins one, what ends one, what is nothing, and
 * what must stop the job (T16-T18). Fed by fetch.c in the main thread; asks nobody anything, so it can be
 * tested with bytes alone.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/binlog/payload.h"
#include "common/binlog/row.h"
#include "common/sql/lexer.h"
#include "units/sync/marks.h"
#include "units/sync/noted.h"
#include "units/sync/pending.h"
#include "units/sync/pieces.h"
#include "units/sync/stray.h"
#include "units/sync/trx.h"

/* Of savepoints' names: several 100,000 of one transaction. */
enum { MARKS_BYTES_MAX = 64 << 20 };

struct assemble {
	const struct rules *rules;
	struct binlog_format format;
	struct arena *scratch; /* of one event */
	struct trx *open;      /* begun, not ended */
	bool announced;        /* a GTID event came, its transaction has not begun */
	struct binlog_gtid_event gtid;
	struct position begin;   /* of the announcing event */
	struct position at, end; /* of the event in hand */
	struct position safe;
	struct marks marks;
	size_t keep; /* bytes of a transaction that is held in memory */
	struct pending *pending;
};

void trx_shed(struct trx *t)
{
	pieces_release(&t->pieces);
	noted_free(&t->noted);
	buf_free(&t->raw);
	arena_free(&t->arena);
	free(t->tables);
	free(t->waits);
	t->tables = NULL;
	t->waits = NULL;
	t->changes = NULL;
	t->nwaits = 0;
}

void trx_let_go(struct trx *t)
{
	noted_scan(&t->noted, buf_str(&t->raw), &t->format);
	buf_free(&t->raw);
	t->large = true;
}

void trx_forgo(struct trx *t)
{
	trx_shed(t);
	buf_clear(&t->cuts);
	t->events = 0;
	t->bytes = t->nth = 0;
	t->large = false;
}

void trx_empty(struct trx *t)
{
	trx_forgo(t);
	t->unknown = false;
	t->kind = TRX_ROWS;
	/* What is recorded of a prepared one must be where this stream has it; decided, it is no more. */
	if (t->xa == TRX_XA_COMMIT)
		t->xa = TRX_XA_ROLLBACK;
}

void trx_judged(struct trx *t)
{
	stray_notes_free(&t->notes);
	stray_notes_free(&t->made);
}

void trx_free(struct trx **t)
{
	if (!*t)
		return;
	trx_shed(*t);
	buf_free(&(*t)->cuts);
	trx_judged(*t);
	free(*t);
	*t = NULL;
}

uint64_t trx_commit_us(const struct trx *t)
{
	return t->commit_us ? t->commit_us : (uint64_t)t->timestamp * 1000000;
}

struct assemble *assemble_new(const struct rules *rules, size_t keep)
{
	struct assemble *a = xcalloc(1, sizeof(*a));

	a->rules = rules;
	a->keep = keep;
	a->pending = pending_new(keep);
	a->scratch = arena_new(0);
	return a;
}

void assemble_free(struct assemble **a)
{
	if (!*a)
		return;
	trx_free(&(*a)->open);
	marks_free(&(*a)->marks);
	pending_free(&(*a)->pending);
	arena_free(&(*a)->scratch);
	free(*a);
	*a = NULL;
}

struct position assemble_safe(const struct assemble *a)
{
	return a->safe;
}

struct position assemble_pin(struct assemble *a, struct position watermark)
{
	return pending_pin(a->pending, watermark);
}

size_t assemble_held(const struct assemble *a)
{
	return a->open ? a->open->raw.n + stray_weight(a->open->notes) + stray_weight(a->open->made) : 0;
}

bool assemble_ready(const struct assemble *a)
{
	return a->format.valid;
}

static struct trx *begin(struct assemble *a, enum trx_kind kind)
{
	struct trx *t = xcalloc(1, sizeof(*t));

	t->kind = kind;
	t->start = a->announced ? a->begin : a->at;
	t->has_gtid = a->announced && !a->gtid.anonymous;
	t->gtid = a->gtid;
	t->commit_us = a->announced ? a->gtid.immediate_commit_us : 0;
	t->format = a->format;
	a->announced = false;
	marks_free(&a->marks);
	return t;
}

/* The transaction in hand is whole: out with it. */
static void end(struct assemble *a, struct trx **out)
{
	*out = a->open ? a->open : begin(a, TRX_ROWS);
	(*out)->end = a->end;
	(*out)->from = (*out)->start;
	(*out)->to = a->end;
	a->open = NULL;
	a->announced = false;
	a->safe = a->end;
}

static void keep(struct trx *t, struct str event)
{
	buf_put(&t->raw, event.p, event.n);
}

static int stop_at(const struct assemble *a, struct err *e)
{
	char text[300];

	position_text(a->at, "", text, sizeof(text));
	return err_add(e, "at %s", text);
}

static int unknown(const struct assemble *a, const struct binlog_header *h, struct err *e)
{
	err_set(e, ERR_sync_event_unknown, "%s (type %u)", binlog_type_name(h->type), h->type);
	return stop_at(a, e);
}

static int on_gtid(struct assemble *a, struct str event, struct trx **out, struct err *e)
{
	(void)out;
	if (a->open) {
		err_set(e, ERR_sync_binlog, "a transaction begins inside another one");
		return stop_at(a, e);
	}
	if (binlog_read_gtid(event, &a->format, &a->gtid, e) < 0)
		return stop_at(a, e);
	a->announced = true;
	a->begin = a->at;
	if (a->gtid.mariadb && !(a->gtid.flags2 & BINLOG_GTID_STANDALONE))
		a->open = begin(a, TRX_ROWS);
	return 0;
}

/* SAVEPOINT a, ROLLBACK [WORK] TO [SAVEPOINT] a: the last name of the statement, unquoted. */
static struct str name_of(const struct assemble *a, struct str sql)
{
	char *out = arena_alloc(a->scratch, sql.n + 1);
	struct sql_lexer lx;

	out[0] = '\0';
	sql_lex_init(&lx, sql, a->format.server.flavor == FLAVOR_MARIADB, a->format.server.version);
	lx.ansi_quotes = true; /* no string has a place here */
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD)
		if (lx.type == SQL_WORD || lx.type == SQL_IDENT)
			sql_lex_ident(&lx, out, sql.n + 1);
	return str_of(out);
}

static int set_mark(struct assemble *a, struct str sql, struct err *e)
{
	struct mark at;

	if (!a->open)
		return 0;
	at = (struct mark){a->open->raw.n, a->open->events, a->open->bytes, a->open->nth};
	marks_set(&a->marks, name_of(a, sql), &at);
	if (a->marks.bytes <= MARKS_BYTES_MAX)
		return 0;
	err_set(e, ERR_sync_event_unknown, "savepoints of one transaction that take more than %d MiB",
		MARKS_BYTES_MAX >> 20);
	return stop_at(a, e);
}

/* For a later reading from the relay log: from the mark on, up to here, nothing counts. */
static void cut_back(struct trx *t, const struct mark *m)
{
	struct trx_cut cut = {m->nth, t->nth};

	while (t->cuts.n > 0) {
		struct trx_cut *last =
			(struct trx_cut *)(void *)(t->cuts.p + t->cuts.n - sizeof(struct trx_cut));

		if (last->to < cut.from)
			break;
		cut.from = last->from < cut.from ? last->from : cut.from;
		t->cuts.n -= sizeof(cut);
	}
	if (cut.from < cut.to)
		buf_put(&t->cuts, &cut, sizeof(cut));
	if (!t->large)
		t->raw.n = m->bytes;
	noted_cut(t->noted, m->nth);
	t->events = m->events;
	t->bytes = m->all;
}

static int back_to_mark(struct assemble *a, struct str sql, struct err *e)
{
	struct str name = name_of(a, sql);
	enum marks_found found = MARKS_NONE;
	struct mark m;

	if (a->open)
		found = marks_back(&a->marks, name, &m);
	if (found == MARKS_FOUND) {
		cut_back(a->open, &m);
		return 0;
	}
	err_set(e, ERR_sync_event_unknown, "ROLLBACK TO %s: %s", name.p,
		found == MARKS_NONE ? "no such savepoint was seen"
				    : "a later savepoint may have the same name to the server");
	return stop_at(a, e);
}

/* Rows that stay although the transaction is rolled back are of engines without transactions: that can't be
 * repeated here. */
static int on_rollback(struct assemble *a, struct trx **out, struct err *e)
{
	if (a->open && a->open->events > 0) {
		err_set(e, ERR_sync_event_unknown,
			"a rolled back transaction with rows of a table whose engine has no transactions");
		return stop_at(a, e);
	}
	end(a, out);
	return 0;
}

static int on_ddl(struct assemble *a, struct str event, struct trx **out)
{
	struct trx *t;

	/* MariaDB's two-phase ALTER: executed once, on COMMIT (T18). */
	if (a->announced && a->gtid.mariadb &&
		(a->gtid.flags_extra & (BINLOG_EXTRA_START_ALTER | BINLOG_EXTRA_ROLLBACK_ALTER)) &&
		!(a->gtid.flags_extra & BINLOG_EXTRA_COMMIT_ALTER)) {
		end(a, out);
		return 0;
	}
	if (!a->open) {
		t = begin(a, TRX_DDL);
		t->end = a->end;
		a->safe = a->end;
	} else {
		/* CREATE TABLE … SELECT (T17): structure now, rows with the transaction; the watermark stays
		 * before both. */
		t = xcalloc(1, sizeof(*t));
		t->kind = TRX_DDL;
		t->format = a->open->format;
		t->start = t->end = a->open->start;
		t->inside = true;
		t->gtid = a->open->gtid;
		t->gtid.anonymous |= !a->open->has_gtid;
	}
	t->event = a->at;
	keep(t, event);
	*out = t;
	return 0;
}

/* It may make or drop triggers, views and functions of the databases that it names. */
static int on_structure(struct assemble *a, struct str event, const struct binlog_query *q, struct trx **out)
{
	int r = on_ddl(a, event, out);

	if (a->rules && *out)
		stray_note_made(&(*out)->made, q, &a->format.server);
	return r;
}

/* No name in it has a schema written, and nothing of the default database is wanted: none of its tables is.
 */
static bool surely_unwanted(const struct assemble *a, const struct binlog_query *q)
{
	struct sql_lexer lx;

	if (!a->rules || q->schema.n == 0 || rules_schema(a->rules, q->schema))
		return false;
	sql_ddl_lexer(&lx, q->sql, &a->format.server, q->sql_mode);
	while (sql_lex_next(&lx) != SQL_END)
		if (lx.type == SQL_BAD || sql_lex_is_char(&lx, '.'))
			return false;
	return true;
}

/* The head of a statement, for messages. */
static int dml(const struct assemble *a, const struct binlog_query *q, struct err *e)
{
	if (surely_unwanted(a, q))
		return 0;
	err_set(e, ERR_sync_statement_dml, "default database `%.*s`: %.*s%s", STR_ARG(q->schema),
		q->sql.n > 200 ? 200 : (int)q->sql.n, q->sql.p, q->sql.n > 200 ? "..." : "");
	return stop_at(a, e);
}

/* One that passes may still write elsewhere: to be judged with its transaction, or alone. */
static int on_dml(struct assemble *a, const struct binlog_query *q, struct trx **out, struct err *e)
{
	if (dml(a, q, e) < 0)
		return -1;
	if (!a->open)
		end(a, out);
	stray_note(&(a->open ? a->open : *out)->notes, q, &a->format.server);
	return 0;
}

/* LOAD DATA as a statement: the file comes before it, in events that say nothing of where it goes. */
static int on_load(struct assemble *a, struct str event, struct trx **out, struct err *e)
{
	struct binlog_query q;

	if (binlog_read_query(event, &a->format, a->scratch, &q, e) < 0)
		return stop_at(a, e);
	return on_dml(a, &q, out, e);
}

/* Recognised, and not ours by rule: said once in the log, the position moves. */
static int passed_by(
	struct assemble *a, const struct sql_ddl *ddl, const struct binlog_query *q, struct trx **out)
{
	if (ddl->verb != SQL_VERB_MAINTENANCE)
		log_info("left out (%s): %.*s", sql_verb_name(ddl->verb),
			q->sql.n > 120 ? 120 : (int)q->sql.n, q->sql.p);
	if (!a->open)
		end(a, out);
	if (ddl->verb == SQL_VERB_OBJECT)
		stray_note_made(&(a->open ? a->open : *out)->made, q, &a->format.server);
	return 0;
}

/* Charsets of two-byte characters whose second byte may be a quote or a backslash: sjis, big5, gbk, gb18030,
 * cp932. */
static bool is_two_byte(const struct binlog_query *q)
{
	static const uint16_t ids[] = {1, 13, 28, 84, 87, 88, 95, 96, 248, 249, 250};

	for (size_t i = 0; q->has_charset && i < sizeof(ids) / sizeof(ids[0]); i++)
		if (ids[i] == q->client_charset)
			return true;
	return false;
}

/* Here only the verb is looked at: such second bytes become letters (the applier has the downstream convert).
 */
static void neutralise(struct assemble *a, struct binlog_query *q)
{
	bool sjis = q->client_charset == 13 || q->client_charset == 88 || q->client_charset == 95 ||
		    q->client_charset == 96;
	char *text;

	if (!is_two_byte(q))
		return;
	text = arena_strdup(a->scratch, q->sql);
	for (size_t i = 0; i + 1 < q->sql.n; i++) {
		uint8_t c = (uint8_t)text[i];

		if (c < 0x81 || (sjis && c >= 0xa0 && c < 0xe0)) /* half-width katakana: one byte */
			continue;
		if ((uint8_t)text[++i] >= 0x40 && (uint8_t)text[i] < 0x80)
			text[i] = 'x';
	}
	q->sql.p = text;
}

/* COMMIT or ROLLBACK of a prepared XA transaction. Its own events, if there is anything, are none. */
static int decide(
	struct assemble *a, struct str sql, struct str name, bool commit, struct trx **out, struct err *e)
{
	struct xid xid;
	struct trx *t;

	if (!xid_read(name, &xid) || (a->open && a->open->nth > 0)) {
		err_set(e, ERR_sync_event_unknown, "%.*s", STR_ARG(sql));
		return stop_at(a, e);
	}
	t = a->open ? a->open : begin(a, TRX_ROWS);
	a->open = NULL;
	t->end = a->end;
	if (commit)
		t->unknown = !pending_commit(a->pending, &xid, t);
	else
		pending_rollback(a->pending, &xid, t);
	a->announced = false;
	a->safe = a->end;
	*out = t;
	return 0;
}

/* Behind the first two words. */
static struct str rest_of(struct str sql, struct sql_lexer *lx)
{
	size_t at = lx->token_at + lx->token.n;

	while (at < sql.n && sql.p[at] == ' ')
		at++;
	return (struct str){sql.p + at, sql.n - at};
}

/* XA START, END, COMMIT, ROLLBACK: texts that servers make themselves. PREPARE is an event of its own. */
static int on_xa(struct assemble *a, struct str sql, struct trx **out, struct err *e)
{
	struct sql_lexer lx;

	sql_lex_init(&lx, sql, a->format.server.flavor == FLAVOR_MARIADB, a->format.server.version);
	sql_lex_next(&lx);
	sql_lex_next(&lx);
	if (sql_lex_is(&lx, "START")) {
		if (!a->open)
			a->open = begin(a, TRX_ROWS);
		return 0;
	}
	if (sql_lex_is(&lx, "END"))
		return 0;
	if (sql_lex_is(&lx, "COMMIT") || sql_lex_is(&lx, "ROLLBACK"))
		return decide(a, sql, rest_of(sql, &lx), sql_lex_is(&lx, "COMMIT"), out, e);
	err_set(e, ERR_sync_event_unknown, "%.*s", STR_ARG(sql));
	return stop_at(a, e);
}

/* The rows wait for COMMIT or ROLLBACK; the position moves on, with a record (T12). */
static int on_xa_prepare(struct assemble *a, struct str event, struct trx **out, struct err *e)
{
	struct binlog_xa_prepare x;
	struct xid xid;
	struct trx *t;

	if (binlog_read_xa_prepare(event, &a->format, &x, e) < 0)
		return stop_at(a, e);
	if (!xid_make(x.format_id, x.gtrid, x.bqual, &xid)) {
		err_set(e, ERR_sync_binlog, "an XA transaction's name of more than 64 bytes");
		return stop_at(a, e);
	}
	end(a, &t);
	*out = x.one_phase ? t : pending_prepare(a->pending, &t, &xid);
	return 0;
}

static int on_query(struct assemble *a, struct str event, struct trx **out, struct err *e)
{
	struct sql_ddl *ddl = arena_alloc(a->scratch, sizeof(*ddl));
	struct binlog_query q;

	if (binlog_read_query(event, &a->format, a->scratch, &q, e) < 0)
		return stop_at(a, e);
	neutralise(a, &q);
	/* What can't be read stops the applier, in its place: an operator may say what it should do with it.
	 */
	if (sql_ddl_read(q.sql, &a->format.server, q.sql_mode, ddl, e) < 0) {
		err_clear(e);
		return on_structure(a, event, &q, out);
	}
	switch (ddl->verb) {
	case SQL_VERB_BEGIN:
		if (!a->open)
			a->open = begin(a, TRX_ROWS);
		return 0;
	case SQL_VERB_COMMIT:
		end(a, out);
		return 0;
	case SQL_VERB_ROLLBACK:
		return on_rollback(a, out, e);
	case SQL_VERB_SAVEPOINT:
		return set_mark(a, q.sql, e);
	case SQL_VERB_ROLLBACK_TO:
		return back_to_mark(a, q.sql, e);
	case SQL_VERB_XA:
		return on_xa(a, q.sql, out, e);
	case SQL_VERB_DML:
		return on_dml(a, &q, out, e);
	case SQL_VERB_TEMPORARY:
	case SQL_VERB_OBJECT:
	case SQL_VERB_ACCOUNT:
	case SQL_VERB_MAINTENANCE:
		return passed_by(a, ddl, &q, out);
	case SQL_VERB_UNKNOWN:
	case SQL_VERB_END:
		return on_structure(a, event, &q, out);
	default:
		/* Its rows would be what SELECT finds in the downstream: a row change as a statement. */
		if (ddl->as_select && dml(a, &q, e) < 0)
			return -1;
		if (on_structure(a, event, &q, out) == 0 && ddl->as_select && *out)
			stray_note(&(*out)->notes, &q, &a->format.server);
		return 0;
	}
}

static int on_rows(struct assemble *a, struct str event, bool rows, struct err *e)
{
	if (!a->open) {
		err_set(e, ERR_sync_binlog, "rows outside a transaction");
		return stop_at(a, e);
	}
	/* Whole before anything of it is applied (T8): a large one by reading it a second time. */
	if (!a->open->large && a->open->raw.n + event.n > a->keep)
		trx_let_go(a->open);
	if (!a->open->large)
		keep(a->open, event);
	else if (!rows)
		noted_add(&a->open->noted, event, &a->format, a->open->nth);
	a->open->bytes += event.n;
	a->open->events += rows;
	a->open->nth++;
	return 0;
}

static int dispatch(struct assemble *a, struct str event, struct trx **out, struct err *e);

/* MySQL's compressed transaction: its events, one after the other, as if they stood in the file (without
 * checksums). */
static int on_payload(struct assemble *a, struct str event, struct trx **out, struct err *e)
{
	struct binlog_format outer = a->format;
	struct binlog_payload *p = binlog_payload_open(event, &a->format, e);
	struct trx **tail = out;
	struct str inner;
	int r;

	if (!p)
		return stop_at(a, e);
	a->format.checksum = false;
	while ((r = binlog_payload_next(p, &inner, e)) > 0) {
		struct trx *t = NULL;

		r = dispatch(a, inner, &t, e);
		if (r < 0)
			break;
		/* A DDL inside and then the end: the queue takes them in this order. */
		if (t)
			*tail = t;
		while (*tail)
			tail = &(*tail)->next;
	}
	binlog_payload_close(&p);
	a->format = outer;
	return r;
}

static int on_format(struct assemble *a, struct str event, struct err *e)
{
	if (binlog_read_format(event, &a->format, e) < 0)
		return stop_at(a, e);
	/* A file that begins inside a transaction: the server ended in a crash, what was not finished never
	 * happened. */
	trx_free(&a->open);
	a->announced = false;
	return 0;
}

/* Events that say nothing to an applier. */
static bool is_nothing(uint8_t type)
{
	switch (type) {
	case BINLOG_STOP:
	case BINLOG_ROTATE:
	case BINLOG_INTVAR:
	case BINLOG_RAND:
	case BINLOG_USER_VAR:
	case BINLOG_BEGIN_LOAD: /* what counts is BINLOG_EXECUTE_LOAD */
	case BINLOG_APPEND_BLOCK:
	case BINLOG_DELETE_FILE:
	case BINLOG_HEARTBEAT:
	case BINLOG_HEARTBEAT_V2:
	case BINLOG_IGNORABLE:
	case BINLOG_ROWS_QUERY:
	case BINLOG_PREVIOUS_GTIDS:
	case BINLOG_TRANSACTION_CONTEXT:
	case BINLOG_VIEW_CHANGE:
	case BINLOG_MARIA_ANNOTATE:
	case BINLOG_MARIA_CHECKPOINT:
	case BINLOG_MARIA_GTID_LIST:
	case BINLOG_MARIA_START_ENCRYPTION:
		return true;
	default:
		return false;
	}
}

static int dispatch(struct assemble *a, struct str event, struct trx **out, struct err *e)
{
	struct binlog_header h;

	if (binlog_read_header(event, &h, e) < 0)
		return stop_at(a, e);
	if (h.type == BINLOG_FORMAT)
		return on_format(a, event, e);
	if (!a->format.valid) {
		err_set(e, ERR_sync_binlog, "%s before a FORMAT_DESCRIPTION event", binlog_type_name(h.type));
		return stop_at(a, e);
	}
	if (a->open && h.timestamp)
		a->open->timestamp = h.timestamp;
	if (h.type == BINLOG_TABLE_MAP || binlog_is_rows(h.type))
		return on_rows(a, event, h.type != BINLOG_TABLE_MAP, e);
	switch (h.type) {
	case BINLOG_GTID:
	case BINLOG_ANONYMOUS_GTID:
	case BINLOG_GTID_TAGGED:
	case BINLOG_MARIA_GTID:
		return on_gtid(a, event, out, e);
	case BINLOG_QUERY:
	case BINLOG_MARIA_QUERY_COMPRESSED:
		return on_query(a, event, out, e);
	case BINLOG_XID:
		end(a, out);
		return 0;
	case BINLOG_TRANSACTION_PAYLOAD:
		return on_payload(a, event, out, e);
	case BINLOG_INCIDENT:
		err_set(e, ERR_sync_binlog_incident, "the upstream wrote an incident event");
		return stop_at(a, e);
	case BINLOG_EXECUTE_LOAD:
		return on_load(a, event, out, e);
	case BINLOG_XA_PREPARE:
		return on_xa_prepare(a, event, out, e);
	default:
		if (is_nothing(h.type) || (h.flags & BINLOG_FLAG_IGNORABLE))
			return 0;
		return unknown(a, &h, e);
	}
}

int assemble_event(struct assemble *a, struct str event, struct position at, struct trx **out, struct err *e)
{
	struct binlog_header h;
	int r;

	*out = NULL;
	a->at = at;
	a->end = at;
	a->end.offset += event.n;
	arena_clear(a->scratch);
	r = dispatch(a, event, out, e);
	while (r < 0 && *out) {
		struct trx *t = *out;

		*out = t->next;
		trx_free(&t);
	}
	if (r < 0)
		return -1;
	if (*out && binlog_read_header(event, &h, e) == 0 && h.timestamp && !(*out)->timestamp)
		(*out)->timestamp = h.timestamp;
	if (!a->open && !a->announced)
		a->safe = a->end;
	return 0;
}
