/*
 * Writing the relay log: the upstream's files byte for byte (T19). The puller's alone. Sums sizes, checks
 * each sum against the position that the event itself names, where it names one, and each checksum: what does
 * not fit is an error, never written, never filled up. Readers see whole events on disk only.
 */
#include "units/relay/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/failpoint.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "units/relay/evfile.h"

void writer_init(struct writer *w, struct store *s, bool sync_batches, pthread_mutex_t *track_lock)
{
	memset(w, 0, sizeof(*w));
	w->store = s;
	w->sync_batches = sync_batches;
	w->track_lock = track_lock;
	w->fd = -1;
}

void writer_fini(struct writer *w)
{
	io_close(&w->fd);
	buf_free(&w->buf);
	track_fini(&w->track);
	known_fini(&w->known);
}

static void path_of(const struct writer *w, char *out, size_t size)
{
	struct store_generation g;
	struct store_file f;
	char server[STORE_NAME];

	out[0] = '\0';
	if (store_last(w->store, &g, &f, server, sizeof(server)))
		store_path(w->store, g.number, w->number, out, size);
}

static int follow(struct writer *w, struct str event, struct err *e)
{
	int r;

	pthread_mutex_lock(w->track_lock);
	r = track_event(&w->track, event, &w->format, e);
	pthread_mutex_unlock(w->track_lock);
	return r;
}

/*
 * Of fsync: what was written before may be lost, whatever the reason, and the next call would say that all is
 * well. So a full disk (delayed allocation, NFS, quotas) is no reason to go on here, as it is behind a write.
 */
static int sync_failed(const char *what, struct err *e)
{
	return err_set(e, ERR_io, "syncing %s: %s", what, strerror(errno));
}

/* --- recovery --- */

/* Steps to the end of the last event that is whole and right. Whatever is behind it is a torn write. */
static int scan(struct writer *w, struct evfile *f, uint64_t *end, struct err *e)
{
	struct binlog_header h;
	struct str event;
	int r;

	*end = f->at;
	while ((r = evfile_next(f, &event, e)) > 0) {
		if (binlog_read_header(event, &h, NULL) < 0)
			return 0;
		if (h.type == BINLOG_FORMAT && binlog_read_format(event, &w->format, NULL) < 0)
			return 0;
		if (!w->format.valid || (w->format.checksum && !binlog_checksum_ok(event)))
			return 0;
		if (h.log_pos && h.log_pos != (uint32_t)f->at)
			return 0;
		if (h.type != BINLOG_FORMAT &&
			(follow(w, event, e) < 0 || known_event(&w->known, event, &w->format, false, e) < 0))
			return -1;
		*end = f->at;
	}
	return r;
}

static int follow_file(struct writer *w, const struct store_generation *g, uint64_t number, struct err *e)
{
	struct binlog_format kept = w->format;
	char path[STORE_PATH];
	struct evfile f;
	uint64_t end;
	int r;

	store_path(w->store, g->number, number, path, sizeof(path));
	if (evfile_open(&f, w->store->dir, path, 0, e) < 0)
		return -1;
	r = scan(w, &f, &end, e);
	evfile_close(&f);
	w->format = kept;
	return r < 0 ? -1 : 0;
}

/* No set stands in the file that is written, which may not even have begun: it is that of the one before,
 * which has ended; of another generation where there is none in this. */
static int follow_before(struct writer *w, struct err *e)
{
	struct store_generation g;
	struct store_file last;
	char server[STORE_NAME];

	if (w->track.set)
		return 0;
	store_last(w->store, &g, &last, server, sizeof(server));
	if (g.nfiles > 0 && last.number < w->number)
		return follow_file(w, &g, last.number, e);
	if (g.nfiles > 1)
		return follow_file(w, &g, last.number - 1, e);
	pthread_mutex_lock(w->track_lock);
	w->track.set = w->known.end ? gtid_set_copy(w->known.end) : NULL;
	pthread_mutex_unlock(w->track_lock);
	return 0;
}

