/* Long texts in pieces: whole again at the other end; what is out of order, too long or lies is refused. */
#include "common/base/paged.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/xalloc.h"

static void there_and_back(void **state)
{
	static const size_t sizes[] = {1, PAGED_PIECE - 1, PAGED_PIECE, PAGED_PIECE + 1, PAGED_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char *text = xcalloc(sizes[i], 1);
		struct str whole = {text, sizes[i]};
		struct paged_text got = {0};
		struct err e = {0};
		int r = 0;

		for (size_t k = 0; k < sizes[i]; k++)
			text[k] = (char)(k * 7 + k / 1000);
		while (r == 0) {
			struct paged p = paged_piece(whole, got.text.n);

			r = paged_add(&got, &p, &e);
		}
		assert_int_equal(r, 1);
		assert_int_equal(got.text.n, sizes[i]);
		assert_memory_equal(got.text.p, text, sizes[i]);
		assert_int_equal(paged_piece(whole, sizes[i]).text.n, 0);
		paged_free(&got.text);
		free(text);
	}
}

static void refused(struct paged_text *b, uint64_t from, uint64_t total, struct str text)
{
	struct err e = {0};
	size_t n = b->text.n;

	assert_int_equal(paged_add(b, &(struct paged){from, total, text}, &e), -1);
	assert_int_equal(e.code, ERR_proto);
	assert_int_equal(b->text.n, from ? n : 0);
}

static void wrong_pieces(void **state)
{
	struct paged_text b = {0};

	(void)state;
	refused(&b, 1, 9, STR_LIT("abc")); /* none before it */
	assert_int_equal(paged_add(&b, &(struct paged){0, 9, STR_LIT("abc")}, NULL), 0);
	refused(&b, 6, 9, STR_LIT("ghi"));        /* one is missing */
	refused(&b, 3, 9, STR_LIT("defghij"));    /* more than the whole */
	refused(&b, 3, 2, STR_LIT("d"));          /* behind its end */
	refused(&b, 3, 10, STR_LIT("def"));       /* another's, or one that grows */
	refused(&b, 3, UINT64_MAX, STR_LIT("d")); /* larger than allowed */
	refused(&b, 3, 9, STR_LIT(""));           /* or it would never end */
	assert_int_equal(paged_add(&b, &(struct paged){3, 9, STR_LIT("def")}, NULL), 0);
	assert_int_equal(paged_add(&b, &(struct paged){0, 2, STR_LIT("x")}, NULL), 0); /* anew */
	assert_int_equal(paged_add(&b, &(struct paged){1, 2, STR_LIT("y")}, NULL), 1);
	assert_memory_equal(b.text.p, "xy", 2);
	refused(&b, 0, PAGED_MAX + 1, STR_LIT("a"));
	paged_free(&b.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back), cmocka_unit_test(wrong_pieces)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
