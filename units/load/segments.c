/*
 * The load's reader of spool files. Pure but for the file. Called by rows.c. Trusts no head: the file is of
 * the dump, another process.
 */
#include "units/load/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/xalloc.h"
#include "segment.h"

enum { PIECE = 256 * 1024, KEEP = 2 * 1024 * 1024 };

static int broken(const struct segments *s, struct err *e)
{
	return err_set(e, ERR_load_failed, "%s is no spool file, or is cut off", s->file);
}

/* The unread bytes to the front, and room for `want` altogether. */
static void make_room(struct segments *s, size_t want)
{
	size_t have = s->to - s->from;

	memmove(s->bytes, s->bytes + s->from, have);
	s->from = 0;
	s->to = have;
	if (want > s->size) {
		s->size = want > 2 * s->size ? want : 2 * s->size;
		s->bytes = xrealloc(s->bytes, s->size);
	}
}

/* More bytes into the buffer. 0: the file ends. */
static int read_some(struct segments *s, struct err *e)
{
	ssize_t n;

	/* A large row: as much room as its segment has bytes, so that nothing else comes with it. */
	if (s->to == s->size)
		make_room(s, s->from > 0 ? s->size : s->left > s->size ? (size_t)s->left : 2 * s->size);
	do
		n = read(s->fd, s->bytes + s->to, s->size - s->to);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, ERR_io, "reading %s in the dump folder", s->file);
	s->to += (size_t)n;
	return n > 0;
}

/* At least n unread bytes. 0: the file ends before. */
static int need(struct segments *s, size_t n, struct err *e)
{
	int r = 1;

	if (s->size - s->from < n)
		make_room(s, n);
	while (r > 0 && s->to - s->from < n)
		r = read_some(s, e);
	return r;
}

static uint64_t digits(const char *p, size_t n, bool *good)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++) {
		*good = *good && p[i] >= '0' && p[i] <= '9';
		v = v * 10 + (uint64_t)(p[i] - '0');
	}
	return v;
}

/* What a large row took goes back when it is through. */
static void shrink(struct segments *s)
{
	size_t have = s->to - s->from;

	if (s->size <= KEEP || have > PIECE)
		return;
	make_room(s, have);
	s->size = PIECE;
	s->bytes = xrealloc(s->bytes, s->size);
}

/* Into the next segment, or to the end. Empty ones are passed by. */
static int advance(struct segments *s, struct err *e)
{
	shrink(s);
	do {
		bool good = true;
		const char *h;
		int r = need(s, SEGMENT_HEAD, e);

		s->kind = 0;
		if (r <= 0)
			return r < 0 ? -1 : s->to == s->from ? 0 : broken(s, e);
		h = s->bytes + s->from;
		s->kind = h[0];
		s->rows = (unsigned)digits(h + 1, 9, &good);
		s->left = digits(h + 11, 10, &good);
		s->unread -= s->unread < SEGMENT_HEAD ? s->unread : SEGMENT_HEAD;
		if (!good || s->left > s->unread || (s->kind != SEGMENT_TEXT && s->kind != SEGMENT_SQL) ||
			h[SEGMENT_HEAD - 1] != '\n')
			return broken(s, e);
		s->from += SEGMENT_HEAD;
		s->unread -= s->left;
		s->text_rows += s->kind == SEGMENT_TEXT ? s->rows : 0;
	} while (s->left == 0);
	return 0;
}

int segments_open(struct segments *s, int dir, const char *file, uint64_t bytes, struct err *e)
{
	struct stat st;

	*s = (struct segments){.file = file, .size = PIECE, .unread = bytes};
	s->fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return err_sys(e, ERR_io, "opening %s in the dump folder", file);
	/* A dump that starts anew empties its folder, and uses the names again. */
	if ((uint64_t)st.st_size != bytes)
		return err_set(e, ERR_dump_changed, "%s has %" PRId64 " bytes, announced were %" PRIu64, file,
			(int64_t)st.st_size, bytes);
	s->bytes = xmalloc(s->size);
	return advance(s, e);
}

void segments_close(struct segments *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	free(s->bytes);
	s->bytes = NULL;
}

int segments_settle(struct segments *s, struct err *e)
{
	s->from += s->lent;
	s->left -= s->lent;
	s->lent = 0;
	return s->kind && s->left == 0 ? advance(s, e) : 0;
}

/* The newline that ends the row at `from`; NULL: e tells. */
static const char *find_end(struct segments *s, struct err *e)
{
	size_t seen = 0;
	const char *end = NULL;

	while (!end) {
		size_t have = s->to - s->from;

		have = have < s->left ? have : (size_t)s->left;
		end = memchr(s->bytes + s->from + seen, '\n', have - seen);
		seen = have;
		if (!end && (seen == s->left || read_some(s, e) <= 0)) {
			if (e->code == 0)
				broken(s, e);
			return NULL;
		}
	}
	return end;
}

int segments_line(struct segments *s, struct str *line, struct err *e)
{
	const char *end;

	if (segments_settle(s, e) < 0)
		return -1;
	if (s->kind != SEGMENT_TEXT)
		return 0;
	err_clear(e);
	end = find_end(s, e);
	if (!end)
		return -1;
	*line = (struct str){s->bytes + s->from, (size_t)(end - s->bytes) - s->from};
	s->lent = line->n + 1;
	return 1;
}

int segments_bytes(struct segments *s, char *out, unsigned n)
{
	size_t have;
	int r = segments_settle(s, &s->failed);

	if (r == 0 && s->kind != SEGMENT_TEXT)
		return 0;
	if (r == 0 && s->to == s->from) {
		r = need(s, 1, &s->failed);
		r = r > 0 ? 0 : r < 0 ? -1 : broken(s, &s->failed);
	}
	if (r < 0)
		return -1;
	have = s->to - s->from;
	have = have < s->left ? have : (size_t)s->left;
	s->lent = have < n ? have : n;
	memcpy(out, s->bytes + s->from, s->lent);
	return (int)s->lent;
}

int segments_statement(struct segments *s, struct str *statement, struct err *e)
{
	int r = segments_settle(s, e);

	if (r < 0)
		return -1;
	if (s->kind != SEGMENT_SQL)
		return 0;
	r = need(s, s->left, e);
	if (r <= 0)
		return r < 0 ? -1 : broken(s, e);
	*statement = (struct str){s->bytes + s->from, (size_t)s->left};
	s->lent = s->left;
	return 1;
}
