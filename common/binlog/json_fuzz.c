/* Any bytes as binary JSON. */
#include "common/binlog/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf out = {0};
	struct err e = {0};

	binlog_json_text((struct str){(const char *)p, n}, &out, &e);
	buf_clear(&out);
	binlog_put_json(&out, (struct str){(const char *)p, n}, &e);
	buf_free(&out);
	return 0;
}
