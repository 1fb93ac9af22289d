/*
 * Every message: there and back again, each truncation, one byte too many, hostile lengths. Unfolded from
 * msg.def like the code itself, so a new message is tested by being written down.
 */
#include "common/proc/msg.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/io.h"
#include "common/base/xalloc.h"

#define FILL_TEXT "some text\0with a NUL and \xff"

static struct str fill_str(void)
{
	return STR_LIT(FILL_TEXT);
}

static struct position fill_pos(void)
{
	return (struct position){7, UINT64_C(1) << 40, (UINT64_C(1) << 33) + 5};
}

static struct err fill_err(void)
{
	return (struct err){
		.code = ERR_sync_row_missing, .sql_errno = 1213, .text = "a row that is not there"};
}

/* fill_NAME: every field set; again_NAME: what was decoded, encoded again. */
#define MSG_BEGIN(id, name)                    \
	static void fill_##name(struct buf *b) \
	{                                      \
		struct msg_##name m = {0};
#define FIELD_U32(msg, f) m.f = 0x80000001u;
#define FIELD_U64(msg, f) m.f = UINT64_C(0x8000000000000001);
#define FIELD_STR(msg, f) m.f = fill_str();
#define FIELD_BYTES(msg, f) m.f = fill_str();
#define FIELD_POS(msg, f) m.f = fill_pos();
#define FIELD_ERROR(msg, f) m.f = fill_err();
#define MSG_END(name)              \
	msg_put_##name(b, 42, &m); \
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

#define FIELD_U32(msg, f)
#define FIELD_U64(msg, f)
#define FIELD_STR(msg, f)
#define FIELD_BYTES(msg, f)
#define FIELD_POS(msg, f)
#define FIELD_ERROR(msg, f)
#define MSG_END(name)
#define MSG_BEGIN(id, name)                                                    \
	static int again_##name(struct str body, struct buf *b, struct err *e) \
	{                                                                      \
		struct msg_##name m;                                           \
		if (msg_get_##name(body, &m, e) < 0)                           \
			return -1;                                             \
		msg_put_##name(b, 42, &m);                                     \
		return 0;                                                      \
	}
#include "msg.def"
#undef MSG_BEGIN

static const struct {
	uint16_t type;
	const char *name;
	void (*fill)(struct buf *b);
	int (*again)(struct str body, struct buf *b, struct err *e);
} all[] = {
#define MSG_BEGIN(id, name) {id, #name, fill_##name, again_##name},
#include "msg.def"
#undef MSG_BEGIN
};

enum { ALL = sizeof all / sizeof *all };

static void there_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ALL; i++) {
		struct buf b = {0}, b2 = {0};
		struct msg_head h;
		struct str body;
		struct err e;
		all[i].fill(&b);
		assert_int_equal(msg_open(buf_str(&b), &h, &body, &e), 0);
		assert_int_equal(h.proto, MSG_PROTO);
		assert_int_equal(h.type, all[i].type);
		assert_int_equal(h.request, 42);
		assert_string_equal(msg_name(h.type), all[i].name);
		assert_int_equal(all[i].again(body, &b2, &e), 0);
		assert_int_equal(b.n, b2.n);
		assert_memory_equal(b.p, b2.p, b.n);
		buf_free(&b);
		buf_free(&b2);
	}
}

/* In a block of its exact size, so that a sanitizer sees the first byte read too far. */
static int get_exact(size_t i, const char *p, size_t n, struct err *e)
{
	struct buf out = {0};
	char *copy = n ? xmemdup(p, n) : xmalloc(1);
	int rc = all[i].again((struct str){copy, n}, &out, e);

	free(copy);
	buf_free(&out);
	return rc;
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ALL; i++) {
		struct buf b = {0};
		struct err e;
		all[i].fill(&b);
		for (size_t n = 0; n < b.n - MSG_HEAD_SIZE; n++) {
			err_clear(&e);
			assert_int_equal(get_exact(i, b.p + MSG_HEAD_SIZE, n, &e), -1);
			assert_int_equal(e.code, ERR_proto);
		}
		buf_putc(&b, 0);
		assert_int_equal(get_exact(i, b.p + MSG_HEAD_SIZE, b.n - MSG_HEAD_SIZE, &e), -1);
		assert_non_null(strstr(e.text, "too many"));
		buf_free(&b);
	}
}

