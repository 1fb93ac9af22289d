/*
 * Applied intervals above the watermark (T4, T5). Each lane keeps its own and writes them with its progress
 * row; a start reads those of all rows. Pure.
 */
#include "units/sync/runs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "units/sync/part.h"

/* So many spans are as long as the bound of runs allows for. */
enum { SPANS_A_RUN = 4 };

/* Numbers in a row of one origin: MySQL's "uuid" or "uuid:tag", MariaDB's domain. */
struct span {
	char origin[72];
	uint64_t first, last;
};

struct run {
	struct position start, end;
	struct span *spans;
	size_t n;
};

static void run_fini(struct run *r)
{
	free(r->spans);
}

void runs_clear(struct runs *r)
{
	for (size_t i = 0; i < r->n; i++)
		run_fini(&r->list[i]);
	r->n = 0;
}

void runs_fini(struct runs *r)
{
	runs_clear(r);
	free(r->list);
	*r = (struct runs){0};
}

/* "uuid", "uuid:tag", "domain"; and the transaction's number in it. */
static uint64_t origin_of(const struct binlog_gtid_event *g, char out[72])
{
	char text[128], *cut;

	if (g->mariadb) {
		snprintf(out, 72, "%" PRIu32, g->domain);
		return g->seq;
	}
	gtid_event_text(g, text, sizeof(text));
	cut = strrchr(text, ':');
	if (cut)
		*cut = '\0';
	snprintf(out, 72, "%.71s", text);
	return g->gno;
}

static struct span *add_span(struct run *r, const char *origin, uint64_t first, uint64_t last)
{
	struct span *s;

	r->spans = xrealloc(r->spans, (r->n + 1) * sizeof(*r->spans));
	s = &r->spans[r->n++];
	snprintf(s->origin, sizeof(s->origin), "%s", origin);
	s->first = first;
	s->last = last;
	return s;
}

/* MariaDB's numbers may leave gaps: between two neighbours of a domain there is nothing. MySQL's are counted.
 */
static void put_span(struct run *r, const char *origin, uint64_t first, uint64_t last)
{
	bool mariadb = strchr(origin, '-') == NULL;

	for (size_t i = r->n; i-- > 0;) {
		struct span *s = &r->spans[i];

		if (strcmp(s->origin, origin) != 0)
			continue;
		if (mariadb ? first > s->last : first == s->last + 1) {
			s->last = last;
			return;
		}
		break;
	}
	add_span(r, origin, first, last);
}

static struct run *new_run(struct runs *r)
{
	if (r->n == r->room) {
		r->room = r->room ? r->room * 2 : 8;
		r->list = xrealloc(r->list, r->room * sizeof(*r->list));
	}
	r->list[r->n] = (struct run){0};
	return &r->list[r->n++];
}

void runs_add(struct runs *r, struct position start, struct position end,
	const struct binlog_gtid_event *gtid, bool neighbour)
{
	struct run *x = neighbour && r->n ? &r->list[r->n - 1] : NULL;
	char origin[72];

	if (!x) {
		x = new_run(r);
		x->start = start;
	}
	x->end = end;
	if (gtid) {
		uint64_t n = origin_of(gtid, origin);

		put_span(x, origin, n, n);
	}
}

void runs_append(struct runs *to, const struct runs *more, bool neighbour)
{
	for (size_t i = 0; i < more->n; i++) {
		const struct run *m = &more->list[i];
		struct run *x = i == 0 && neighbour && to->n ? &to->list[to->n - 1] : NULL;

		if (!x) {
			x = new_run(to);
			x->start = m->start;
		}
		x->end = m->end;
		for (size_t k = 0; k < m->n; k++)
			put_span(x, m->spans[k].origin, m->spans[k].first, m->spans[k].last);
	}
}

size_t runs_weight(const struct runs *r)
{
	size_t spans = 0;

	for (size_t i = 0; i < r->n; i++)
		spans += r->list[i].n;
	return spans / SPANS_A_RUN > r->n ? spans / SPANS_A_RUN : r->n;
}

static bool set_has_span(const struct gtid_set *set, const struct span *s)
{
	bool mariadb = gtid_set_flavor(set) == FLAVOR_MARIADB, has;
	struct gtid_set *own;
	uint32_t server;
	uint64_t seq;
	char text[128];

	if (mariadb)
		return gtid_set_last(set, (uint32_t)strtoul(s->origin, NULL, 10), &server, &seq) &&
		       seq >= s->last;
	snprintf(text, sizeof(text), "%s:%" PRIu64 "-%" PRIu64, s->origin, s->first, s->last);
	own = gtid_set_parse(gtid_set_flavor(set), str_of(text), NULL);
	has = own && gtid_set_contains(set, own);
	gtid_set_free(&own);
	return has;
}

