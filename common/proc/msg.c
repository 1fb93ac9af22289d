/*
 * Encoders and decoders of every message, unfolded from include/msg.def. Decoding is strict: what is short,
 * too long or left over is refused, and nothing is copied: strings point into the message's bytes. Called by
 * whoever asks or answers over common/proc/link.h; knows nothing of transports.
 */
#include "common/proc/msg.h"

#include <inttypes.h>
#include <string.h>

static void msg_put_head(struct buf *b, uint16_t type, uint64_t request)
{
	buf_put_u16(b, msg_version(type));
	buf_put_u16(b, type);
	buf_put_u64(b, request);
}

static void msg_put_pos(struct buf *b, struct position p)
{
	buf_put_u32(b, p.generation);
	buf_put_u64(b, p.file);
	buf_put_u64(b, p.offset);
}

static void msg_put_err(struct buf *b, const struct err *e)
{
	buf_put_u32(b, e->code);
	buf_put_u32(b, e->sql_errno);
	buf_put_str(b, (struct str){e->text, strnlen(e->text, sizeof e->text - 1)});
}

static struct position msg_get_pos(struct cur *c)
{
	struct position p;

	p.generation = cur_u32(c);
	p.file = cur_u64(c);
	p.offset = cur_u64(c);
	return p;
}

/* The text ends up in logs and on terminals: bytes below blank become blanks, a NUL is refused. */
static struct err msg_get_err(struct cur *c)
{
	struct err e = {0};

	e.code = cur_u32(c);
	e.sql_errno = cur_u32(c);
	struct str text = cur_str(c);
	if (c->bad)
		return e;
	if (text.n >= sizeof e.text || (text.n && memchr(text.p, 0, text.n))) {
		c->bad = true;
		return e;
	}
	for (size_t i = 0; i < text.n; i++)
		e.text[i] = (unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f ? ' ' : text.p[i];
	return e;
}

#define MSG_BEGIN(id, name)                                                              \
	void msg_put_##name(struct buf *b, uint64_t request, const struct msg_##name *m) \
	{                                                                                \
		(void)m;                                                                 \
		msg_put_head(b, MSG_##name, request);
#define FIELD_U32(msg, f) buf_put_u32(b, m->f);
#define FIELD_U64(msg, f) buf_put_u64(b, m->f);
#define FIELD_STR(msg, f) buf_put_str(b, m->f);
#define FIELD_BYTES(msg, f) buf_put_str(b, m->f);
#define FIELD_POS(msg, f) msg_put_pos(b, m->f);
#define FIELD_ERROR(msg, f) msg_put_err(b, &m->f);
#define MSG_END(name) }
#include "msg.def"
#undef MSG_BEGIN
#undef FIELD_U32
#undef FIELD_U64
#undef FIELD_STR
#undef FIELD_BYTES
#undef FIELD_POS
#undef FIELD_ERROR
#undef MSG_END

static int msg_end(const struct cur *c, const char *name, struct err *e)
{
	if (c->bad)
		return err_set(e, ERR_proto, "message %s is cut short or has a bad length", name);
	if (cur_left(c))
		return err_set(e, ERR_proto, "message %s has %zu bytes too many", name, cur_left(c));
	return 0;
}

#define MSG_BEGIN(id, name)                                                      \
	int msg_get_##name(struct str body, struct msg_##name *m, struct err *e) \
	{                                                                        \
		struct cur c = cur_of(body.p, body.n);                           \
		memset(m, 0, sizeof *m);
#define FIELD_U32(msg, f) m->f = cur_u32(&c);
#define FIELD_U64(msg, f) m->f = cur_u64(&c);
#define FIELD_STR(msg, f) m->f = cur_str(&c);
#define FIELD_BYTES(msg, f) m->f = cur_str(&c);
#define FIELD_POS(msg, f) m->f = msg_get_pos(&c);
#define FIELD_ERROR(msg, f) m->f = msg_get_err(&c);
#define MSG_END(name)                 \
	return msg_end(&c, #name, e); \
	}
#include "msg.def"
#undef MSG_BEGIN
#undef FIELD_U32
#undef FIELD_U64
#undef FIELD_STR
#undef FIELD_BYTES
#undef FIELD_POS
#undef FIELD_ERROR
#undef MSG_END

int msg_open(struct str bytes, struct msg_head *h, struct str *body, struct err *e)
{
	if (bytes.n < MSG_HEAD_SIZE)
		return err_set(e, ERR_proto, "a message of %zu bytes is shorter than its header", bytes.n);
	if (bytes.n > MSG_MAX_SIZE)
		return err_set(e, ERR_proto, "a message of %zu bytes is too long", bytes.n);
	struct cur c = cur_of(bytes.p, bytes.n);
	h->proto = cur_u16(&c);
	h->type = cur_u16(&c);
	h->request = cur_u64(&c);
	if (h->proto > MSG_PROTO || h->proto != msg_version(h->type))
		return err_set(e, ERR_proto,
			"message %u of protocol version %u, this is version %d: the other side is newer, or "
			"no Tidegate",
			h->type, h->proto, MSG_PROTO);
	*body = (struct str){bytes.p + MSG_HEAD_SIZE, bytes.n - MSG_HEAD_SIZE};
	return 0;
}

const char *msg_name(uint16_t type)
{
	switch (type) {
#define MSG_BEGIN(id, name) \
	case id:            \
		return #name;
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
	default:
		return "?";
	}
}

int msg_expect(struct str bytes, uint16_t type, struct str *body, struct err *e)
{
	struct msg_head h;
	struct msg_failed f;

	if (msg_open(bytes, &h, body, e) < 0)
		return -1;
	if (h.type == type)
		return 0;
	if (h.type != MSG_failed)
		return err_set(e, ERR_proto, "reply %s (%u) where %s was expected", msg_name(h.type), h.type,
			msg_name(type));
	if (msg_get_failed(*body, &f, e) < 0)
		return -1;
	if (f.error.code == ERR_NONE)
		return err_set(e, ERR_proto, "a `failed` without an error code");
	if (e)
		*e = f.error;
	return -1;
}
