/*
 * Reading the head of a binlog file, ours or the upstream's, to know it again and to know its GTID set.
 * Called by the puller between streams.
 */
#include "units/relay/head.h"

#include <string.h>

#include "units/relay/evfile.h"
#include "units/relay/relay.h"
#include "units/relay/upstream.h"

enum { HEAD_EVENTS = 16 };

/* 1: the head is complete; 0: more. */
static int take(struct head *h, struct binlog_format *f, struct str event, struct err *e)
{
	struct binlog_header header;

	if (binlog_read_header(event, &header, e) < 0)
		return -1;
	switch (header.type) {
	case BINLOG_FORMAT:
		buf_clear(&h->format);
		buf_put(&h->format, event.p, event.n);
		return binlog_read_format(event, f, e);
	case BINLOG_PREVIOUS_GTIDS:
	case BINLOG_MARIA_GTID_LIST:
		h->set = f->valid ? gtid_set_read_event(event, f, e) : NULL;
		return h->set     ? 1
		       : f->valid ? -1
				  : err_set(e, ERR_relay_parse, "events before FORMAT_DESCRIPTION");
	case BINLOG_ROTATE:
	case BINLOG_MARIA_START_ENCRYPTION:
	case BINLOG_HEARTBEAT:
	case BINLOG_HEARTBEAT_V2:
		return 0;
	default:
		return 1;
	}
}

/* rc: of reading it; 1: the head is complete. What came of a head that can't be read to its end goes. */
static int finish(struct head *h, const struct binlog_format *f, const char *name, int rc, struct err *e)
{
	if (rc >= 0 && !f->valid)
		rc = err_set(e, ERR_relay_parse, "%s begins without a FORMAT_DESCRIPTION event", name);
	else if (rc < 0)
		err_add(e, "reading the head of %s", name);
	h->complete = rc > 0;
	if (rc >= 0 && !h->set)
		h->set = gtid_set_new(f->server.flavor);
	if (rc < 0)
		head_fini(h);
	return rc < 0 ? -1 : 0;
}

int head_of_file(int dir, const char *path, struct head *h, struct err *e)
{
	struct binlog_format f = {0};
	struct evfile file;
	struct str event;
	unsigned i;
	int r = 0;

	if (evfile_open(&file, dir, path, 0, e) < 0)
		return -1;
	for (i = 0; i < HEAD_EVENTS && (r = evfile_next(&file, &event, e)) > 0; i++)
		if ((r = take(h, &f, event, e)) != 0)
			break;
	evfile_close(&file);
	return finish(h, &f, path, r, e);
}

int head_stream(struct relay *r, const char *file,
	int (*read)(struct binlog_stream *s, void *arg, struct err *e), void *arg, struct err *e)
{
	struct binlog_stream_options o = {
		r->o.server_id, file, BINLOG_MAGIC_SIZE, r->o.heartbeat_ms, false, true};
	struct db *d = relay_connect(r, DB_BINLOG, &r->shared.head_db, e);
	struct binlog_stream *s = NULL;
	int rc;

	if (d && upstream_still(r, d, e) == 0)
		s = binlog_stream_open(&d, &o, e);
	rc = s ? read(s, arg, e) : -1;
	relay_release(r, &r->shared.head_db);
	binlog_stream_close(&s);
	db_close(&d);
	return rc;
}

struct reading {
	struct head *h;
	struct binlog_format f;
};

static int read_stream(struct binlog_stream *s, void *arg, struct err *e)
{
	struct reading *g = arg;
	struct str event;
	unsigned i;
	int r = 0;

	for (i = 0; i < HEAD_EVENTS && (r = binlog_stream_next(s, &event, e)) > 0; i++)
		if ((r = take(g->h, &g->f, event, e)) != 0)
			break;
	return r;
}

int head_of_upstream(struct relay *r, const char *file, struct head *h, struct err *e)
{
	struct reading g = {.h = h};
	int rc = head_stream(r, file, read_stream, &g, e);

	return finish(h, &g.f, file, rc, e);
}

bool head_same(const struct head *a, const struct head *b)
{
	enum { FLAGS_AT = 17, BODY_AT = 19 };
	size_t n = a->format.n;

	if (n != b->format.n || n < BODY_AT + BINLOG_CHECKSUM_SIZE)
		return false;
	return memcmp(a->format.p, b->format.p, FLAGS_AT) == 0 &&
	       memcmp(a->format.p + BODY_AT, b->format.p + BODY_AT, n - BODY_AT - BINLOG_CHECKSUM_SIZE) == 0;
}

void head_fini(struct head *h)
{
	buf_free(&h->format);
	gtid_set_free(&h->set);
}