static bool set_has_run(const struct gtid_set *set, const struct run *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (!set_has_span(set, &r->spans[i]))
			return false;
	return true;
}

enum cut { CUT_ALL, CUT_BY_SET, CUT_SAME };

static bool has_served(
	const struct run *r, struct position watermark, enum cut how, const struct gtid_set *set)
{
	if (position_cmp(r->end, watermark) > 0)
		return false;
	if (how == CUT_ALL || r->end.generation == watermark.generation)
		return true;
	return how == CUT_BY_SET && (!set || set_has_run(set, r));
}

static void cut(struct runs *r, struct position watermark, enum cut how, const struct gtid_set *set)
{
	size_t left = 0;

	for (size_t i = 0; i < r->n; i++) {
		if (has_served(&r->list[i], watermark, how, set))
			run_fini(&r->list[i]);
		else
			r->list[left++] = r->list[i];
	}
	r->n = left;
}

void runs_cut(struct runs *r, struct position watermark)
{
	cut(r, watermark, CUT_ALL, NULL);
}

void runs_cut_by(struct runs *r, struct position watermark, const struct gtid_set *set)
{
	cut(r, watermark, CUT_BY_SET, set);
}

void runs_cut_same(struct runs *r, struct position watermark)
{
	cut(r, watermark, CUT_SAME, NULL);
}

void runs_text(const struct runs *r, struct buf *out)
{
	char from[64], to[64];

	for (size_t i = 0; i < r->n; i++) {
		const struct run *x = &r->list[i];

		position_store(x->start, from, sizeof(from));
		position_store(x->end, to, sizeof(to));
		buf_putf(out, "%s %s ", from, to);
		for (size_t k = 0; k < x->n; k++)
			buf_putf(out, "%s%s:%" PRIu64 "-%" PRIu64, k ? "," : "", x->spans[k].origin,
				x->spans[k].first, x->spans[k].last);
		buf_puts(out, x->n ? "\n" : "-\n");
	}
}

/* Cuts the head up to c off; the whole where there is no c. */
static struct str head(struct str *s, char c)
{
	const char *at = s->n ? memchr(s->p, c, s->n) : NULL;
	size_t n = at ? (size_t)(at - s->p) : s->n;
	struct str h = {s->p, n};

	s->p += at ? n + 1 : n;
	s->n -= at ? n + 1 : n;
	return h;
}

static int parse_span(struct run *r, struct str text, struct err *e)
{
	char z[160], *cut, *dash;
	uint64_t first, last;

	snprintf(z, sizeof(z), "%.*s", text.n > 150 ? 150 : (int)text.n, text.p);
	cut = strrchr(z, ':');
	dash = cut ? strchr(cut, '-') : NULL;
	if (!dash || cut - z >= 72)
		return err_set(e, ERR_internal, "a recorded interval can't be read: GTIDs %s", z);
	*cut = *dash = '\0';
	first = strtoull(cut + 1, NULL, 10);
	last = strtoull(dash + 1, NULL, 10);
	add_span(r, z, first, last);
	return 0;
}

int runs_parse(struct runs *r, struct str text, struct err *e)
{
	while (text.n > 0) {
		struct str line = head(&text, '\n'), from, to;
		struct run *x;

		if (part_is_line(line))
			continue;
		from = head(&line, ' ');
		to = head(&line, ' ');
		x = new_run(r);
		if (position_load(from, &x->start, e) < 0 || position_load(to, &x->end, e) < 0)
			return err_add(e, "an applied interval");
		while (line.n > 0 && !str_is(line, "-"))
			if (parse_span(x, head(&line, ','), e) < 0)
				return -1;
	}
	return 0;
}

static bool run_has_gtid(const struct run *r, const struct binlog_gtid_event *g)
{
	char origin[72];
	uint64_t n = origin_of(g, origin);

	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->spans[i].origin, origin) == 0 && n >= r->spans[i].first &&
			n <= r->spans[i].last)
			return true;
	return false;
}

bool runs_have(const struct runs *r, struct position start, struct position end,
	const struct binlog_gtid_event *gtid)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct run *x = &r->list[i];
		bool same = x->start.generation == start.generation;

		if (same ? position_cmp(start, x->start) >= 0 && position_cmp(end, x->end) <= 0
			 : gtid && run_has_gtid(x, gtid))
			return true;
	}
	return false;
}
