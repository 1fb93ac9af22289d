#pragma once
#include "units/dump/catalog.h"
#include "units/dump/range.h"

struct dump;

/*
 * What is read by one SELECT, in the order of the table's key: a range of it, of the whole table or of some
 * of its partitions. All are planned before the plan is told.
 */
struct stretch {
	unsigned table, id; /* id: within the table, from 0, growing with the key (of a partition) */
	struct range range;
	json_t *partitions; /* ["p0","p1"]; NULL: of the whole table */
	uint64_t bytes;     /* about so many */
};

struct stretches {
	struct stretch *p;
	unsigned n;
};

void stretches_free(struct stretches *l);
/* Takes what range and partitions own. */
void stretches_add(struct stretches *l, struct stretch s);
/*
 * Plans one table: the whole of it, or what is wanted of it (d->wanted), cut where it is big. c is a snapshot
 * connection.
 */
int stretch_plan(struct dump *d, struct db *c, unsigned table, struct stretches *out, struct err *e);
/* [{"id":0,"lo":[…],"hi":[…],"partitions":["p0"]}]; open ends and whole tables are left out. */
json_t *stretches_to_json(const struct stretches *l);
/* " FROM `a`.`t` PARTITION (`p0`)", and " FORCE INDEX (`PRIMARY`)" where there is a key to read by; hint:
 * FORCE or USE. */
void stretch_put_from(struct buf *b, const struct item *t, const json_t *partitions, const char *hint);
/* " ORDER BY `a`,`b`", from the far end if down. */
void stretch_put_order(struct buf *b, const struct structure *s, const struct key *k, bool down);
