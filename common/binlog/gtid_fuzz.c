/* Any text as a GTID set of either family: what is taken prints to text that reads back to the same set. */
#include <stdlib.h>

#include "common/binlog/gtid.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct gtid_set *s, *again;
	struct buf a = {0}, b = {0};
	struct err e = {0};
	enum flavor f;

	if (n == 0)
		return 0;
	f = p[0] & 1 ? FLAVOR_MARIADB : FLAVOR_MYSQL;
	s = gtid_set_parse(f, (struct str){(const char *)p + 1, n - 1}, &e);
	if (!s)
		return 0;
	gtid_set_text(s, &a);
	again = gtid_set_parse(f, buf_str(&a), &e);
	if (!again || !gtid_set_contains(s, again) || !gtid_set_contains(again, s))
		abort();
	gtid_set_subtract_text(s, again, &b);
	if (b.n != 0)
		abort();
	gtid_set_free(&s);
	gtid_set_free(&again);
	buf_free(&a);
	buf_free(&b);
	return 0;
}
