/*
 * XA transactions that are prepared and not decided yet. Called by the assembler. An entry stays until its
 * COMMIT or ROLLBACK is applied: up to then a restart reads the PREPARE again, so the relay must have it.
 */
#include "units/sync/pending.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"

struct entry {
	struct entry *next;
	struct xid xid;
	struct trx *t;           /* its rows; NULL once they are handed on */
	struct position start;   /* of the transaction */
	struct position decided; /* behind its COMMIT or ROLLBACK; zero: not yet */
};

struct pending {
	struct entry *head;
	size_t keep, kept;
};

struct pending *pending_new(size_t keep)
{
	struct pending *p = xcalloc(1, sizeof(*p));

	p->keep = keep;
	return p;
}

static void drop(struct pending *p, struct entry **at)
{
	struct entry *x = *at;

	*at = x->next;
	if (x->t)
		p->kept -= x->t->raw.n;
	trx_free(&x->t);
	free(x);
}

void pending_free(struct pending **p)
{
	if (!*p)
		return;
	while ((*p)->head)
		drop(*p, &(*p)->head);
	free(*p);
	*p = NULL;
}

static bool same(const struct xid *a, const struct xid *b)
{
	return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}

/* Decided ones stay in the list: the same name may come again. */
static struct entry **find(struct pending *p, const struct xid *xid)
{
	struct entry **at = &p->head;

	while (*at && (!position_is_zero((*at)->decided) || !same(&(*at)->xid, xid)))
		at = &(*at)->next;
	return at;
}

struct trx *pending_prepare(struct pending *p, struct trx **t, const struct xid *xid)
{
	struct entry **old = find(p, xid), *x = xcalloc(1, sizeof(*x));
	struct trx *record = xcalloc(1, sizeof(*record));
	char name[300];

	/* A server has a name once: the older one did not outlive a crash. */
	if (*old) {
		xid_text(xid, name, sizeof(name));
		log_warn("XA transaction %s is prepared again: the earlier one is dropped", name);
		drop(p, old);
	}
	*record = **t;
	record->raw = record->cuts = (struct buf){0};
	record->noted = NULL;
	(*t)->notes = (*t)->made = NULL; /* the record's: judged now */
	record->events = 0;
	record->bytes = record->nth = 0;
	record->large = false;
	record->xa = TRX_XA_PREPARE;
	record->xid = *xid;
	x->xid = *xid;
	x->start = (*t)->start;
	x->t = *t;
	*t = NULL;
	if (!x->t->large && p->kept + x->t->raw.n > p->keep)
		trx_let_go(x->t);
	x->t->from = x->t->start;
	x->t->to = x->t->end;
	p->kept += x->t->raw.n;
	x->next = p->head;
	p->head = x;
	return record;
}

/* What a COMMIT and a ROLLBACK have in common. */
static struct entry *decide(struct pending *p, const struct xid *xid, struct trx *t, enum trx_xa how)
{
	struct entry *x = *find(p, xid);

	t->xa = how;
	t->xid = *xid;
	if (x)
		x->decided = t->end;
	return x;
}

bool pending_commit(struct pending *p, const struct xid *xid, struct trx *t)
{
	struct entry *x = decide(p, xid, t, TRX_XA_COMMIT);

	if (!x)
		return false;
	p->kept -= x->t->raw.n;
	t->raw = x->t->raw;
	t->cuts = x->t->cuts;
	x->t->raw = x->t->cuts = (struct buf){0};
	t->noted = x->t->noted;
	x->t->noted = NULL;
	t->format = x->t->format;
	t->events = x->t->events;
	t->bytes = x->t->bytes;
	t->nth = x->t->nth;
	t->large = x->t->large;
	t->from = x->t->from;
	t->to = x->t->to;
	trx_free(&x->t);
	return true;
}

bool pending_rollback(struct pending *p, const struct xid *xid, struct trx *t)
{
	struct entry *x = decide(p, xid, t, TRX_XA_ROLLBACK);

	if (!x)
		return false;
	p->kept -= x->t->raw.n;
	trx_free(&x->t);
	return true;
}

