#pragma once
#include "common/base/buf.h"
#include "common/base/err.h"

/* Compression of a data file as it is written: a stream of its own each, bounded memory. */
enum packing { PACK_NONE, PACK_GZIP, PACK_ZSTD };
struct pack;

/* "" , "gzip", "zstd"; false: none of these. */
bool packing_of(const char *word, enum packing *out);
/* What the file's name ends in: "", ".gz", ".zst". */
const char *packing_ending(enum packing p);

/* NULL with e: no memory. */
struct pack *pack_new(enum packing p, struct err *e);
/* Appends to out what is ready of the compressed bytes; end: these are the last ones. */
int pack_put(struct pack *k, struct str plain, bool end, struct buf *out, struct err *e);
/* A new file begins. */
void pack_reset(struct pack *k);
void pack_free(struct pack **k);
