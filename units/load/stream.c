/*
 * Reading and unpacking. Called by what reads a dump's folder; the two libraries are known here only. Both
 * formats may be several streams one behind the other, as `cat a.gz b.gz` makes them.
 */
#include "units/load/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "common/base/io.h"
#include "common/base/xalloc.h"

enum { STEP = 128 * 1024, GZIP_WINDOW = 15 + 16 };

struct stream {
	enum packing kind;
	int fd;
	char *name;
	z_stream z;
	ZSTD_DCtx *d;
	char *in; /* packed bytes */
	size_t at, n;
	bool begun; /* in the middle of a packed stream; at first: none is there yet */
	bool end;   /* of the file */
};

enum packing stream_packing(const char *name, size_t *n)
{
	static const struct {
		const char *ending;
		enum packing kind;
	} known[] = {{".gz", PACKED_GZIP}, {".zst", PACKED_ZSTD}};

	*n = strlen(name);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t k = strlen(known[i].ending);

		if (*n > k && strcmp(name + *n - k, known[i].ending) == 0) {
			*n -= k;
			return known[i].kind;
		}
	}
	return PACKED_NOT;
}

static bool begin(struct stream *s)
{
	if (s->kind == PACKED_GZIP)
		return inflateInit2(&s->z, GZIP_WINDOW) == Z_OK;
	if (s->kind == PACKED_ZSTD)
		return (s->d = ZSTD_createDCtx()) != NULL;
	return true;
}

struct stream *stream_open(int dir, const char *name, struct err *e)
{
	struct stream *s = xcalloc(1, sizeof(*s));
	struct stat st;
	size_t n;

	s->name = xstrdup(name);
	s->in = xmalloc(STEP);
	s->fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st) < 0) {
		err_sys(e, ERR_load_files, "opening %s", name);
	} else if (!S_ISREG(st.st_mode)) {
		err_set(e, ERR_load_files, "%s is not a file", name);
	} else {
		enum packing kind = stream_packing(name, &n);

		s->kind = kind;
		s->begun = kind != PACKED_NOT;
		if (begin(s))
			return s;
		s->kind = PACKED_NOT;
		err_set(e, ERR_internal, "no memory for unpacking");
	}
	stream_close(&s);
	return NULL;
}

/* More packed bytes where all are used up. */
static int fill(struct stream *s, struct err *e)
{
	ssize_t r;

	if (s->at < s->n || s->end)
		return 0;
	do
		r = read(s->fd, s->in, STEP);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_sys(e, ERR_load_files, "reading %s", s->name);
	s->at = 0;
	s->n = (size_t)r;
	s->end = r == 0;
	return 0;
}

static int damaged(const struct stream *s, const char *what, struct err *e)
{
	return err_set(e, ERR_load_files, "%s can't be unpacked: %s", s->name, what ? what : "damaged");
}

static int step_gzip(struct stream *s, char *room, size_t size, size_t *got, struct err *e)
{
	int r;

	s->z.next_in = (Bytef *)s->in + s->at;
	s->z.avail_in = (uInt)(s->n - s->at);
	s->z.next_out = (Bytef *)room;
	s->z.avail_out = (uInt)size;
	r = inflate(&s->z, Z_NO_FLUSH);
	s->at = s->n - s->z.avail_in;
	*got = size - s->z.avail_out;
	if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
		return damaged(s, s->z.msg, e);
	s->begun = r != Z_STREAM_END;
	return r == Z_STREAM_END && inflateReset(&s->z) != Z_OK ? damaged(s, s->z.msg, e) : 0;
}

static int step_zstd(struct stream *s, char *room, size_t size, size_t *got, struct err *e)
{
	ZSTD_inBuffer in = {s->in, s->n, s->at};
	ZSTD_outBuffer out = {room, size, 0};
	size_t r = ZSTD_decompressStream(s->d, &out, &in);

	if (ZSTD_isError(r))
		return damaged(s, ZSTD_getErrorName(r), e);
	s->at = in.pos;
	*got = out.pos;
	s->begun = r != 0;
	return 0;
}

static int step(struct stream *s, char *room, size_t size, size_t *got, struct err *e)
{
	if (s->kind == PACKED_GZIP)
		return step_gzip(s, room, size, got, e);
	if (s->kind == PACKED_ZSTD)
		return step_zstd(s, room, size, got, e);
	*got = s->n - s->at < size ? s->n - s->at : size;
	memcpy(room, s->in + s->at, *got);
	s->at += *got;
	return 0;
}

int stream_read(struct stream *s, size_t want, struct buf *out, struct err *e)
{
	char *room = buf_room(out, want);
	size_t got = 0;

	do {
		bool had;

		if (fill(s, e) < 0)
			return -1;
		had = s->at < s->n;
		if (!had && !s->begun)
			return 0;
		if (step(s, room, want, &got, e) < 0)
			return -1;
		if (got == 0 && !had && s->end && s->begun)
			return damaged(s, "it ends in the middle", e);
	} while (got == 0);
	out->n += got;
	return 1;
}

int stream_skip(struct stream *s, uint64_t bytes, struct err *e)
{
	struct buf b = {0};
	int r = 1;

	if (s->kind == PACKED_NOT && bytes > 0) {
		if (lseek(s->fd, (off_t)bytes, SEEK_SET) < 0)
			return err_sys(e, ERR_load_files, "reading %s", s->name);
		s->at = s->n = 0;
		return 0;
	}
	while (r > 0 && bytes > 0) {
		buf_clear(&b);
		r = stream_read(s, bytes < STEP ? (size_t)bytes : STEP, &b, e);
		bytes -= r > 0 ? b.n : 0;
	}
	buf_free(&b);
	if (r == 0)
		return err_set(e, ERR_load_files, "%s is shorter than what is recorded of it", s->name);
	return r < 0 ? -1 : 0;
}

void stream_close(struct stream **s)
{
	if (!*s)
		return;
	if ((*s)->kind == PACKED_GZIP)
		inflateEnd(&(*s)->z);
	ZSTD_freeDCtx((*s)->d);
	io_close(&(*s)->fd);
	free((*s)->in);
	free((*s)->name);
	free(*s);
	*s = NULL;
}

int stream_read_all(int dir, const char *name, size_t max, struct buf *out, struct err *e)
{
	struct stream *s = stream_open(dir, name, e);
	int r = s ? 1 : -1;

	while (r > 0 && out->n <= max)
		r = stream_read(s, STEP, out, e);
	stream_close(&s);
	if (r > 0)
		return err_set(e, ERR_load_files, "%s is larger than %zu bytes", name, max);
	return r;
}