struct position pending_pin(struct pending *p, struct position watermark)
{
	struct position pin = {0};

	for (struct entry **at = &p->head; *at;) {
		struct entry *x = *at;

		if (!position_is_zero(x->decided) && position_cmp(x->decided, watermark) <= 0) {
			drop(p, at);
			continue;
		}
		if (position_is_zero(pin) || position_cmp(x->start, pin) < 0)
			pin = x->start;
		at = &x->next;
	}
	return pin;
}

bool xid_make(uint32_t format, struct str gtrid, struct str bqual, struct xid *out)
{
	if (gtrid.n > 64 || bqual.n > 64)
		return false;
	for (unsigned i = 0; i < 4; i++)
		out->bytes[i] = (char)(format >> (8 * i));
	out->bytes[4] = (char)gtrid.n;
	out->bytes[5] = (char)bqual.n;
	if (gtrid.n)
		memcpy(out->bytes + 6, gtrid.p, gtrid.n);
	if (bqual.n)
		memcpy(out->bytes + 6 + gtrid.n, bqual.p, bqual.n);
	out->n = (uint8_t)(6 + gtrid.n + bqual.n);
	return true;
}

static int nibble(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* X'...' at the head of text, which moves behind it. */
static bool read_hex(struct str *text, char out[64], size_t *n)
{
	*n = 0;
	if (text->n < 3 || (text->p[0] != 'X' && text->p[0] != 'x') || text->p[1] != '\'')
		return false;
	for (*text = (struct str){text->p + 2, text->n - 2}; text->n >= 2 && text->p[0] != '\'';
		*text = (struct str){text->p + 2, text->n - 2}) {
		int hi = nibble(text->p[0]), lo = nibble(text->p[1]);

		if (hi < 0 || lo < 0 || *n == 64)
			return false;
		out[(*n)++] = (char)(hi << 4 | lo);
	}
	if (text->n == 0 || text->p[0] != '\'')
		return false;
	*text = (struct str){text->p + 1, text->n - 1};
	return true;
}

static bool comma(struct str *text)
{
	if (text->n == 0 || text->p[0] != ',')
		return false;
	*text = (struct str){text->p + 1, text->n - 1};
	return true;
}

bool xid_read(struct str text, struct xid *out)
{
	char gtrid[64], bqual[64];
	size_t ngtrid, nbqual;
	uint64_t format = 0;

	if (!read_hex(&text, gtrid, &ngtrid) || !comma(&text) || !read_hex(&text, bqual, &nbqual) ||
		!comma(&text) || text.n == 0)
		return false;
	while (text.n > 0 && text.p[0] >= '0' && text.p[0] <= '9' && format <= UINT32_MAX) {
		format = format * 10 + (uint64_t)(text.p[0] - '0');
		text = (struct str){text.p + 1, text.n - 1};
	}
	while (text.n > 0 && text.p[0] == ' ')
		text = (struct str){text.p + 1, text.n - 1};
	return text.n == 0 && format <= UINT32_MAX &&
	       xid_make((uint32_t)format, (struct str){gtrid, ngtrid}, (struct str){bqual, nbqual}, out);
}

void xid_text(const struct xid *x, char *out, size_t size)
{
	unsigned split = 6u + (uint8_t)x->bytes[4];
	uint32_t format = 0;
	size_t n = 0;

	for (unsigned i = 0; i < 4; i++)
		format |= (uint32_t)(uint8_t)x->bytes[i] << (8 * i);
	n += (size_t)snprintf(out + n, size - n, "X'");
	for (unsigned i = 6; i < x->n; i++)
		n += (size_t)snprintf(
			out + n, size - n, "%s%02x", i == split ? "',X'" : "", (uint8_t)x->bytes[i]);
	snprintf(out + n, size - n, "%s',%" PRIu32, split >= x->n ? "',X'" : "", format);
}
