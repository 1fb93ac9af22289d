#pragma once
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/position.h"

/* Messages, unfolded from include/msg.def: struct msg_NAME, MSG_NAME, msg_put_NAME, msg_get_NAME. MSG_PROTO:
 * the newest version that there is a message of. */
enum { MSG_PROTO = 1, MSG_HEAD_SIZE = 12, MSG_MAX_SIZE = 4 << 20 };
/* The most text beside a message's other fields. What is longer goes in pieces (paged.h). */
enum { MSG_TEXT_MAX = MSG_MAX_SIZE - 4096 };

enum msg_type {
	MSG_NONE = 0,
#define MSG_BEGIN(id, name) MSG_##name = id,
#define FIELD_U32(msg, f)
#define FIELD_U64(msg, f)
#define FIELD_STR(msg, f)
#define FIELD_BYTES(msg, f)
#define FIELD_POS(msg, f)
#define FIELD_ERROR(msg, f)
#define MSG_END(name)
#include "msg.def"
#undef MSG_BEGIN
#undef FIELD_U32
#undef FIELD_U64
#undef FIELD_STR
#undef FIELD_BYTES
#undef FIELD_POS
#undef FIELD_ERROR
#undef MSG_END
};

/* One struct a message. Strings are borrowed: on decoding from the message's bytes. */
#define MSG_BEGIN(id, name) \
	struct msg_##name { \
		char nothing_;
#define FIELD_U32(msg, f) uint32_t f;
#define FIELD_U64(msg, f) uint64_t f;
#define FIELD_STR(msg, f) struct str f;
#define FIELD_BYTES(msg, f) struct str f;
#define FIELD_POS(msg, f) struct position f;
#define FIELD_ERROR(msg, f) struct err f;
#define MSG_END(name) \
	}             \
	;
#include "msg.def"
#undef MSG_BEGIN
#undef FIELD_U32
#undef FIELD_U64
#undef FIELD_STR
#undef FIELD_BYTES
#undef FIELD_POS
#undef FIELD_ERROR
#undef MSG_END

/* The protocol version that a message came with, and is marked with for ever (docs/protocol.md). */
static inline uint16_t msg_version(uint16_t type)
{
	return (uint16_t)(type / 1000 + 1);
}

struct msg_head {
	uint16_t proto, type;
	uint64_t request; /* the asker's number; the reply carries it too */
};

/* Appends header and fields to b. */
#define MSG_BEGIN(id, name) void msg_put_##name(struct buf *b, uint64_t request, const struct msg_##name *m);
#define FIELD_U32(msg, f)
#define FIELD_U64(msg, f)
#define FIELD_STR(msg, f)
#define FIELD_BYTES(msg, f)
#define FIELD_POS(msg, f)
#define FIELD_ERROR(msg, f)
#define MSG_END(name)
#include "msg.def"
#undef MSG_BEGIN
/* Decodes a body (what is behind the header); every length checked, nothing may be left over. 0, or -1 with
 * ERR_proto. */
#define MSG_BEGIN(id, name) int msg_get_##name(struct str body, struct msg_##name *m, struct err *e);
#include "msg.def"
#undef MSG_BEGIN
#undef FIELD_U32
#undef FIELD_U64
#undef FIELD_STR
#undef FIELD_BYTES
#undef FIELD_POS
#undef FIELD_ERROR
#undef MSG_END

/* Splits a message into header and body; a newer protocol version or a short message is refused. */
int msg_open(struct str bytes, struct msg_head *h, struct str *body, struct err *e);
/* "fetch"; "?" for an unknown type. */
const char *msg_name(uint16_t type);
/* A reply that must be of this type: 0 and its body, or -1 with the error that a `failed` carries, or
 * ERR_proto. */
int msg_expect(struct str bytes, uint16_t type, struct str *body, struct err *e);
