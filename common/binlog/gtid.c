/*
 * GTID sets of both families: adding, comparing, printing. The relay keeps one for its end, the sync one for
 * its watermark; text is what goes to dm_meta and over the wire. Reading text and events: gtid_parse.c.
 */
#include "common/binlog/gtid.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/binlog/gtid_uuid.h"

struct gtid_set {
	enum flavor flavor;
	struct gtid_origin *origins; /* sorted by uuid, then tag */
	struct gtid_domain *domains; /* sorted */
	size_t n, cap;               /* of the one that the flavor uses */
};

struct gtid_set *gtid_set_new(enum flavor f)
{
	struct gtid_set *s = xcalloc(1, sizeof(*s));

	s->flavor = f;
	return s;
}

void gtid_set_free(struct gtid_set **s)
{
	if (!*s)
		return;
	if ((*s)->origins)
		for (size_t i = 0; i < (*s)->n; i++)
			free((*s)->origins[i].at);
	free((*s)->origins);
	free((*s)->domains);
	free(*s);
	*s = NULL;
}

enum flavor gtid_set_flavor(const struct gtid_set *s)
{
	return s->flavor;
}

static bool is_mariadb(const struct gtid_set *s)
{
	return s->flavor == FLAVOR_MARIADB;
}

struct gtid_set *gtid_set_copy(const struct gtid_set *s)
{
	struct gtid_set *c = gtid_set_new(s->flavor);

	c->n = c->cap = s->n;
	if (s->n == 0)
		return c;
	if (is_mariadb(s)) {
		c->domains = xmemdup(s->domains, s->n * sizeof(*s->domains));
		return c;
	}
	c->origins = xmemdup(s->origins, s->n * sizeof(*s->origins));
	for (size_t i = 0; i < c->n; i++) {
		struct gtid_origin *o = &c->origins[i];

		o->cap = o->n;
		o->at = xmemdup(o->at, o->n * sizeof(*o->at));
	}
	return c;
}

bool gtid_set_empty(const struct gtid_set *s)
{
	return s->n == 0;
}

static int origin_cmp(const struct gtid_origin *o, const uint8_t uuid[16], const char *tag)
{
	int d = memcmp(o->uuid, uuid, 16);

	return d ? d : strcmp(o->tag, tag);
}

/* Where it is or belongs. */
static size_t origin_at(const struct gtid_set *s, const uint8_t uuid[16], const char *tag, bool *found)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (origin_cmp(&s->origins[mid], uuid, tag) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = lo < s->n && origin_cmp(&s->origins[lo], uuid, tag) == 0;
	return lo;
}

static size_t domain_at(const struct gtid_set *s, uint32_t domain, bool *found)
{
	size_t i = 0;

	while (i < s->n && s->domains[i].domain < domain)
		i++;
	*found = i < s->n && s->domains[i].domain == domain;
	return i;
}

/* The first interval that ends at v or later. */
static size_t interval_at(const struct gtid_origin *o, uint64_t v)
{
	size_t lo = 0, hi = o->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (o->at[mid].to < v)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void insert_interval(struct gtid_origin *o, size_t i, struct gtid_interval v)
{
	if (o->n == o->cap) {
		o->cap = o->cap ? o->cap * 2 : 4;
		o->at = xrealloc(o->at, o->cap * sizeof(*o->at));
	}
	memmove(o->at + i + 1, o->at + i, (o->n - i) * sizeof(*o->at));
	o->at[i] = v;
	o->n++;
}

static void origin_add(struct gtid_origin *o, struct gtid_interval v)
{
	size_t i = interval_at(o, v.from), j = i;

	while (j < o->n && o->at[j].from <= v.to)
		j++;
	if (i == j) {
		insert_interval(o, i, v);
		return;
	}
	/* Touches i … j-1: they become one. */
	o->at[i].from = o->at[i].from < v.from ? o->at[i].from : v.from;
	o->at[i].to = o->at[j - 1].to > v.to ? o->at[j - 1].to : v.to;
	memmove(o->at + i + 1, o->at + j, (o->n - j) * sizeof(*o->at));
	o->n -= j - i - 1;
}

void gtid_set_put_interval(
	struct gtid_set *s, const uint8_t uuid[16], const char *tag, struct gtid_interval v)
{
	bool found;
	size_t i = origin_at(s, uuid, tag, &found);

	assert(!is_mariadb(s) && v.from < v.to);
	if (!found) {
		struct gtid_origin o = {0};

		if (s->n == s->cap) {
			s->cap = s->cap ? s->cap * 2 : 4;
			s->origins = xrealloc(s->origins, s->cap * sizeof(*s->origins));
		}
		memmove(s->origins + i + 1, s->origins + i, (s->n - i) * sizeof(*s->origins));
		memcpy(o.uuid, uuid, 16);
		strncpy(o.tag, tag, sizeof(o.tag) - 1);
		s->origins[i] = o;
		s->n++;
	}
	origin_add(&s->origins[i], v);
}

void gtid_set_put_domain(struct gtid_set *s, struct gtid_domain d, bool keep_greater)
{
	bool found;
	size_t i = domain_at(s, d.domain, &found);

	assert(is_mariadb(s));
	if (found) {
		if (!keep_greater || s->domains[i].seq < d.seq)
			s->domains[i] = d;
		return;
	}
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 4;
		s->domains = xrealloc(s->domains, s->cap * sizeof(*s->domains));
	}
	memmove(s->domains + i + 1, s->domains + i, (s->n - i) * sizeof(*s->domains));
	s->domains[i] = d;
	s->n++;
}

