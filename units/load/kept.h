#pragma once
#include "units/load/gaps.h"
#include "units/load/record.h"
#include "units/load/scan.h"

/*
 * A copy that was interrupted: what of each of its tables is in the downstream, and what of that may stay
 * when the copy goes on under another snapshot (T23, T24; docs/design/copy.md). Snapshots are numbered from
 * 0.
 */
struct kept_stretch {
	uint32_t id;
	struct gaps_stretch s;
};

struct kept_table {
	char *schema, *name;
	unsigned first,
		last; /* the oldest snapshot that rows of it are of, the newest that it was read from */
	struct structure *up;      /* as recorded; NULL: it is not */
	struct kept_stretch *list; /* as planned for `last` */
	unsigned nlist;
	uint64_t chunks, rows, bytes; /* in the downstream */
	json_t *missing;              /* what is to be read; NULL: it can't be told */
	const char *why; /* not NULL: it starts again, for this reason; "": nothing of it is there */
	bool acts;       /* foreign keys that change rows tie it to others */
};

struct kept {
	struct kept_table *t;
	unsigned n, snapshots;
	struct map *by_name; /* "schema\0table" -> struct kept_table */
};

/* From the record. */
int kept_read(struct load *l, struct db *c, const struct record *r, struct kept *k, struct err *e);
/* The same, without a server: its tables, to be filled. */
void kept_begin(struct kept *k, const json_t *own);
void kept_add_stretch(
	struct kept_table *t, uint32_t id, const char *lo, const char *hi, const char *partitions);
void kept_add_chunk(struct kept_table *t, uint32_t stretch, const struct gaps_chunk *c);
struct kept_table *kept_find(const struct kept *k, const char *schema, const char *name);
void kept_fini(struct kept *k);

/* What is missing of each table, from its stretches and chunks. */
void kept_count(struct kept *k);
static inline bool kept_is_whole(const struct kept_table *t)
{
	return t->missing && json_array_size(t->missing) == 0;
}

/* Which start again because of what happened in the upstream since. */
void kept_scan(struct kept *k, const struct scan *s);
/* A table that is not whole: can its rows of two moments be brought together in the downstream's table? */
bool kept_converges(const struct structure *up, const struct structure *down, const char **why);
/* Each unique key of the downstream is one of the upstream, and holds the same texts for one. */
bool kept_alike(const struct structure *up, const struct structure *down);
/* Tables with one place (of each, by number in k->t; "": it is not wanted any more) hang together: their rows
 * can't be told apart there. All of them stay, whole, or
 * none. Returns how many start again now that did not before. */
unsigned kept_merge(struct kept *k, const struct buf *places);
/* Tables that foreign keys tie must be of one moment where these change rows. ties: of the dump's info. */
void kept_tie(struct kept *k, const json_t *ties);

/* {"db":{"t":[…]}}: for the dump. A table that starts again is not in it. */
json_t *kept_wanted(const struct kept *k);
