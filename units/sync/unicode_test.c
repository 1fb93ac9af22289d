/* How long characters are, charset by charset. What they are in Unicode is asked of a server: tests/c03-tidb.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "units/sync/unicode.h"

static unsigned length(const char *charset, struct str s)
{
	return unicode_length(charset, (const uint8_t *)s.p, s.n);
}

static void characters_have_their_length(void **state)
{
	(void)state;
	assert_int_equal(length("latin1", STR_LIT("\xe9x")), 1);
	assert_int_equal(length("koi8r", STR_LIT("\xff")), 1);
	assert_int_equal(length("gbk", STR_LIT("ab")), 1);
	assert_int_equal(length("gbk", STR_LIT("\x81\x5cx")), 2);
	assert_int_equal(length("big5", STR_LIT("\xa5\x5cx")), 2);
	assert_int_equal(length("sjis", STR_LIT("\xb1\xb2")), 1); /* half-width kana */
	assert_int_equal(length("sjis", STR_LIT("\x83\x5c")), 2);
	assert_int_equal(length("cp932", STR_LIT("\xfc\x4b")), 2);
	assert_int_equal(length("ujis", STR_LIT("\x8e\xb1")), 2);
	assert_int_equal(length("ujis", STR_LIT("\x8f\xa2\xaf")), 3);
	assert_int_equal(length("eucjpms", STR_LIT("\xa4\xa2")), 2);
	assert_int_equal(length("gb18030", STR_LIT("\x81\x40")), 2);
	assert_int_equal(length("gb18030", STR_LIT("\x81\x30\x81\x30")), 4);
	assert_int_equal(length("ucs2", STR_LIT("\xd8\x3d\xde\x00")), 2); /* it knows no pairs */
	assert_int_equal(length("utf16", STR_LIT("\xd8\x3d\xde\x00")), 4);
	assert_int_equal(length("utf16", STR_LIT("\x00\xe9")), 2);
	assert_int_equal(length("utf16le", STR_LIT("\x3d\xd8\x00\xde")), 4);
	assert_int_equal(length("utf16le", STR_LIT("\xd8\x3d")), 2);
	assert_int_equal(length("utf32", STR_LIT("\x00\x01\xf6\x00")), 4);
}

static void half_of_one_is_none(void **state)
{
	(void)state;
	assert_int_equal(length("latin1", STR_LIT("")), 0);
	assert_int_equal(length("gbk", STR_LIT("\x81")), 0);
	assert_int_equal(length("ujis", STR_LIT("\x8f\xa2")), 0);
	assert_int_equal(length("gb18030", STR_LIT("\x81\x30\x81")), 0);
	assert_int_equal(length("utf16", STR_LIT("\xd8\x3d\xde")), 0);
	assert_int_equal(length("utf32", STR_LIT("\x00\x01\xf6")), 0);
}

static bool is_answer(struct str bytes, struct str v)
{
	const uint8_t *p = (const uint8_t *)bytes.p;

	return unicode_is_answer(p, (unsigned)bytes.n - 1, p[bytes.n - 1], v);
}

static void a_question_mark_is_no_answer(void **state)
{
	(void)state;
	assert_true(is_answer(STR_LIT("\x81\x40"), STR_LIT("\xe4\xb8\x82")));
	assert_false(is_answer(STR_LIT("\x81\x40"), (struct str){0}));
	assert_false(is_answer(STR_LIT("\x81\x20"), STR_LIT("?")));
	assert_false(is_answer(STR_LIT("\x81\x20"), STR_LIT("? "))); /* its second byte as it was */
	assert_false(is_answer(STR_LIT("\x81\x3f"), STR_LIT("?")));
	assert_false(is_answer(STR_LIT("\x81\x3f"), STR_LIT("??")));
	assert_true(is_answer(STR_LIT("?"), STR_LIT("?")));
	assert_true(is_answer(STR_LIT("\x00?"), STR_LIT("?")));         /* ucs2, utf16 */
	assert_true(is_answer(STR_LIT("?\x00"), STR_LIT("?")));         /* utf16le */
	assert_true(is_answer(STR_LIT("\x00\x00\x00?"), STR_LIT("?"))); /* utf32 */
}

static void which_text_must(void **state)
{
	static char gb18030[] = "gb18030", latin1[] = "latin1", utf8mb4[] = "utf8mb4";
	struct column c = {.kind = COLUMN_TEXT, .charset = gb18030};

	(void)state;
	assert_true(unicode_must(&c, FLAVOR_TIDB) && unicode_must(&c, FLAVOR_MARIADB));
	assert_false(unicode_must(&c, FLAVOR_MYSQL));
	c.charset = latin1;
	assert_true(unicode_must(&c, FLAVOR_TIDB));
	assert_false(unicode_must(&c, FLAVOR_MARIADB));
	c.charset = utf8mb4;
	assert_false(unicode_must(&c, FLAVOR_TIDB));
	c = (struct column){.kind = COLUMN_SET, .charset = gb18030};
	assert_false(unicode_must(&c, FLAVOR_MARIADB));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_text_must),
		cmocka_unit_test(characters_have_their_length),
		cmocka_unit_test(half_of_one_is_none),
		cmocka_unit_test(a_question_mark_is_no_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