static int cut(struct writer *w, const char *path, uint64_t size, uint64_t end, struct err *e)
{
	if (!w->format.valid) {
		log_info("%s has no whole beginning: it is pulled again", path);
		store_drop_last(w->store);
		return 0;
	}
	if (size != end) {
		log_info("%s: cut from %" PRIu64 " to its last whole event, %" PRIu64 " bytes", path, size,
			end);
		w->fd = openat(w->store->dir, path, O_WRONLY | O_CLOEXEC);
		if (w->fd < 0 || ftruncate(w->fd, (off_t)end) < 0)
			return err_sys(e, ERR_io, "cutting %s", path);
		if (fdatasync(w->fd) < 0)
			return sync_failed(path, e);
		io_close(&w->fd);
	}
	w->written = end;
	store_set_size(w->store, end);
	return 0;
}

int writer_recover(struct writer *w, struct err *e)
{
	struct store_generation g;
	struct store_file last;
	char server[STORE_NAME], path[STORE_PATH];
	struct evfile f;
	uint64_t end, size;
	int r;

	if (!store_last(w->store, &g, &last, server, sizeof(server)))
		return 0;
	if (known_load(&w->known, w->store->dir, e) < 0)
		return -1;
	w->number = last.number;
	w->written = w->at = 0;
	if (g.nfiles == 0)
		return follow_before(w, e);
	store_path(w->store, g.number, last.number, path, sizeof(path));
	if (evfile_open(&f, w->store->dir, path, 0, e) < 0)
		return -1;
	size = last.size;
	r = scan(w, &f, &end, e);
	evfile_close(&f);
	return r < 0 || cut(w, path, size, end, e) < 0 ? -1 : follow_before(w, e);
}

/* --- the stream --- */

static int open_file(struct writer *w, struct err *e)
{
	char path[STORE_PATH];

	path_of(w, path, sizeof(path));
	w->fd = openat(w->store->dir, path, O_WRONLY | O_CLOEXEC);
	if (w->fd < 0 || lseek(w->fd, (off_t)w->written, SEEK_SET) < 0)
		return err_sys(e, ERR_io, "opening %s", path);
	return 0;
}

int writer_resume(struct writer *w, uint64_t offset, struct err *e)
{
	/* What the broken stream brought last and is not on disk comes again. */
	buf_clear(&w->buf);
	w->at = offset;
	w->inside = offset > BINLOG_MAGIC_SIZE;
	w->format.valid = false;
	if (w->written == 0 && w->fd >= 0) {
		io_close(&w->fd);
		store_drop_last(w->store);
	}
	return w->written > 0 && w->fd < 0 ? open_file(w, e) : 0;
}

