/*
 * The puller: the thread that reads the upstream's binlog and writes the relay log. One session after the
 * other, with growing pauses; readers are served all the while by the main thread. What a retry can't mend
 * ends the unit through relay_fatal.
 */
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "units/relay/evfile.h"
#include "units/relay/relay.h"
#include "units/relay/upstream.h"

enum {
	PAUSE_FIRST_MS = 100,
	PAUSE_MAX_MS = 30000,
	SPACE_PAUSE_MS = 1000,
	FULL_PAUSE_MS = 200,
	META_MS = 5000,
	QUOTA_STEP = 16 << 20,
};

struct pull {
	struct relay *r;
	struct binlog_stream *s;
	uint64_t meta_ms, meta_bytes; /* relay.meta was written then, with so many bytes */
	uint64_t quota_bytes;         /* the main thread was last woken to look at the quota */
	uint64_t hole_at;             /* bytes written when a hole was seen; seen again there: no accident */
	bool hole;
};

/* --- to disk --- */

static void publish(struct pull *p)
{
	struct relay_shared *s = &p->r->shared;
	bool wake;

	pthread_mutex_lock(&s->lock);
	wake = s->bytes != p->r->writer.bytes && (s->waiting || s->resting);
	s->events = p->r->writer.events;
	s->bytes = p->r->writer.bytes;
	pthread_mutex_unlock(&s->lock);
	if (p->r->writer.bytes - p->quota_bytes >= QUOTA_STEP) {
		p->quota_bytes = p->r->writer.bytes;
		wake = true;
	}
	if (wake)
		unit_wake(p->r->env);
}

/* A full disk only makes it wait: the events stay in memory, the upstream keeps the rest. */
static int flush(struct pull *p, struct err *e)
{
	bool waited = false;

	while (writer_flush(&p->r->writer, e) < 0) {
		if (e->code != ERR_disk_full)
			return -1;
		waited = true;
		relay_trouble(p->r, e);
		if (relay_pause(p->r, SPACE_PAUSE_MS))
			return -1;
	}
	if (waited)
		relay_trouble(p->r, NULL);
	publish(p);
	return 0;
}

/* relay.meta, now and then; it is for people. */
static void note_meta(struct pull *p)
{
	struct writer *w = &p->r->writer;
	struct buf gtid = {0};
	uint64_t now = clock_ms();

	if (w->bytes == p->meta_bytes || now - p->meta_ms < META_MS)
		return;
	p->meta_ms = now;
	p->meta_bytes = w->bytes;
	pthread_mutex_lock(&p->r->shared.lock);
	track_text(&w->track, &gtid);
	pthread_mutex_unlock(&p->r->shared.lock);
	if (store_write_meta(&p->r->store, buf_cstr(&gtid), NULL) < 0)
		log_warn("relay.meta can't be written");
	buf_free(&gtid);
}

/* Over the quota, and the files are pinned: wait for the readers. */
static void wait_for_space(struct pull *p)
{
	struct err e;
	bool full = true, waited = false;
	uint64_t quota;

	for (;;) {
		pthread_mutex_lock(&p->r->shared.lock);
		full = p->r->shared.full && !p->r->shared.leaving && !p->r->shared.paused;
		quota = p->r->shared.quota;
		pthread_mutex_unlock(&p->r->shared.lock);
		if (!full)
			break;
		waited = true;
		err_set(&e, ERR_relay_full,
			"the relay log is larger than its quota of %llu bytes, and its readers still need it",
			(unsigned long long)quota);
		relay_trouble(p->r, &e);
		relay_pause(p->r, FULL_PAUSE_MS);
	}
	if (waited)
		relay_trouble(p->r, NULL);
}

/* --- one stream --- */

