/*
 * Reading a relay log file event by event: at start (to find the last whole event), for its head, and to find
 * the event around an offset. Called by both threads, each with its own struct. Believes no size before it
 * has checked it; never writes.
 */
#include "units/relay/evfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/io.h"

enum { READ_AHEAD = 256 * 1024 };

int evfile_open(struct evfile *f, int dir, const char *name, uint64_t size, struct err *e)
{
	char magic[BINLOG_MAGIC_SIZE];
	struct stat st;
	ssize_t n;

	memset(f, 0, sizeof(*f));
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0 || fstat(f->fd, &st) < 0) {
		err_sys(e, ERR_io, "opening %s", name);
		io_close(&f->fd);
		return -1;
	}
	f->size = size && size < (uint64_t)st.st_size ? size : (uint64_t)st.st_size;
	n = pread(f->fd, magic, sizeof(magic), 0);
	if (f->size < sizeof(magic) || n < (ssize_t)sizeof(magic)) {
		f->torn = true;
		f->size = 0;
		return 0;
	}
	f->at = BINLOG_MAGIC_SIZE;
	if (memcmp(magic, BINLOG_MAGIC, sizeof(magic)) == 0)
		return 0;
	evfile_close(f);
	return err_set(e, ERR_relay_parse, "%s is no binlog file", name);
}

void evfile_close(struct evfile *f)
{
	io_close(&f->fd);
	buf_free(&f->window);
}

/* The bytes [at, at + n) of the file into memory; the caller has checked that they are within size. */
static int fill(struct evfile *f, uint64_t at, size_t n, const char **p, struct err *e)
{
	size_t want = n > READ_AHEAD ? n : READ_AHEAD;

	if (at >= f->window_at && at + n <= f->window_at + f->window.n) {
		*p = f->window.p + (at - f->window_at);
		return 0;
	}
	if (at + want > f->size)
		want = (size_t)(f->size - at);
	buf_clear(&f->window);
	f->window_at = at;
	while (f->window.n < want) {
		ssize_t r = pread(f->fd, buf_room(&f->window, want - f->window.n), want - f->window.n,
			(off_t)(at + f->window.n));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? err_sys(e, ERR_io, "reading %s", f->name)
				     : err_set(e, ERR_io, "reading %s: it became shorter", f->name);
		f->window.n += (size_t)r;
	}
	*p = f->window.p;
	return 0;
}

static int end(struct evfile *f)
{
	f->torn = f->at < f->size;
	return 0;
}

/* 1 and the size of the event at f->at, 0 where there is no whole one. */
static int whole_event(struct evfile *f, uint32_t *size, struct err *e)
{
	struct binlog_header h;
	const char *p;

	if (f->at == 0 || f->size - f->at < BINLOG_HEADER_SIZE)
		return end(f);
	if (fill(f, f->at, BINLOG_HEADER_SIZE, &p, e) < 0)
		return -1;
	if (binlog_read_header((struct str){p, BINLOG_HEADER_SIZE}, &h, NULL) < 0 || h.size > f->size - f->at)
		return end(f);
	*size = h.size;
	return 1;
}

int evfile_next(struct evfile *f, struct str *event, struct err *e)
{
	uint32_t size;
	int r = whole_event(f, &size, e);

	if (r <= 0)
		return r;
	if (fill(f, f->at, size, &event->p, e) < 0)
		return -1;
	event->n = size;
	f->at += size;
	return 1;
}

int evfile_skip(struct evfile *f, uint32_t *size, struct err *e)
{
	int r = whole_event(f, size, e);

	if (r > 0)
		f->at += *size;
	return r;
}

int evfile_boundary(int dir, const char *name, uint64_t size, uint64_t from, uint64_t offset,
	uint64_t *boundary, uint32_t *event_size, struct err *e)
{
	struct evfile f;
	int r;

	if (evfile_open(&f, dir, name, size, e) < 0)
		return -1;
	if (from > f.at)
		f.at = from;
	do {
		*boundary = f.at;
		*event_size = 0;
		r = evfile_skip(&f, event_size, e);
	} while (r > 0 && f.at <= offset);
	evfile_close(&f);
	return r < 0 ? -1 : 0;
}