/* Each 4 bytes of each message in turn become a huge length, or a length that just leaves the message. */
static void hostile_lengths(void **state)
{
	static const uint32_t lengths[] = {UINT32_MAX, INT32_MAX, 0x80000000u, 4096, 1};

	(void)state;
	for (size_t i = 0; i < ALL; i++) {
		struct buf b = {0};
		all[i].fill(&b);
		for (size_t at = MSG_HEAD_SIZE; at + 4 <= b.n; at++) {
			for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
				char was[4];
				memcpy(was, b.p + at, 4);
				memcpy(b.p + at, &lengths[k], 4);
				struct err e;
				get_exact(
					i, b.p + MSG_HEAD_SIZE, b.n - MSG_HEAD_SIZE, &e); /* must not crash */
				memcpy(b.p + at, was, 4);
			}
		}
		buf_free(&b);
	}
}

/* ---- golden bytes: tests/protocol/VERSION.txt, a line "number name bytes" for each message ---- */

static void golden_line(size_t i, struct buf *out)
{
	struct buf b = {0};

	all[i].fill(&b);
	buf_putf(out, "%u %s ", all[i].type, all[i].name);
	for (size_t k = 0; k < b.n; k++)
		buf_putf(out, "%02x", (unsigned char)b.p[k]);
	buf_putc(out, '\n');
	buf_free(&b);
}

static void print_golden(uint16_t version)
{
	struct buf b = {0};

	for (size_t i = 0; i < ALL; i++)
		if (msg_version(all[i].type) == version)
			golden_line(i, &b);
	fwrite(b.p, 1, b.n, stdout);
	buf_free(&b);
}

static size_t count_lines(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n;
}

