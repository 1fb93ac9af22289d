/*
 * libFuzzer: any text as an expression, over one row. The first byte chooses the server and the modes. Beside
 * crashes: an error has a text of one line, a verdict is one of three, and comes out the same twice.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/sql/expr_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct expr *x, struct arena *a)
{
	struct expr_row row = expr_sample_row();
	enum expr_truth t[2] = {EXPR_UNKNOWN, EXPR_UNKNOWN};
	struct err e = {0};
	int r[2];

	for (int i = 0; i < 2; i++) {
		r[i] = expr_eval(x, &row, a, &t[i], &e);
		assert(r[i] == 0 || (e.code && e.text[0]));
	}
	assert(r[0] == r[1] && t[0] == t[1] && t[0] <= EXPR_UNKNOWN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct expr_options o = {.server = {FLAVOR_MYSQL, 90700}};
	struct structure *s;
	struct arena *a;
	struct err e = {0};
	struct expr *x;
	char *text;

	if (size == 0 || size > 20000)
		return 0;
	if (data[0] & 1)
		o.server = (struct server){FLAVOR_MARIADB, 101100};
	o.ansi_quotes = data[0] & 2;
	o.no_backslash_escapes = data[0] & 4;
	text = xstrndup((const char *)data + 1, size - 1);
	s = expr_sample_structure();
	a = arena_new(0);
	x = expr_new(text, &o, s, &e);
	if (x)
		ask(x, a);
	else
		assert(e.code && e.text[0]);
	expr_free(&x);
	arena_free(&a);
	structure_free(&s);
	free(text);
	return 0;
}
