/*
 * The record of a transaction that is applied in parts. Called by split.c, which applies them, and at the
 * start.
 */
#include "units/sync/part.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#define WORD "part "

bool part_pending(const struct part *p)
{
	return !position_is_zero(p->start);
}

void part_begin(struct part *p, const struct trx *t)
{
	*p = (struct part){.start = t->start};
	if (t->has_gtid)
		gtid_event_text(&t->gtid, p->gtid, sizeof(p->gtid));
}

bool part_is(const struct part *p, const struct trx *t)
{
	char gtid[128];

	if (!part_pending(p))
		return false;
	if (t->start.generation == p->start.generation)
		return position_cmp(t->start, p->start) == 0;
	if (!p->gtid[0] || !(t->has_gtid || t->inside))
		return false;
	gtid_event_text(&t->gtid, gtid, sizeof(gtid));
	return strcmp(gtid, p->gtid) == 0;
}

static uint64_t hash_row(uint64_t h, const struct table *t, const struct binlog_value *row)
{
	for (unsigned i = 0; row && i < t->up->ncolumns; i++) {
		bool there = row[i].present ? !row[i].null : row[i].diff;
		/* What is absent or NULL has a length that no value has. */
		uint64_t n = there ? row[i].raw.n : row[i].present ? UINT64_MAX - 1 : UINT64_MAX;

		h = (h ^ n) * UINT64_C(0x9e3779b97f4a7c15);
		if (there)
			h = XXH3_64bits_withSeed(row[i].raw.p, row[i].raw.n, h);
	}
	return h;
}

void part_add(struct part *p, const struct change *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct change *c = &list[i];

		p->hash = XXH3_64bits_withSeed(c->table->head, strlen(c->table->head), p->hash + c->kind);
		p->hash = hash_row(hash_row(p->hash, c->table, c->before), c->table, c->after);
	}
	p->rows += n;
}

void part_text(const struct part *p, struct buf *out)
{
	char at[64];

	if (!part_pending(p))
		return;
	position_store(p->start, at, sizeof(at));
	buf_putf(out, WORD "%s %s %" PRIu64 " %016" PRIx64 "\n", at, p->gtid[0] ? p->gtid : "-", p->rows,
		p->hash);
}

bool part_is_line(struct str line)
{
	return str_starts(line, WORD);
}

static int parse_line(struct part *p, struct str line, struct err *e)
{
	char z[300], at[65], gtid[128];

	*p = (struct part){0};
	snprintf(z, sizeof(z), "%.*s", line.n > 299 ? 299 : (int)line.n, line.p);
	if (sscanf(z, WORD "%64s %127s %" SCNu64 " %16" SCNx64, at, gtid, &p->rows, &p->hash) != 4)
		return err_set(e, ERR_internal, "a recorded part can't be read: %s", z);
	if (strcmp(gtid, "-") != 0)
		snprintf(p->gtid, sizeof(p->gtid), "%s", gtid);
	return position_load(str_of(at), &p->start, e);
}

int part_parse(struct part *p, struct str applied, struct err *e)
{
	while (applied.n > 0) {
		const char *end = memchr(applied.p, '\n', applied.n);
		size_t n = end ? (size_t)(end - applied.p) : applied.n;
		struct str line = {applied.p, n};
		struct part found;

		applied.p += end ? n + 1 : n;
		applied.n -= end ? n + 1 : n;
		if (!part_is_line(line))
			continue;
		if (parse_line(&found, line, e) < 0)
			return -1;
		if (!part_pending(p) || found.rows > p->rows)
			*p = found;
	}
	return 0;
}
