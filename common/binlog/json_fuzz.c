/* Any bytes as binary JSON. */
#include "common/binlog/json.h"
#include "common/binlog/json_diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf out = {0};
	struct err e = {0};

	binlog_json_text((struct str){(const char *)p, n}, &out, &e);
	buf_clear(&out);
	binlog_put_json(&out, (struct str){(const char *)p, n}, (enum json_to)(n % 3), &e);
	buf_clear(&out);
	binlog_put_json_diff(
		&out, STR_LIT("`j`"), (struct str){(const char *)p, n}, (enum json_to)(n % 3), &e);
	buf_free(&out);
	/* The first byte tells where the value before ends and changes to it begin. */
	if (n > 1) {
		size_t base = p[0] % n;
		struct arena *a = arena_new(4096);
		struct str after;

		if (binlog_json_apply((struct str){(const char *)p + 1, base < n - 1 ? base : n - 1},
			    (struct str){(const char *)p + 1 + (base < n - 1 ? base : n - 1),
				    n - 1 - (base < n - 1 ? base : n - 1)},
			    a, &after, &e) == 0)
			binlog_json_text(after, &out, &e);
		buf_free(&out);
		arena_free(&a);
	}
	return 0;
}