static int make_file(struct writer *w, struct err *e)
{
	char path[STORE_PATH];

	path_of(w, path, sizeof(path));
	w->fd = openat(w->store->dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (w->fd < 0)
		return err_sys(
			e, errno == ENOSPC || errno == EDQUOT ? ERR_disk_full : ERR_io, "making %s", path);
	store_add_file(w->store, w->number);
	buf_put(&w->buf, BINLOG_MAGIC, BINLOG_MAGIC_SIZE);
	return FAILPOINT_HIT(relay_rotate) ? err_set(e, ERR_io, "failpoint relay_rotate") : 0;
}

static int hole(const struct writer *w, const struct binlog_header *h, const char *why, struct err *e)
{
	char path[STORE_PATH];

	path_of(w, path, sizeof(path));
	return err_set(e, ERR_relay_hole,
		"%s: a %s event of %u bytes at %" PRIu64 " says that it ends at %u: %s", path,
		binlog_type_name(h->type), h->size, w->at, h->log_pos, why);
}

/* Bytes of this file that are on disk or in the buffer. */
static uint64_t have(const struct writer *w)
{
	return w->written + w->buf.n;
}

/*
 * MariaDB from 11.4 on writes the events of a transaction without their end. Everybody else's events name it:
 * one that does not was made by the server for the stream.
 */
static bool may_hide_end(const struct writer *w, const struct binlog_header *h)
{
	switch (h->type) {
	case BINLOG_FORMAT:
	case BINLOG_ROTATE:
	case BINLOG_STOP:
	case BINLOG_MARIA_GTID:
	case BINLOG_MARIA_GTID_LIST:
	case BINLOG_MARIA_CHECKPOINT:
	case BINLOG_MARIA_START_ENCRYPTION:
		return false;
	default:
		return w->format.server.flavor == FLAVOR_MARIADB && w->format.server.version >= 110400;
	}
}

static int check(struct writer *w, struct str event, const struct binlog_header *h, struct err *e)
{
	uint64_t end = w->at + event.n;

	if (!w->format.valid)
		return err_set(e, ERR_relay_stream, "a %s event before any FORMAT_DESCRIPTION",
			binlog_type_name(h->type));
	if (w->format.checksum && !binlog_checksum_ok(event))
		return err_set(
			e, ERR_relay_checksum, "%s event at %" PRIu64, binlog_type_name(h->type), w->at);
	if (h->log_pos && h->log_pos != (uint32_t)end)
		return hole(w, h, "the upstream left something out, or sent it twice", e);
	/* 0 is also the end of one that ends at a multiple of 4 GiB. */
	if (!h->log_pos && (uint32_t)end != 0 && !may_hide_end(w, h))
		return hole(w, h, "it is not of the upstream's file", e);
	if (w->at < have(w) && end > have(w))
		return hole(w, h, "it overlaps what was written before", e);
	return 0;
}

int writer_event(struct writer *w, struct str event, const struct binlog_header *h, struct err *e)
{
	bool first = w->written == 0 && w->fd < 0;

	if (h->type == BINLOG_FORMAT && binlog_read_format(event, &w->format, e) < 0)
		return -1;
	/* Sent ahead of a stream that begins inside a file: not of the file there. */
	if (w->inside && (h->type == BINLOG_FORMAT || h->type == BINLOG_MARIA_START_ENCRYPTION))
		return 0;
	if (check(w, event, h, e) < 0)
		return -1;
	if (w->at < have(w)) { /* catching up to our own end */
		w->at += event.n;
		return 0;
	}
	if (first && (h->type != BINLOG_FORMAT || make_file(w, e) < 0))
		return h->type == BINLOG_FORMAT ? -1 : hole(w, h, "the file's head is missing", e);
	if (h->type != BINLOG_FORMAT && known_event(&w->known, event, &w->format, true, e) < 0)
		return -1;
	buf_put(&w->buf, event.p, event.n);
	w->last_event = h->size;
	w->at += event.n;
	w->events++;
	return 0;
}

int writer_check_end(const struct writer *w, uint32_t log_pos, struct err *e)
{
	char path[STORE_PATH];

	if (log_pos == 0 || w->at < have(w) || log_pos == (uint32_t)w->at)
		return 0;
	path_of(w, path, sizeof(path));
	return err_set(e, ERR_relay_hole, "%s: the upstream has sent up to %u, here is %" PRIu64, path,
		log_pos, w->at);
}

/* --- to disk --- */

static int put(struct writer *w, const char *p, size_t n, struct err *e)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = write(w->fd, p + done, n - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_sys(e, errno == ENOSPC || errno == EDQUOT ? ERR_disk_full : ERR_io,
				"writing the relay log");
		done += (size_t)r;
	}
	return 0;
}

/* Test builds write the last event in two halves, with a place to die between them. */
static int put_all(struct writer *w, struct err *e)
{
	size_t half = 0;

#ifdef TIDEGATE_FAILPOINTS
	half = w->last_event / 2;
#endif
	if (put(w, w->buf.p, w->buf.n - half, e) < 0)
		return -1;
	if (half && FAILPOINT_HIT(relay_mid_event))
		return err_set(e, ERR_io, "failpoint relay_mid_event");
	return put(w, w->buf.p + w->buf.n - half, half, e);
}