/* Sent by the server, not in its files: which file the stream is in. It comes with or without a checksum. */
static int on_fake_rotate(struct pull *p, struct str event, struct err *e)
{
	struct binlog_format f = p->r->writer.format;
	struct binlog_rotate rotate;
	char base[256], own[256];
	uint64_t number;

	if (!f.valid)
		f = (struct binlog_format){
			.header_size = BINLOG_HEADER_SIZE, .valid = true, .post_header[BINLOG_ROTATE] = 8};
	f.checksum = binlog_checksum_ok(event);
	if (binlog_read_rotate(event, &f, &rotate, e) < 0 ||
		binlog_name_split(rotate.file, base, sizeof(base), &number, e) < 0)
		return -1;
	store_end(&p->r->store, own, sizeof(own));
	if (strcmp(base, own) != 0)
		return err_set(
			e, ERR_relay_stream, "the upstream's files are named %s now, not %s", base, own);
	if (number == p->r->writer.number)
		return 0;
	return flush(p, e) < 0 ? -1 : writer_rotate(&p->r->writer, number, e);
}

static int on_event(struct pull *p, struct str event, struct err *e)
{
	struct writer *w = &p->r->writer;
	struct binlog_header h;

	if (binlog_read_header(event, &h, e) < 0)
		return -1;
	if (h.type == BINLOG_HEARTBEAT || h.type == BINLOG_HEARTBEAT_V2)
		return writer_check_end(w, h.log_pos, e);
	if (h.type == BINLOG_ROTATE &&
		((h.flags & BINLOG_FLAG_ARTIFICIAL) || (h.timestamp == 0 && h.log_pos == 0)))
		return on_fake_rotate(p, event, e);
	if (h.flags & BINLOG_FLAG_ARTIFICIAL)
		return 0;
	return writer_event(w, event, &h, e);
}

static int follow(struct pull *p, struct err *e)
{
	struct writer *w = &p->r->writer;
	struct str event;
	int n;

	while (!relay_leaving(p->r)) {
		do {
			n = binlog_stream_next(p->s, &event, e);
			if (n == 0)
				return err_set(e, ERR_relay_stream, "the upstream ended the stream");
			if (n < 0 || on_event(p, event, e) < 0)
				return -1;
		} while (w->buf.n < WRITER_FLUSH_AT && binlog_stream_more(p->s));
		if (flush(p, e) < 0)
			return -1;
		note_meta(p);
		wait_for_space(p);
	}
	return 0;
}

/* A stream's start is a number of 32 bits; behind 4 GiB it starts before our end, and what we have is stepped
 * over. */
static int start_offset(struct relay *r, uint64_t *offset, struct err *e)
{
	struct store_generation g;
	struct store_file f;
	char server[STORE_NAME], path[STORE_PATH];
	uint32_t size;

	*offset = r->writer.written > 0 ? r->writer.written : BINLOG_MAGIC_SIZE;
	if (*offset <= UINT32_MAX)
		return 0;
	store_last(&r->store, &g, &f, server, sizeof(server));
	store_path(&r->store, g.number, r->writer.number, path, sizeof(path));
	return evfile_boundary(r->store.dir, path, r->writer.written, 0, UINT32_MAX, offset, &size, e);
}

static void set_connected(struct relay *r, struct binlog_stream *s)
{
	pthread_mutex_lock(&r->shared.lock);
	r->shared.puller_db = NULL; /* the stream's now, or closed with it */
	r->shared.stream = s;
	r->shared.connected = s != NULL;
	if (s && (r->shared.leaving || r->shared.paused))
		binlog_stream_interrupt(s);
	pthread_mutex_unlock(&r->shared.lock);
	unit_wake(r->env);
}

