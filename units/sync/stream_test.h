#pragma once
/* For tests only: events that real servers wrote (common/binlog/samples_test.h), and a few made by hand, one
 * after the other into assemble.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/binlog/sample_decode.h"
#include "common/binlog/samples_test.h"
#include "units/sync/trx.h"

struct stream {
	struct assemble *a;
	struct position at;
	struct err e;
};

static inline int setup(void **state)
{
	struct stream *s = xcalloc(1, sizeof(*s));

	s->a = assemble_new(NULL, 1 << 20);
	s->at = (struct position){1, 7, 4};
	*state = s;
	return 0;
}

static inline int teardown(void **state)
{
	struct stream *s = *state;

	assemble_free(&s->a);
	free(s);
	return 0;
}

static inline int feed(struct stream *s, struct str event, struct trx **out)
{
	int r = assemble_event(s->a, event, s->at, out, &s->e);

	s->at.offset += event.n;
	return r;
}

/* Feeds a sample that ends nothing. */
static inline void feed_hex(struct stream *s, const char *hex)
{
	struct trx *t;
	size_t n;
	char *p = sample_bytes(hex, &n);

	assert_int_equal(feed(s, (struct str){p, n}, &t), 0);
	assert_null(t);
	free(p);
}

static inline struct trx *feed_end(struct stream *s, const char *hex)
{
	struct trx *t;
	size_t n;
	char *p = sample_bytes(hex, &n);

	assert_int_equal(feed(s, (struct str){p, n}, &t), 0);
	free(p);
	assert_non_null(t);
	return t;
}

/* A QUERY event in the default database "d"; its checksum is not looked at here. */
static inline struct buf query(const char *sql)
{
	struct buf b = {0};

	buf_put_u32(&b, 1700000000);
	buf_put_u8(&b, BINLOG_QUERY);
	buf_put_u32(&b, 1);
	buf_put_u32(&b, (uint32_t)(19 + 13 + 2 + strlen(sql) + 4));
	buf_put_u32(&b, 0);
	buf_put_u16(&b, 0);
	buf_put_u32(&b, 5); /* thread */
	buf_put_u32(&b, 0); /* time */
	buf_put_u8(&b, 1);  /* length of the schema */
	buf_put_u16(&b, 0); /* error */
	buf_put_u16(&b, 0); /* status variables */
	buf_puts(&b, "d");
	buf_putc(&b, '\0');
	buf_puts(&b, sql);
	buf_put_u32(&b, 0);
	return b;
}

static inline int feed_query(struct stream *s, const char *sql, struct trx **t)
{
	struct buf b = query(sql);
	int r = feed(s, buf_str(&b), t);

	buf_free(&b);
	return r;
}

static inline void nothing(struct stream *s, const char *sql)
{
	struct trx *t;

	if (feed_query(s, sql, &t) < 0)
		fail_msg("%s: %s", sql, s->e.text);
	assert_null(t);
}

static inline void begin(struct stream *s)
{
	feed_hex(s, mysql_format);
	feed_hex(s, mysql_gtid);
	feed_hex(s, mysql_begin);
	feed_hex(s, mysql_table_map);
	feed_hex(s, mysql_insert);
}

/* A header and two bytes; its checksum is not looked at here. */
static inline struct buf small_event(uint8_t type, uint16_t flags)
{
	struct buf b = {0};

	buf_put_u32(&b, 1700000000);
	buf_put_u8(&b, type);
	buf_put_u32(&b, 1);
	buf_put_u32(&b, 19 + 2 + 4);
	buf_put_u32(&b, 0);
	buf_put_u16(&b, flags);
	buf_put(&b, "\1\0", 2);
	buf_put_u32(&b, 0);
	return b;
}