/* After a failed write the file ends with a whole event again. */
static void take_back(struct writer *w)
{
	if (ftruncate(w->fd, (off_t)w->written) < 0 || lseek(w->fd, (off_t)w->written, SEEK_SET) < 0)
		log_warn("the relay log can't be cut back to %" PRIu64, w->written);
}

/* Only what is on disk counts: events that a broken stream left in the buffer come again. */
static int follow_all(struct writer *w, struct err *e)
{
	size_t at = w->written == 0 ? BINLOG_MAGIC_SIZE : 0;
	struct binlog_header h;
	int r = 0;

	pthread_mutex_lock(w->track_lock);
	for (; at < w->buf.n && r == 0; at += h.size) {
		struct str rest = {w->buf.p + at, w->buf.n - at};

		r = binlog_read_header(rest, &h, e);
		if (r < 0)
			break;
		rest.n = h.size;
		if (h.type != BINLOG_FORMAT)
			r = track_event(&w->track, rest, &w->format, e);
	}
	pthread_mutex_unlock(w->track_lock);
	return r;
}

int writer_flush(struct writer *w, struct err *e)
{
	int r;

	if (w->buf.n == 0)
		return 0;
	if (put_all(w, e) < 0) {
		take_back(w);
		return -1;
	}
	if (w->sync_batches && fdatasync(w->fd) < 0) {
		sync_failed("the relay log", e);
		take_back(w);
		buf_clear(&w->buf); /* never written a second time: it comes again */
		return -1;
	}
	r = follow_all(w, e);
	w->written += w->buf.n;
	w->bytes += w->buf.n;
	store_set_size(w->store, w->written);
	buf_clear(&w->buf);
	if (FAILPOINT_HIT(relay_after_write))
		return err_set(e, ERR_io, "failpoint relay_after_write");
	return r;
}

/* The file's name must be on disk too. */
static int sync_dir(const struct writer *w, struct err *e)
{
	struct store_generation g;
	struct store_file f;
	char server[STORE_NAME];
	int fd = -1, r = 0;

	if (!store_last(w->store, &g, &f, server, sizeof(server)))
		return 0;
	fd = openat(w->store->dir, g.name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		r = sync_failed(g.name, e);
	io_close(&fd);
	return r;
}

static int sync_file(struct writer *w, struct err *e)
{
	if (w->fd >= 0 && fsync(w->fd) < 0)
		return sync_failed("the relay log", e);
	return w->fd >= 0 ? sync_dir(w, e) : 0;
}

int writer_rotate(struct writer *w, uint64_t number, struct err *e)
{
	char path[STORE_PATH];

	if (writer_save(w, e) < 0)
		return -1;
	path_of(w, path, sizeof(path));
	if (number != w->number + 1 || w->written == 0 || w->at != w->written)
		return err_set(e, ERR_relay_hole, "the upstream goes on from %s:%" PRIu64 " to file %" PRIu64,
			path, w->at, number);
	if (known_settle(&w->known, w->store->dir, w->track.set, e) < 0)
		return -1;
	io_close(&w->fd);
	w->number = number;
	w->written = 0;
	w->at = BINLOG_MAGIC_SIZE;
	w->inside = false;
	w->format.valid = false;
	return 0;
}

int writer_save(struct writer *w, struct err *e)
{
	struct buf gtid = {0};
	struct err mine = {0};

	if (w->fd < 0)
		return 0;
	if (writer_flush(w, e) < 0 || sync_file(w, e) < 0)
		return -1;
	pthread_mutex_lock(w->track_lock);
	track_text(&w->track, &gtid);
	pthread_mutex_unlock(w->track_lock);
	/* relay.meta is for people: the log itself is safe. */
	if (store_write_meta(w->store, buf_cstr(&gtid), &mine) < 0)
		log_warn("relay.meta: %s", mine.text);
	buf_free(&gtid);
	return 0;
}
