/*
 * MySQL's binary JSON: finding members. Offsets inside are foreign: each is checked against its own
 * container. Called by json.c (text) and json_sql.c (expressions).
 */
#include "common/binlog/json_walk.h"

#include "common/binlog/wire.h"

enum { MAX_DEPTH = 100 };

int bj_damaged(struct err *e)
{
	return err_set(e, ERR_sync_binlog, "a JSON value in the binlog is damaged");
}

void bj_root(struct str bytes, struct bj_node *v)
{
	static const uint8_t null[1] = {0};

	v->at = bytes.n ? wire_cur(bytes) : cur_of(null, 1);
	v->type = bytes.n ? cur_u8(&v->at) : BJ_LITERAL;
}

bool bj_is_container(uint8_t type)
{
	return type <= BJ_LARGE_ARRAY;
}

int bj_open(const struct bj_node *v, unsigned depth, struct bj_container *k, struct err *e)
{
	struct cur c = v->at;
	size_t whole = cur_left(&c);

	*k = (struct bj_container){
		.p = c.p, .wide = v->type == BJ_LARGE_OBJECT || v->type == BJ_LARGE_ARRAY ? 4 : 2};
	k->object = v->type == BJ_SMALL_OBJECT || v->type == BJ_LARGE_OBJECT;
	k->count = (uint32_t)cur_uint(&c, k->wide);
	k->n = cur_uint(&c, k->wide);
	return c.bad || k->n > whole || depth > MAX_DEPTH ? bj_damaged(e) : 0;
}

static bool is_inline(uint8_t type, unsigned wide)
{
	return type == BJ_LITERAL || type == BJ_INT16 || type == BJ_UINT16 ||
	       (wide == 4 && (type == BJ_INT32 || type == BJ_UINT32));
}

int bj_key(const struct bj_container *k, uint32_t i, struct str *key, struct err *e)
{
	struct cur entry = cur_of(k->p, k->n), at = cur_of(k->p, k->n);
	uint64_t offset;

	cur_skip(&entry, 2 * k->wide + (size_t)i * (k->wide + 2));
	offset = cur_uint(&entry, k->wide);
	cur_skip(&at, offset);
	*key = wire_text(&at, cur_u16(&entry));
	return entry.bad || at.bad ? bj_damaged(e) : 0;
}

int bj_member(const struct bj_container *k, uint32_t i, struct bj_node *v, struct err *e)
{
	size_t keys = k->object ? (size_t)k->count * (k->wide + 2) : 0;
	struct cur entry = cur_of(k->p, k->n);

	cur_skip(&entry, 2 * k->wide + keys + (size_t)i * (1 + k->wide));
	v->type = cur_u8(&entry);
	if (is_inline(v->type, k->wide)) {
		const uint8_t *p = cur_bytes(&entry, k->wide);

		if (p)
			v->at = cur_of(p, k->wide);
		return p ? 0 : bj_damaged(e);
	}
	v->at = cur_of(k->p, k->n);
	cur_skip(&v->at, cur_uint(&entry, k->wide));
	return entry.bad || v->at.bad ? bj_damaged(e) : 0;
}

struct str bj_string(struct cur *c)
{
	uint64_t n = 0;

	for (unsigned shift = 0; shift < 35; shift += 7) {
		uint8_t b = cur_u8(c);

		n |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return wire_text(c, n);
	}
	c->bad = true;
	return (struct str){0};
}
