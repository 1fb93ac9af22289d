#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * How far a copy is, table by table: what is done, and what the whole will be. Servers' statistics are wrong
 * by up to 40 %, so a table's estimate is corrected by its stretches that have ended, and gives way to what
 * was counted once the table ended. For dump and load; from any thread.
 */
struct amount {
	uint64_t rows, bytes;
};
struct tally_now {
	struct amount done, whole; /* whole is never below done */
	struct amount taken;
	unsigned tables, ended;
};
struct tally;

struct tally *tally_new(unsigned tables);
void tally_free(struct tally **t);
/* By the server's statistics; bytes of its storage, not of chunks. */
void tally_expect(struct tally *t, unsigned table, struct amount storage);
/* The table is read in so many stretches of about the same size. */
void tally_cut(struct tally *t, unsigned table, unsigned stretches);
/* More of it is done; bytes of chunks. */
void tally_add(struct tally *t, unsigned table, struct amount more);
/* Of what is done, so much is recorded downstream: for the dump. */
void tally_take(struct tally *t, unsigned table, struct amount more);
/* One of its stretches is over, with so many rows. */
void tally_stretch_over(struct tally *t, unsigned table, uint64_t rows);
/* Nothing of it is to come. A second time is no matter. */
void tally_end(struct tally *t, unsigned table);
void tally_of(struct tally *t, unsigned table, struct tally_now *out);
void tally_all(struct tally *t, struct tally_now *out);
/* tables_total, tables_done, rows_done, rows_estimated, rows_taken, and the same of bytes; and "tables",
 * these of each under way, at most 20, the largest first. taken: a table is under way until all of it is
 * taken, not only done. name writes what a table is called; one without a name is not told. */
struct tally_words {
	void (*name)(const void *arg, unsigned table, struct buf *b);
	const void *arg;
	bool taken;
};
void tally_status(struct tally *t, const struct tally_words *w, json_t *out);
