#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * Where in a source's binlog: (relay generation, file number, offset). The generation counts upstream
 * switches (the number behind DM's relay sub-directory), so that positions of different servers never compare
 * by accident (T5). The file number is the one in the binlog's name, 64 bit; the offset is that of the
 * event's first byte, 64 bit: beyond 4 GiB too. {0,0,0} is "nowhere". A GTID set travels beside it as text
 * where one is known.
 */
struct position {
	uint32_t generation;
	uint64_t file;
	uint64_t offset;
};

static inline bool position_is_zero(struct position p)
{
	return p.generation == 0 && p.file == 0 && p.offset == 0;
}
int position_cmp(struct position a, struct position b); /* <0, 0, >0 */
/* "mysql-bin.000003" -> base "mysql-bin" (into out, size bytes) and number 3. */
int binlog_name_split(struct str name, char *base, size_t size, uint64_t *number, struct err *e);
/* The name back: at least six digits, as servers write it. */
void binlog_name_make(char *out, size_t size, const char *base, uint64_t number);
/* "1:mysql-bin.000003:4711" for people and logs; base may be "". out of 300 bytes always does. */
void position_text(struct position p, const char *base, char *out, size_t size);
/* "generation:file:offset" in digits, as stored in dm_meta. out of 64 bytes always does. */
void position_store(struct position p, char *out, size_t size);
int position_load(struct str text, struct position *p, struct err *e);