static void origin_text(const struct gtid_origin *o, bool same_uuid, struct buf *out)
{
	char uuid[37];

	gtid_uuid_text(o->uuid, uuid);
	if (!same_uuid)
		buf_puts(out, uuid);
	if (o->tag[0])
		buf_putf(out, ":%s", o->tag);
	for (size_t i = 0; i < o->n; i++) {
		buf_putf(out, ":%" PRIu64, o->at[i].from);
		if (o->at[i].to - o->at[i].from > 1)
			buf_putf(out, "-%" PRIu64, o->at[i].to - 1);
	}
}

void gtid_set_text(const struct gtid_set *s, struct buf *out)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct gtid_domain *d = s->domains ? &s->domains[i] : NULL;
		bool same = !d && i > 0 && memcmp(s->origins[i].uuid, s->origins[i - 1].uuid, 16) == 0;

		if (i > 0 && !same)
			buf_putc(out, ',');
		if (d)
			buf_putf(out, "%u-%u-%" PRIu64, d->domain, d->server_id, d->seq);
		else
			origin_text(&s->origins[i], same, out);
	}
}

static bool origin_has(const struct gtid_origin *o, struct gtid_interval v)
{
	size_t i = interval_at(o, v.to);

	return i < o->n && o->at[i].from <= v.from && o->at[i].to >= v.to;
}

static bool has_interval(
	const struct gtid_set *s, const uint8_t uuid[16], const char *tag, struct gtid_interval v)
{
	bool found;
	size_t i = origin_at(s, uuid, tag, &found);

	return found && origin_has(&s->origins[i], v);
}

static bool has_domain(const struct gtid_set *s, uint32_t domain, uint64_t seq)
{
	bool found;
	size_t i = domain_at(s, domain, &found);

	return found && s->domains[i].seq >= seq;
}

bool gtid_set_contains(const struct gtid_set *big, const struct gtid_set *small)
{
	if (is_mariadb(big) != is_mariadb(small))
		return small->n == 0;
	for (size_t i = 0; i < small->n; i++) {
		const struct gtid_origin *o;

		if (is_mariadb(small)) {
			if (!has_domain(big, small->domains[i].domain, small->domains[i].seq))
				return false;
			continue;
		}
		o = &small->origins[i];
		for (size_t k = 0; k < o->n; k++)
			if (!has_interval(big, o->uuid, o->tag, o->at[k]))
				return false;
	}
	return true;
}

bool gtid_set_has(const struct gtid_set *s, const struct binlog_gtid_event *g)
{
	if (g->anonymous || g->mariadb != is_mariadb(s))
		return false;
	if (g->mariadb)
		return has_domain(s, g->domain, g->seq);
	return has_interval(s, g->uuid, g->tag, (struct gtid_interval){g->gno, g->gno + 1});
}

bool gtid_set_last(const struct gtid_set *s, uint32_t domain, uint32_t *server_id, uint64_t *seq)
{
	bool found = false;
	size_t i = is_mariadb(s) ? domain_at(s, domain, &found) : 0;

	if (!found)
		return false;
	*server_id = s->domains[i].server_id;
	*seq = s->domains[i].seq;
	return true;
}

int gtid_set_add(struct gtid_set *s, const struct binlog_gtid_event *g, struct err *e)
{
	if (g->anonymous)
		return 0;
	if (g->mariadb != is_mariadb(s))
		return err_set(e, ERR_gtid_parse, "a GTID of %s in a set of %s",
			g->mariadb ? "MariaDB" : "MySQL", flavor_name(s->flavor));
	if (g->mariadb)
		gtid_set_put_domain(s, (struct gtid_domain){g->domain, g->server_id, g->seq}, false);
	else
		gtid_set_put_interval(s, g->uuid, g->tag, (struct gtid_interval){g->gno, g->gno + 1});
	return 0;
}

void gtid_set_merge(struct gtid_set *s, const struct gtid_set *more, bool keep_greater)
{
	assert(is_mariadb(s) == is_mariadb(more));
	for (size_t i = 0; i < more->n; i++) {
		const struct gtid_origin *o = is_mariadb(more) ? NULL : &more->origins[i];

		if (!o)
			gtid_set_put_domain(s, more->domains[i], keep_greater);
		for (size_t k = 0; o && k < o->n; k++)
			gtid_set_put_interval(s, o->uuid, o->tag, o->at[k]);
	}
}

/* Of one interval what b does not have, into out. */
static void subtract_interval(
	struct gtid_set *out, const struct gtid_origin *o, struct gtid_interval v, const struct gtid_set *b)
{
	bool found;
	size_t i = origin_at(b, o->uuid, o->tag, &found);
	const struct gtid_origin *have = found ? &b->origins[i] : NULL;

	for (size_t k = have ? interval_at(have, v.from + 1) : 0; have && k < have->n && v.from < v.to; k++) {
		if (have->at[k].from >= v.to)
			break;
		if (have->at[k].from > v.from)
			gtid_set_put_interval(
				out, o->uuid, o->tag, (struct gtid_interval){v.from, have->at[k].from});
		v.from = have->at[k].to;
	}
	if (v.from < v.to)
		gtid_set_put_interval(out, o->uuid, o->tag, v);
}

void gtid_set_subtract_text(const struct gtid_set *a, const struct gtid_set *b, struct buf *out)
{
	struct gtid_set *left = gtid_set_new(a->flavor);

	for (size_t i = 0; i < a->n; i++) {
		if (is_mariadb(a)) {
			const struct gtid_domain *d = &a->domains[i];

			if (!is_mariadb(b) || !has_domain(b, d->domain, d->seq))
				gtid_set_put_domain(left, *d, false);
			continue;
		}
		for (size_t k = 0; k < a->origins[i].n; k++)
			subtract_interval(left, &a->origins[i], a->origins[i].at[k], b);
	}
	gtid_set_text(left, out);
	gtid_set_free(&left);
}
