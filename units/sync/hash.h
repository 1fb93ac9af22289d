#pragma once
#include "common/binlog/row.h"
#include "units/sync/table.h"

/*
 * Values as hashes. What the downstream takes for equal has one hash; the reverse only costs time. Pure.
 */

/* How a column of an index is compared. */
enum hash_how {
	HASH_BYTES,
	HASH_FLOAT,  /* there are two zeros */
	HASH_BINARY, /* zeros at the end: some are left out by the wire */
	HASH_BIN,    /* spaces at the end: most collations pad */
	HASH_ASCII,  /* case folded, spaces at the end cut; other characters: open */
	HASH_OPEN,   /* can't be said */
};

/* Of a name: those of tables may be folded by the downstream, those of columns are by all. */
uint64_t hash_name(uint64_t seed, const char *z);
/* up, down: places in t's structures. */
enum hash_how hash_how(const struct table *t, unsigned up, unsigned down);
/* The same of an index that only holds the value's beginning. */
enum hash_how hash_how_prefix(const struct table *t, unsigned up, unsigned down);
/* INT columns of any size and sign, which an enum can't tell from one another: TINYINT … BIGINT. */
bool hash_is_int(const struct column *c);
/* Its value as one of 64 bits: tables that routes merge may have it in several sizes. */
struct str hash_widen(struct str raw, bool is_unsigned, char out[8]);
/* Some of its values can't be said. */
bool hash_is_soft(enum hash_how how, unsigned prefix);
/* Chained onto *h. prefix: so many characters, or bytes of a binary column; 0: all. False: a value whose
 * equals are not known. */
bool hash_value(uint64_t *h, enum hash_how how, unsigned prefix, struct str value);

/* In derived.c: does the downstream make of equal rows the same value of this generated column as the
 * upstream? */
bool derived_same(const struct table *t, const struct column *up, const struct column *down);
/* Says, once, which stored columns hang on the session's time zone, which the stream does not tell. */
void derived_warn(struct tables *ts, const struct table *t);
