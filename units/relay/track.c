/*
 * Follows the GTID set while events pass: at the start over the last file, then with each event that is
 * written. A transaction counts only when its end was seen: after a switch to another upstream one that is
 * counted too early would be lost, one that is counted late only comes twice, and the reader knows it by its
 * GTID.
 */
#include "units/relay/track.h"

#include <string.h>

#include "common/base/arena.h"

void track_fini(struct track *t)
{
	gtid_set_free(&t->set);
	t->has_pending = false;
	arena_free(&t->scratch);
}

static int complete(struct track *t, struct err *e)
{
	if (!t->has_pending || !t->set)
		return 0;
	t->has_pending = false;
	return gtid_set_add(t->set, &t->pending, e);
}

static int begin(struct track *t, struct str event, const struct binlog_format *f, struct err *e)
{
	struct binlog_gtid_event g;

	/* The one before is over, whatever its last event was. */
	if (complete(t, e) < 0 || binlog_read_gtid(event, f, &g, e) < 0)
		return -1;
	t->pending = g;
	t->has_pending = !g.anonymous;
	t->inside = g.mariadb && !(g.flags2 & BINLOG_GTID_STANDALONE);
	return 0;
}

static bool starts(struct str sql, const char *word)
{
	size_t n = strlen(word);

	return sql.n >= n && memcmp(sql.p, word, n) == 0;
}

static bool ends(struct str sql, const char *word)
{
	size_t n = strlen(word);

	return sql.n >= n && memcmp(sql.p + sql.n - n, word, n) == 0;
}

/* A QUERY is a transaction of its own (DDL), or begins one, or ends one, or stands inside; in the servers'
 * own words, which they write in capitals. What can't be read is no end: the next GTID tells. */
static int query(struct track *t, struct str event, const struct binlog_format *f, struct err *e)
{
	struct binlog_query q;
	struct err ignored;

	if (!t->has_pending)
		return 0;
	if (!t->scratch)
		t->scratch = arena_new(0);
	arena_clear(t->scratch);
	if (binlog_read_query(event, f, t->scratch, &q, &ignored) < 0)
		return 0;
	if (t->inside)
		return str_eq(q.sql, STR_LIT("COMMIT")) || str_eq(q.sql, STR_LIT("ROLLBACK")) ? complete(t, e)
											      : 0;
	if (starts(q.sql, "BEGIN") || starts(q.sql, "XA START") || ends(q.sql, "START TRANSACTION")) {
		t->inside = true;
		return 0;
	}
	return complete(t, e);
}

static int head(struct track *t, struct str event, const struct binlog_format *f, struct err *e)
{
	struct gtid_set *s = gtid_set_read_event(event, f, e);

	if (!s)
		return -1;
	gtid_set_free(&t->set);
	t->set = s;
	t->has_pending = false;
	return 0;
}

int track_event(struct track *t, struct str event, const struct binlog_format *f, struct err *e)
{
	struct binlog_header h;

	if (binlog_read_header(event, &h, e) < 0)
		return -1;
	switch (h.type) {
	case BINLOG_PREVIOUS_GTIDS:
	case BINLOG_MARIA_GTID_LIST:
		return head(t, event, f, e);
	case BINLOG_GTID:
	case BINLOG_GTID_TAGGED:
	case BINLOG_ANONYMOUS_GTID:
	case BINLOG_MARIA_GTID:
		return begin(t, event, f, e);
	case BINLOG_XID:
	case BINLOG_XA_PREPARE:
	case BINLOG_TRANSACTION_PAYLOAD:
	case BINLOG_ROTATE:
	case BINLOG_STOP:
		return complete(t, e);
	case BINLOG_QUERY:
	case BINLOG_MARIA_QUERY_COMPRESSED:
		return query(t, event, f, e);
	default:
		return 0;
	}
}

void track_text(const struct track *t, struct buf *out)
{
	if (t->set)
		gtid_set_text(t->set, out);
}
