/* Which file a place is in: the last one of a name counts, and only what a start needs is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "units/sync/heads.h"

static void files_are_known_by_their_heads(void **state)
{
	struct position oldest = {1, 3, 4};
	struct heads h;

	(void)state;
	heads_init(&h);
	heads_note(&h, oldest, 0x33, oldest);
	heads_note(&h, (struct position){1, 4, 4}, 0x44, oldest);
	heads_note(&h, (struct position){2, 3, 4}, 0x55, oldest);
	assert_int_equal(heads_of(&h, (struct position){1, 3, 4711}), 0x33);
	assert_int_equal(heads_of(&h, (struct position){2, 3, 4711}), 0x55);
	assert_int_equal(heads_of(&h, (struct position){2, 4, 4711}), 0);
	heads_note(&h, (struct position){2, 3, 4}, 0x66, oldest); /* begun anew */
	assert_int_equal(heads_of(&h, (struct position){2, 3, 4}), 0x66);
	heads_note(&h, (struct position){2, 4, 4}, 0, oldest); /* not known */
	assert_int_equal(heads_of(&h, (struct position){2, 4, 4}), 0);
	assert_int_equal(h.n, 3);
	heads_fini(&h);
}

static void only_needed_ones_are_kept(void **state)
{
	struct heads h;

	(void)state;
	heads_init(&h);
	for (uint64_t i = 1; i <= 1000; i++)
		heads_note(&h, (struct position){1, i, 4}, i, (struct position){1, i > 2 ? i - 2 : 1, 99});
	assert_int_equal(h.n, 3);
	assert_int_equal(heads_of(&h, (struct position){1, 998, 4}), 998);
	assert_int_equal(heads_of(&h, (struct position){1, 997, 4}), 0);
	heads_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_known_by_their_heads),
		cmocka_unit_test(only_needed_ones_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
