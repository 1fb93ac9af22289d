/*
 * What an upstream lacks of what was read from it (T20): by GTID, and by the names and sizes of its files.
 * Called by upstream.c, in the puller; reads only.
 */
#include "units/relay/surplus.h"
#include "common/db/status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "units/relay/evfile.h"

/* --- by GTID --- */

struct gtid {
	uint64_t domain, server, seq;
};

static bool next_gtid(const char **p, struct gtid *g)
{
	uint64_t *const parts[] = {&g->domain, &g->server, &g->seq};
	char *end;

	*p += strspn(*p, ", \n");
	for (unsigned i = 0; i < 3; i++) {
		if (**p < '0' || **p > '9')
			return false;
		*parts[i] = strtoull(*p, &end, 10);
		*p = end + (i < 2 && *end == '-');
	}
	return true;
}

/* How far the upstream has what this server wrote in this domain; 0: nothing. */
static uint64_t known_until(const char *state, const struct gtid *g)
{
	uint64_t until = 0;
	struct gtid s;

	while (next_gtid(&state, &s))
		if (s.domain == g->domain && s.server == g->server && s.seq > until)
			until = s.seq;
	return until;
}

void surplus_mariadb(const char *ours, const char *state, struct buf *lost)
{
	struct gtid g;

	while (next_gtid(&ours, &g)) {
		uint64_t until = known_until(state, &g);

		if (until >= g.seq)
			continue;
		buf_putf(lost, "%s%" PRIu64 "-%" PRIu64 "-%" PRIu64, lost->n ? ", " : "", g.domain, g.server,
			g.seq);
		if (until)
			buf_putf(lost, " (there until %" PRIu64 "-%" PRIu64 "-%" PRIu64 ")", g.domain,
				g.server, until);
		else
			buf_putf(lost, " (of server %" PRIu64 " nothing there)", g.server);
	}
}

void surplus_unlogged(const char *ours, const char *binlog, const char *replicated, struct buf *out)
{
	struct gtid g;

	while (next_gtid(&ours, &g)) {
		uint64_t until = known_until(replicated, &g);

		if (until > g.seq && known_until(binlog, &g) < g.seq)
			buf_putf(out, "%sbehind %" PRIu64 "-%" PRIu64 "-%" PRIu64 " up to %" PRIu64,
				out->n ? ", " : "", g.domain, g.server, g.seq, until);
	}
}

int surplus_value(struct db *d, const char *sql, struct buf *out, struct err *e)
{
	struct db_rows *rows = db_query(d, str_of(sql), e);
	const struct str *v;
	int n;

	if (!rows)
		return -1;
	while ((n = db_fetch(rows, &v, e)) > 0)
		buf_putf(out, "%.*s,", STR_ARG(v[0]));
	db_rows_close(&rows);
	return n;
}

static int gtids_mariadb(struct db *d, const struct gtid_set *ours, struct buf *lost, struct err *e)
{
	struct buf state = {0}, text = {0};
	int r = surplus_value(d, "SELECT @@global.gtid_binlog_state", &state, e);

	if (r == 0)
		r = surplus_value(d, "SELECT @@global.gtid_slave_pos", &state, e);
	if (r == 0) {
		gtid_set_text(ours, &text);
		surplus_mariadb(buf_cstr(&text), buf_cstr(&state), lost);
	}
	buf_free(&state);
	buf_free(&text);
	return r;
}

static int gtids_mysql(struct db *d, const struct gtid_set *ours, struct buf *lost, struct err *e)
{
	struct db_master_status m;
	struct gtid_set *theirs;

	if (db_master_status(d, &m, e) < 0)
		return -1;
	theirs = gtid_set_parse(FLAVOR_MYSQL, str_of(m.gtid ? m.gtid : ""), e);
	free(m.gtid);
	if (!theirs)
		return -1;
	gtid_set_subtract_text(ours, theirs, lost);
	gtid_set_free(&theirs);
	return 0;
}

int surplus_gtids(struct db *d, const struct gtid_set *ours, struct buf *lost, struct err *e)
{
	if (!ours || gtid_set_empty(ours))
		return 0;
	return gtid_set_flavor(ours) == FLAVOR_MARIADB ? gtids_mariadb(d, ours, lost, e)
						       : gtids_mysql(d, ours, lost, e);
}

/* --- by files --- */

const struct log *logs_find(const struct logs *logs, const char *base, uint64_t number)
{
	size_t i;

	for (i = 0; i < logs->n; i++)
		if (logs->list[i].number == number && strcmp(logs->list[i].base, base) == 0)
			return &logs->list[i];
	return NULL;
}

static size_t count_files(struct relay *r)
{
	struct store_span span;
	size_t n = 0;

	while (store_walk(&r->store, n, &span))
		n++;
	return n;
}

bool surplus_files(struct relay *r, const struct store_generation *g, const struct logs *logs, bool not_same,
	struct position *from)
{
	struct store_span span;
	bool lost = false;
	size_t i;

	for (i = count_files(r); i > 0; i--) {
		const struct log *l;

		if (!store_walk(&r->store, i - 1, &span) || span.at.generation != g->number)
			break;
		if (span.size == 0)
			continue;
		/* Purged there: nothing can be compared from here on back. */
		if (!lost && !not_same && logs->n > 0 && span.at.file < logs->list[0].number)
			break;
		l = logs_find(logs, g->base, span.at.file);
		if (l && l->size >= span.size && !not_same)
			break; /* and so is what stands before it */
		*from = (struct position){
			g->number, span.at.file, l && !not_same ? l->size : BINLOG_MAGIC_SIZE};
		lost = true;
		not_same = false;
	}
	return lost;
}

/* One file's transactions from `offset` on. */
static int list_file(struct relay *r, const char *path, uint64_t offset, struct track *t, struct err *e)
{
	struct binlog_format format = {0};
	struct evfile file;
	struct str event;
	int n;

	if (evfile_open(&file, r->store.dir, path, 0, e) < 0)
		return -1;
	while (!relay_leaving(r) && (n = evfile_next(&file, &event, e)) > 0) {
		struct binlog_header h;

		if (binlog_read_header(event, &h, e) < 0)
			break;
		if (h.type == BINLOG_FORMAT && binlog_read_format(event, &format, e) < 0)
			break;
		if (!t->set && format.valid)
			t->set = gtid_set_new(format.server.flavor);
		if (file.at <= offset || h.type == BINLOG_FORMAT || h.type == BINLOG_PREVIOUS_GTIDS ||
			h.type == BINLOG_MARIA_GTID_LIST)
			continue;
		if (track_event(t, event, &format, e) < 0)
			break;
	}
	evfile_close(&file);
	return 0;
}

void surplus_list(struct relay *r, struct position from, struct buf *list)
{
	struct track t = {0};
	struct store_span span;
	struct err e = {0};
	size_t i;

	for (i = 0; store_walk(&r->store, i, &span) && !relay_leaving(r); i++) {
		uint64_t offset = span.at.file == from.file ? from.offset : 0;

		if (span.at.generation == from.generation && span.at.file >= from.file && span.size > 0 &&
			list_file(r, span.path, offset, &t, &e) < 0)
			break; /* the list is a help; what it is about is said without it too */
	}
	track_text(&t, list);
	track_fini(&t);
}
