/*
 * gzip and zstd, streamed. Called by the chunk writer, one for each. The two libraries are known here only;
 * their state is allocated once and used for file after file.
 */
#include "units/dump/pack.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "common/base/xalloc.h"

enum { STEP = 64 * 1024, GZIP_WINDOW = 15 + 16, ZSTD_LEVEL = 3 };

struct pack {
	enum packing kind;
	z_stream z;
	ZSTD_CCtx *c;
};

static const struct {
	const char *word, *ending;
} kinds[] = {{"", ""}, {"gzip", ".gz"}, {"zstd", ".zst"}};

bool packing_of(const char *word, enum packing *out)
{
	for (int i = PACK_NONE; i <= PACK_ZSTD; i++)
		if (strcmp(word, kinds[i].word) == 0) {
			*out = (enum packing)i;
			return true;
		}
	return false;
}

const char *packing_ending(enum packing p)
{
	return kinds[p].ending;
}

struct pack *pack_new(enum packing p, struct err *e)
{
	struct pack *k = xcalloc(1, sizeof(*k));
	bool good = true;

	if (p == PACK_ZSTD) {
		k->c = ZSTD_createCCtx();
		good = k->c &&
		       !ZSTD_isError(ZSTD_CCtx_setParameter(k->c, ZSTD_c_compressionLevel, ZSTD_LEVEL)) &&
		       !ZSTD_isError(ZSTD_CCtx_setParameter(k->c, ZSTD_c_checksumFlag, 1));
	} else if (p == PACK_GZIP) {
		good = deflateInit2(&k->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
			       Z_DEFAULT_STRATEGY) == Z_OK;
	}
	if (good)
		k->kind = p;
	else
		pack_free(&k);
	if (!good)
		err_set(e, ERR_internal, "no memory for compressing");
	return k;
}

static int put_gzip(struct pack *k, struct str plain, bool end, struct buf *out, struct err *e)
{
	int r = Z_OK;

	/* zlib never writes through it; the pointer's type is of before const. */
	k->z.next_in = (Bytef *)(uintptr_t)plain.p;
	k->z.avail_in = (uInt)plain.n;
	do {
		char *room = buf_room(out, STEP);

		k->z.next_out = (Bytef *)room;
		k->z.avail_out = STEP;
		r = deflate(&k->z, end ? Z_FINISH : Z_NO_FLUSH);
		out->n += STEP - k->z.avail_out;
		if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
			return err_set(e, ERR_internal, "zlib: %s", k->z.msg ? k->z.msg : "it failed");
	} while (end ? r != Z_STREAM_END : k->z.avail_in > 0);
	return 0;
}

static int put_zstd(struct pack *k, struct str plain, bool end, struct buf *out, struct err *e)
{
	ZSTD_inBuffer in = {plain.p, plain.n, 0};
	size_t left;

	do {
		ZSTD_outBuffer to = {buf_room(out, STEP), STEP, 0};

		left = ZSTD_compressStream2(k->c, &to, &in, end ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return err_set(e, ERR_internal, "zstd: %s", ZSTD_getErrorName(left));
		out->n += to.pos;
	} while (end ? left > 0 : in.pos < in.size);
	return 0;
}

int pack_put(struct pack *k, struct str plain, bool end, struct buf *out, struct err *e)
{
	enum { MOST = 1 << 30 }; /* zlib counts in 32 bits */

	while (plain.n > MOST) {
		if (pack_put(k, (struct str){plain.p, MOST}, false, out, e) < 0)
			return -1;
		plain.p += MOST;
		plain.n -= MOST;
	}
	if (k->kind == PACK_GZIP)
		return put_gzip(k, plain, end, out, e);
	if (k->kind == PACK_ZSTD)
		return put_zstd(k, plain, end, out, e);
	buf_put(out, plain.p, plain.n);
	return 0;
}

void pack_reset(struct pack *k)
{
	if (k->kind == PACK_GZIP)
		deflateReset(&k->z);
	else if (k->kind == PACK_ZSTD)
		ZSTD_CCtx_reset(k->c, ZSTD_reset_session_only);
}

void pack_free(struct pack **k)
{
	if (!*k)
		return;
	if ((*k)->kind == PACK_GZIP)
		deflateEnd(&(*k)->z);
	ZSTD_freeCCtx((*k)->c);
	free(*k);
	*k = NULL;
}