static int open_stream(struct pull *p, struct err *e)
{
	struct relay *r = p->r;
	char base[256], file[300];
	struct binlog_stream_options o = {
		.server_id = r->o.server_id, .file = file, .heartbeat_ms = r->o.heartbeat_ms};
	struct db *d;

	store_end(&r->store, base, sizeof(base));
	binlog_name_make(file, sizeof(file), base, r->writer.number);
	if (start_offset(r, &o.offset, e) < 0 || writer_resume(&r->writer, o.offset, e) < 0)
		return -1;
	d = relay_connect(r, DB_BINLOG, &r->shared.puller_db, e);
	if (!d)
		return -1;
	/* Another server's events would follow what is here as if they were this one's. */
	if (upstream_still(r, d, e) == 0)
		p->s = binlog_stream_open(&d, &o, e);
	if (!p->s) {
		relay_disconnect(r, &r->shared.puller_db);
		return -1;
	}
	set_connected(r, p->s);
	log_info("pulling %s from %llu on, as replica %u", file, (unsigned long long)o.offset, o.server_id);
	return 0;
}

static int prepare(struct relay *r, struct err *e)
{
	struct db *d = relay_connect(r, DB_PLAIN, &r->shared.puller_db, e);
	int rc;

	if (!d)
		return -1;
	rc = r->o.server_id ? 0 : binlog_pick_server_id(d, &r->o.server_id, e);
	if (rc == 0)
		rc = upstream_place(r, d, e);
	relay_disconnect(r, &r->shared.puller_db);
	return rc;
}

static int session(struct pull *p, struct err *e)
{
	struct err late = {0};
	int rc;

	if (prepare(p->r, e) < 0 || open_stream(p, e) < 0)
		return -1;
	relay_trouble(p->r, NULL);
	rc = follow(p, e);
	set_connected(p->r, NULL);
	binlog_stream_close(&p->s);
	/* What came whole before the end is kept. */
	if (rc == 0 || (e->code != ERR_io && e->code != ERR_disk_full)) {
		if (writer_flush(&p->r->writer, &late) < 0 && late.code != ERR_disk_full)
			*e = late;
		publish(p);
	}
	return rc;
}

/* --- session after session --- */

/* ERR_io: what the disk holds is not sure any more; a new process looks. A hole may be an accident, once. */
static bool must_end(struct pull *p, const struct err *e)
{
	uint64_t at = p->r->writer.bytes;
	bool again = p->hole && p->hole_at == at;

	if (e->code == ERR_relay_hole) {
		p->hole = true;
		p->hole_at = at;
		return again;
	}
	if (e->code == ERR_check_connect)
		return false;
	return e->code == ERR_io || err_act(e->code) != ERR_ACT_RETRY;
}

/* e: what ended the last session. */
static void pull(struct pull *p, struct err *e)
{
	uint64_t pause = PAUSE_FIRST_MS, bytes = 0, pauses;

	while (!relay_wait_resumed(p->r, &pauses)) {
		err_clear(e);
		session(p, e);
		if (relay_leaving(p->r))
			return;
		/* Cut off for it, which may be over by now: no trouble, but where the log may not be on the
		 * disk. */
		if (relay_was_paused(p->r, pauses) && e->code != ERR_io) {
			relay_trouble(p->r, NULL);
			continue;
		}
		if (must_end(p, e)) {
			relay_fatal(p->r, e);
			return;
		}
		if (p->r->writer.bytes != bytes)
			pause = PAUSE_FIRST_MS;
		bytes = p->r->writer.bytes;
		relay_trouble(p->r, e);
		if (relay_pause(p->r, pause))
			return;
		pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
	}
}

void *relay_pull(void *relay)
{
	struct pull p = {.r = relay};
	struct err e = {0}, end = {0};

	log_context(" thread=puller");
	if (writer_recover(&p.r->writer, &e) < 0) {
		relay_fatal(p.r, &e);
		return NULL;
	}
	pthread_mutex_lock(&p.r->shared.lock);
	p.r->shared.recovered = true;
	pthread_mutex_unlock(&p.r->shared.lock);
	unit_wake(p.r->env);
	pull(&p, &end);
	/* Behind a failed fsync the next one proves nothing. */
	if (end.code != ERR_io && writer_save(&p.r->writer, &e) < 0)
		relay_fatal(p.r, &e);
	return NULL;
}
