/* libFuzzer: any bytes as a message. What decodes must encode to the same bytes again: nothing is read past,
 * nothing is lost. */
#include <assert.h>
#include <string.h>

#include "common/proc/msg.h"

static bool has_error(uint16_t type)
{
	return type == MSG_failed || type == MSG_unit_next ||
	       type == MSG_unit_bye; /* error texts are cleaned */
}

#define FIELD_U32(msg, f)
#define FIELD_U64(msg, f)
#define FIELD_STR(msg, f)
#define FIELD_BYTES(msg, f)
#define FIELD_POS(msg, f)
#define FIELD_ERROR(msg, f)
#define MSG_END(name)

static int again(const struct msg_head *h, struct str body, struct buf *out)
{
	struct err e;

	switch (h->type) {
#define MSG_BEGIN(id, name)                           \
	case id: {                                    \
		struct msg_##name m;                  \
		if (msg_get_##name(body, &m, &e) < 0) \
			return -1;                    \
		msg_put_##name(out, h->request, &m);  \
		return 0;                             \
	}
#include "msg.def"
	default:
		return -1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct msg_head h;
	struct buf out = {0};
	struct str body, bytes = {(const char *)data, size};
	struct err e;

	msg_expect(bytes, MSG_ok, &body, &e);
	if (msg_open(bytes, &h, &body, &e) < 0)
		return 0;
	if (again(&h, body, &out) == 0) {
		assert(out.n == size);
		assert(has_error(h.type) || memcmp(out.p, data, size) == 0);
	}
	buf_free(&out);
	return 0;
}
