/* Long texts in pieces. Called by master, agent and command line around their messages. */
#include "common/base/paged.h"

#include <inttypes.h>
#include <string.h>

struct paged paged_piece(struct str whole, uint64_t from)
{
	struct paged p = {from, whole.n, {NULL, 0}};

	if (from < whole.n)
		p.text = (struct str){whole.p + from, whole.n - from};
	if (p.text.n > PAGED_PIECE)
		p.text.n = PAGED_PIECE;
	return p;
}

int paged_add(struct paged_text *t, const struct paged *p, struct err *e)
{
	struct buf *whole = &t->text;

	if (p->from == 0) {
		buf_clear(whole);
		t->total = p->total;
	}
	if (p->from != whole->n)
		return err_set(e, ERR_proto,
			"a piece of a long text from byte %" PRIu64 " where byte %zu comes next", p->from,
			whole->n);
	if (p->total != t->total)
		return err_set(e, ERR_proto,
			"a piece of a long text of %" PRIu64 " bytes, which was one of %" PRIu64, p->total,
			t->total);
	if (p->total > PAGED_MAX || p->from >= p->total || p->text.n == 0 || p->text.n > p->total - p->from)
		return err_set(e, ERR_proto,
			"a piece of %zu bytes of a long text of %" PRIu64 " (%d MiB at most)", p->text.n,
			p->total, PAGED_MAX >> 20);
	buf_put(whole, p->text.p, p->text.n);
	return whole->n == p->total;
}

void paged_free(struct buf *whole)
{
	if (whole->p)
		explicit_bzero(whole->p, whole->cap);
	buf_free(whole);
}
