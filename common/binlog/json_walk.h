#pragma once
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/binlog/json.h"

/* Moving about in MySQL's binary JSON. Nobody outside this folder includes it. */
enum bj_type {
	BJ_SMALL_OBJECT = 0,
	BJ_LARGE_OBJECT = 1,
	BJ_SMALL_ARRAY = 2,
	BJ_LARGE_ARRAY = 3,
	BJ_LITERAL = 4,
	BJ_INT16 = 5,
	BJ_UINT16 = 6,
	BJ_INT32 = 7,
	BJ_UINT32 = 8,
	BJ_INT64 = 9,
	BJ_UINT64 = 10,
	BJ_DOUBLE = 11,
	BJ_STRING = 12,
	BJ_OPAQUE = 15,
};

struct bj_node {
	uint8_t type;
	struct cur at; /* its bytes, and what follows it in its container */
};

/* An object or array: its bytes begin with count and size, entries point into it. */
struct bj_container {
	const uint8_t *p;
	size_t n;
	unsigned wide; /* bytes of offsets and sizes: 2 or 4 */
	bool object;
	uint32_t count;
};

/* Always -1, with ERR_sync_binlog. */
int bj_damaged(struct err *e);
/* The whole value; no bytes at all are the null that INSERT IGNORE makes. */
void bj_root(struct str bytes, struct bj_node *v);
bool bj_is_container(uint8_t type);
/* depth counts from 1; more than the server's 100 is damage. */
int bj_open(const struct bj_node *v, unsigned depth, struct bj_container *k, struct err *e);
int bj_key(const struct bj_container *k, uint32_t i, struct str *key, struct err *e);
int bj_member(const struct bj_container *k, uint32_t i, struct bj_node *v, struct err *e);
/* A length of seven bits a byte, then the bytes. */
struct str bj_string(struct cur *c);
/* json_sql.c: the whole value as an SQL expression that is JSON, or of a type that becomes its own in JSON.
 */
int bj_put_sql(struct buf *sql, struct str bytes, enum json_to to, struct err *e);
/* json.c: the node as text. */
int bj_put_node(struct buf *out, const struct bj_node *v, struct err *e);