/* What a message looks like on the wire is a promise to older releases. */
static void golden_bytes(void **state)
{
	(void)state;
	for (uint16_t version = 1; version <= MSG_PROTO; version++) {
		struct buf file = {0}, line = {0};
		struct err e = {0};
		char name[32];
		size_t messages = 0;

		snprintf(name, sizeof name, "%u.txt", version);
		int dir = open(GOLDEN, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_int_equal(io_read_file(dir, name, 1 << 20, &file, &e), 0);
		close(dir);
		for (size_t i = 0; i < ALL; i++) {
			if (msg_version(all[i].type) != version)
				continue;
			messages++;
			buf_clear(&line);
			golden_line(i, &line);
			if (!memmem(file.p, file.n, line.p, line.n))
				fail_msg("message %u %s is not as in tests/protocol/%s: what was released "
					 "never "
					 "changes, make a new message. A new one: add its line (msg_test "
					 "--golden %u prints them)",
					all[i].type, all[i].name, name, version);
		}
		if (count_lines(buf_str(&file)) != messages)
			fail_msg("tests/protocol/%s has messages that are gone: they stay for one version "
				 "more",
				name);
		buf_free(&file);
		buf_free(&line);
	}
}

static void versions(void **state)
{
	struct buf b = {0};
	struct msg_head h;
	struct str body;
	struct err e;

	(void)state;
	assert_int_equal(msg_version(1), 1);
	assert_int_equal(msg_version(999), 1);
	assert_int_equal(msg_version(1000), 2);
	for (size_t i = 0; i < ALL; i++)
		assert_in_range(msg_version(all[i].type), 1, MSG_PROTO);
	msg_put_ok(&b, 1, &(struct msg_ok){0});
	b.p[0] = 0;
	assert_int_equal(msg_open(buf_str(&b), &h, &body, &e), -1);
	b.p[0] = MSG_PROTO + 1;
	assert_int_equal(msg_open(buf_str(&b), &h, &body, &e), -1);
	assert_int_equal(e.code, ERR_proto);
	buf_free(&b);
}

static void bad_headers(void **state)
{
	static const char bytes[] = {1, 0, 10, 0, 1, 2, 3, 4, 5, 6, 7, 8};
	struct msg_head h;
	struct str body;
	struct err e;

	(void)state;
	for (size_t n = 0; n < sizeof bytes; n++)
		assert_int_equal(msg_open((struct str){bytes, n}, &h, &body, &e), -1);
	assert_int_equal(msg_open((struct str){bytes, sizeof bytes}, &h, &body, &e), 0);
	assert_int_equal(body.n, 0);
	assert_int_equal(h.request, UINT64_C(0x0807060504030201));
	char other[sizeof bytes];
	memcpy(other, bytes, sizeof bytes);
	other[0] = 2;
	assert_int_equal(msg_open((struct str){other, sizeof other}, &h, &body, &e), -1);
	assert_non_null(strstr(e.text, "protocol version 2"));
	char *large = xcalloc(1, MSG_MAX_SIZE + 1);
	memcpy(large, bytes, sizeof bytes);
	assert_int_equal(msg_open((struct str){large, MSG_MAX_SIZE + 1}, &h, &body, &e), -1);
	assert_int_equal(msg_open((struct str){large, MSG_MAX_SIZE}, &h, &body, &e), 0);
	free(large);
	assert_string_equal(msg_name(9999), "?");
}

static void expected_replies(void **state)
{
	struct msg_failed f = {.error = fill_err()};
	struct msg_ok ok = {0};
	struct buf b = {0};
	struct str body;
	struct err e;

	(void)state;
	msg_put_ok(&b, 1, &ok);
	assert_int_equal(msg_expect(buf_str(&b), MSG_ok, &body, &e), 0);
	assert_int_equal(msg_expect(buf_str(&b), MSG_events, &body, &e), -1);
	assert_int_equal(e.code, ERR_proto);
	buf_clear(&b);
	msg_put_failed(&b, 1, &f);
	assert_int_equal(msg_expect(buf_str(&b), MSG_ok, &body, &e), -1);
	assert_int_equal(e.code, ERR_sync_row_missing);
	assert_int_equal(e.sql_errno, 1213);
	assert_string_equal(e.text, "a row that is not there");
	buf_clear(&b);
	f.error.code = 0; /* "failed, but not": no success by trickery */
	msg_put_failed(&b, 1, &f);
	assert_int_equal(msg_expect(buf_str(&b), MSG_ok, &body, &e), -1);
	assert_int_equal(e.code, ERR_proto);
	buf_free(&b);
}

static int get_error_text(const char *text, size_t n, struct msg_failed *f)
{
	struct buf b = {0};
	struct err e;

	buf_put_u32(&b, ERR_io);
	buf_put_u32(&b, 0);
	buf_put_str(&b, (struct str){text, n});
	int rc = msg_get_failed(buf_str(&b), f, &e);
	buf_free(&b);
	return rc;
}

/* What another process calls an error ends up in logs: no line breaks, no NUL, not longer than the place for
 * it. */
static void error_texts(void **state)
{
	struct msg_failed f;
	char longest[sizeof f.error.text];

	(void)state;
	memset(longest, 'x', sizeof longest);
	assert_int_equal(get_error_text(longest, sizeof longest - 1, &f), 0);
	assert_int_equal(strlen(f.error.text), sizeof longest - 1);
	assert_int_equal(get_error_text(longest, sizeof longest, &f), -1);
	assert_int_equal(get_error_text("a\0b", 3, &f), -1);
	assert_int_equal(get_error_text("a\nb\033[31m\x7f", 9, &f), 0);
	assert_string_equal(f.error.text, "a b [31m ");
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(hostile_lengths),
		cmocka_unit_test(golden_bytes),
		cmocka_unit_test(versions),
		cmocka_unit_test(bad_headers),
		cmocka_unit_test(expected_replies),
		cmocka_unit_test(error_texts),
	};

	if (argc == 3 && strcmp(argv[1], "--golden") == 0) {
		print_golden((uint16_t)atoi(argv[2]));
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
