/* The lowest layer: errors, buffers, readers, maps, arena, positions, log lines, addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/address.h"
#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/position.h"
#include "common/base/utf8.h"
#include "common/base/within.h"
#include "common/base/xalloc.h"

static void err_builds_context(void **state)
{
	struct err e;
	char line[2000];

	(void)state;
	assert_int_equal(err_set(&e, ERR_relay_gone, "file %s", "bin.000001"), -1);
	assert_int_equal(err_add(&e, "source %s", "s1"), -1);
	assert_string_equal(e.text, "source s1: file bin.000001");
	err_line(&e, line, sizeof(line));
	assert_non_null(strstr(line, "[code=60202:class=relay-unit:scope=upstream:level=high], Message: "));
	assert_int_equal(err_act(ERR_relay_gone), ERR_ACT_PAUSE);
	assert_string_equal(err_info(4242)->name, "internal");
	assert_int_equal(err_set(NULL, ERR_io, "no place"), -1);
}

static void err_is_one_bounded_line(void **state)
{
	char big[5000];
	struct err e;

	(void)state;
	memset(big, 'x', sizeof(big));
	big[10] = '\n';
	big[sizeof(big) - 1] = '\0';
	err_set(&e, ERR_internal, "%s", big);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_null(strchr(e.text, '\n'));
	assert_string_equal(e.text + strlen(e.text) - 3, "...");
	err_add(&e, "%s", big);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

/* However a long text of two and three bytes a character falls, what is left of it is whole characters. */
static void err_is_cut_between_characters(void **state)
{
	char big[1200];
	struct err e;

	(void)state;
	for (size_t before = 0; before < 6; before++) {
		size_t n = before;

		memset(big, 'x', before);
		while (n + 6 < sizeof(big)) {
			memcpy(big + n, "é…", 5);
			n += 5;
		}
		big[n] = '\0';
		err_set(&e, ERR_internal, "%s", big);
		n = strlen(e.text);
		assert_in_range(n, sizeof(e.text) - 6, sizeof(e.text) - 1);
		assert_string_equal(e.text + n - 3, "...");
		n -= 3;
		assert_true((n - before) % 5 == 0 || (n - before) % 5 == 2);
	}
}

static void utf8_is_told_from_other_bytes(void **state)
{
	static const char *const good[] = {"", "plain", "é…😀", "\xed\x9f\xbf", "\xee\x80\x80",
		"\xf4\x8f\xbf\xbf"},
				 *const bad[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3x",
					 "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
					 "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "a\xff", "\xe2\x82"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(utf8_is(str_of(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(utf8_is(str_of(bad[i])));
	assert_true(utf8_is(STR_LIT("a\0b")));
	assert_int_equal(utf8_character("…x", 4), 3);
	assert_int_equal(utf8_character("…", 2), 0);
	assert_true(utf8_is_ascii(str_of("plain")));
	assert_false(utf8_is_ascii(str_of("é")));
}

static void error_codes_are_unique(void **state)
{
	static const uint32_t codes[] = {
#define ERR(code, name, class, scope, level, act, message, workaround) code,
#include "error.def"
#undef ERR
	};
	size_t n = sizeof(codes) / sizeof(codes[0]);

	(void)state;
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			assert_int_not_equal(codes[i], codes[j]);
}

static void buf_and_cur_round_trip(void **state)
{
	struct buf b = {0};
	struct cur c;

	(void)state;
	buf_put_u8(&b, 0xfe);
	buf_put_u16(&b, 0x1234);
	buf_put_u32(&b, 0xdeadbeef);
	buf_put_u64(&b, UINT64_MAX - 1);
	buf_put_str(&b, STR_LIT("hello"));
	buf_putf(&b, "%d-%s", 42, "x");
	c = cur_of(b.p, b.n);
	assert_int_equal(cur_u8(&c), 0xfe);
	assert_int_equal(cur_u16(&c), 0x1234);
	assert_int_equal(cur_u32(&c), 0xdeadbeef);
	assert_true(cur_u64(&c) == UINT64_MAX - 1);
	assert_true(str_is(cur_str(&c), "hello"));
	assert_memory_equal(cur_bytes(&c, 4), "42-x", 4);
	assert_int_equal(cur_left(&c), 0);
	assert_false(c.bad);
	assert_int_equal(cur_u8(&c), 0);
	assert_true(c.bad);
	buf_cut_front(&b, 1);
	assert_int_equal((uint8_t)b.p[0], 0x34);
	buf_free(&b);
	assert_string_equal(buf_cstr(&b), "");
	buf_free(&b);
}

static void cur_never_reads_past_its_end(void **state)
{
	uint8_t bytes[] = {200, 0, 0, 0, 'a', 'b'};

	(void)state;
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		uint8_t *copy = xmemdup(bytes, n);
		struct cur c = cur_of(copy, n);

		assert_null(cur_str(&c).p);
		assert_true(c.bad);
		assert_int_equal(cur_u64(&c), 0);
		free(copy);
	}
}

static void map_keeps_what_it_is_given(void **state)
{
	struct map *m = map_new();
	size_t at = 0, seen = 0;
	char key[16];
	void *value;

	(void)state;
	for (uintptr_t i = 1; i <= 1000; i++) {
		snprintf(key, sizeof(key), "k%zu", (size_t)i);
		assert_null(map_put(m, str_of(key), (void *)i));
	}
	assert_ptr_equal(map_put(m, STR_LIT("k7"), (void *)7777), (void *)7);
	assert_ptr_equal(map_get(m, STR_LIT("k7")), (void *)7777);
	assert_ptr_equal(map_del(m, STR_LIT("k8")), (void *)8);
	assert_null(map_get(m, STR_LIT("k8")));
	assert_null(map_del(m, STR_LIT("k8")));
	while (map_next(m, &at, NULL, &value))
		seen += value != NULL;
	assert_int_equal(seen, 999);
	assert_int_equal(map_count(m), 999);
	map_free(&m, NULL);
	assert_null(m);
}

static void arena_is_aligned_and_bounded(void **state)
{
	struct arena *a = arena_new(128);

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		char *p = arena_alloc(a, i % 37);

		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		memset(p, 1, i % 37);
	}
	arena_alloc(a, 1 << 20);
	arena_clear(a);
	assert_int_equal(arena_used(a), 0);
	assert_string_equal(arena_strdup(a, STR_LIT("abc")), "abc");
	assert_string_equal(arena_printf(a, "%d", 5), "5");
	arena_free(&a);
	assert_null(a);
}

static void positions_compare_and_travel(void **state)
{
	struct position a = {1, 3, UINT64_C(5000000000)}, b = {2, 1, 4}, c;
	char text[300];
	struct err e;

	(void)state;
	assert_true(position_cmp(a, b) < 0);
	position_store(a, text, sizeof(text));
	assert_string_equal(text, "1:3:5000000000");
	assert_int_equal(position_load(str_of(text), &c, &e), 0);
	assert_int_equal(position_cmp(a, c), 0);
	position_text(a, "mysql-bin", text, sizeof(text));
	assert_string_equal(text, "1:mysql-bin.000003:5000000000");
	static const char *const bad[] = {"", "1", "1:2", "1:2:", ":2:3", "1:2:3x", "-1:2:3",
		"4294967296:1:1", "1:2:99999999999999999999"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(position_load(str_of(bad[i]), &c, &e), -1);
}

static void binlog_names_split(void **state)
{
	static const char *const bad[] = {
		"", "x", ".000001", "bin.", "bin.00a", "a/b.000001", "bin.99999999999999999999"};
	char base[64], name[64];
	uint64_t n;
	struct err e;

	(void)state;
	assert_int_equal(binlog_name_split(STR_LIT("my.host-bin.1000000"), base, sizeof(base), &n, &e), 0);
	assert_string_equal(base, "my.host-bin");
	assert_int_equal(n, 1000000);
	binlog_name_make(name, sizeof(name), base, 7);
	assert_string_equal(name, "my.host-bin.000007");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(binlog_name_split(str_of(bad[i]), base, sizeof(base), &n, &e), -1);
	assert_int_equal(binlog_name_split(STR_LIT("abcdef.000001"), base, 6, &n, &e), -1);
}

/* What the process writes to fd 2 while fn runs. */
static void captured(void (*fn)(void), char *out, size_t size)
{
	int pipes[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	dup2(pipes[1], STDERR_FILENO);
	close(pipes[1]);
	fn();
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(pipes[0], out, size - 1);
	out[n < 0 ? 0 : n] = '\0';
	close(pipes[0]);
}

static void write_lines(void)
{
	log_info("two\nlines %d", 1);
	log_debug("not at this level");
	log_context("task=%s", "t1");
	log_warn("with context");
	log_context("%s", "");
}

static void log_lines_are_single(void **state)
{
	char out[4096];

	(void)state;
	captured(write_lines, out, sizeof(out));
	assert_non_null(strstr(out, "info base_test.c:"));
	assert_non_null(strstr(out, "two lines 1\n"));
	assert_null(strstr(out, "not at this level"));
	assert_non_null(strstr(out, "with context task=t1\n"));
}

static void clock_goes_forward(void **state)
{
	uint64_t a = clock_ms();
	char text[32];

	(void)state;
	clock_sleep_ms(2);
	assert_true(clock_ms() > a);
	clock_text(UINT64_C(1700000000123456), text, sizeof(text));
	assert_string_equal(text, "2023-11-14 22:13:20.123");
}

static void numbers_are_written_in_decimal(void **state)
{
	static const struct {
		uint64_t v;
		unsigned digits;
		const char *text;
	} cases[] = {{0, 1, "0"}, {0, 3, "000"}, {7, 1, "7"}, {7, 2, "07"}, {1234, 2, "1234"},
		{UINT64_MAX, 1, "18446744073709551615"}, {5, 20, "00000000000000000005"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = {0};

		buf_put_digits(&b, cases[i].v, cases[i].digits);
		assert_string_equal(buf_cstr(&b), cases[i].text);
		buf_free(&b);
	}
}

static void sleeps(void *ms)
{
	clock_sleep_ms(*(uint64_t *)ms);
}

static void within_its_time(void **state)
{
	static uint64_t nothing, long_ms = 400; /* static: the thread is left behind */
	uint64_t began = clock_ms();

	(void)state;
	assert_true(within(sleeps, &nothing, 20000));
	assert_false(within(sleeps, &long_ms, 50));
	assert_in_range(clock_ms() - began, 50, 15000);
	clock_sleep_ms(500); /* it lets go itself */
}

static void addresses(void **state)
{
	static const char *const bad[] = {"", "tcp://", "tcp://host", "tcp://host:", "tcp://host:0",
		"tcp://host:65536", "tcp://host:1x", "tcp://::1:80", "tcp://[::1]80", "tls+tcp://ho st:1",
		"http://a:1", "ipc://", "tcp://a:123456789012", "tcp://\"a\":1", "tcp://:1"};
	static const char *const every[] = {
		"tcp://*:1", "tls+tcp://0.0.0.0:1", "tcp://[::]:1", "tcp://0:1", "tcp://[0:0:0:0:0:0:0:0]:1"};
	static const char *const far[] = {"tcp://127.0.0.1:1", "tls+tcp://db1:1", "tcp://*:1"};
	static const char *const near[] = {"/run/x/master.sock", "ipc:///run/x", "ipc://tcp/x", "master.sock",
		"a+tcp://x:1", "/run/tcp://x", "tcp://x"};
	struct address a;
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(address_parse(bad[i], &a, &e), -1);
	assert_int_equal(address_parse("tls+tcp://db1.example.org:8261", &a, &e), 0);
	assert_true(a.kind == ADDRESS_TLS && a.port == 8261 && !a.loopback);
	assert_string_equal(a.host, "db1.example.org");
	assert_int_equal(address_parse("tcp://[::1]:65535", &a, &e), 0);
	assert_true(a.kind == ADDRESS_TCP && a.port == 65535 && a.loopback);
	assert_string_equal(a.host, "::1");
	assert_int_equal(address_parse("tcp://127.1.2.3:1", &a, &e), 0);
	assert_true(a.loopback);
	assert_false(a.every);
	for (size_t i = 0; i < sizeof(every) / sizeof(every[0]); i++) {
		assert_int_equal(address_parse(every[i], &a, &e), 0);
		assert_true(a.every && !a.loopback);
	}
	assert_int_equal(address_parse("tcp://[::1]:1", &a, &e), 0);
	assert_false(a.every);
	assert_int_equal(address_parse("tcp://10.0.0.0:1", &a, &e), 0);
	assert_false(a.every);
	assert_int_equal(address_parse("tcp://localhost.evil:1", &a, &e), 0);
	assert_false(a.loopback);
	assert_int_equal(address_parse("/run/x/master.sock", &a, &e), 0);
	assert_true(a.kind == ADDRESS_IPC && strcmp(a.path, "/run/x/master.sock") == 0);
	assert_int_equal(address_parse("ipc:///run/x", &a, &e), 0);
	assert_string_equal(a.path, "/run/x");
	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++)
		assert_true(address_is_remote(far[i]));
	for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++)
		assert_false(address_is_remote(near[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_written_in_decimal),
		cmocka_unit_test(err_builds_context),
		cmocka_unit_test(err_is_cut_between_characters),
		cmocka_unit_test(utf8_is_told_from_other_bytes),
		cmocka_unit_test(err_is_one_bounded_line),
		cmocka_unit_test(error_codes_are_unique),
		cmocka_unit_test(buf_and_cur_round_trip),
		cmocka_unit_test(cur_never_reads_past_its_end),
		cmocka_unit_test(map_keeps_what_it_is_given),
		cmocka_unit_test(arena_is_aligned_and_bounded),
		cmocka_unit_test(positions_compare_and_travel),
		cmocka_unit_test(binlog_names_split),
		cmocka_unit_test(log_lines_are_single),
		cmocka_unit_test(clock_goes_forward),
		cmocka_unit_test(within_its_time),
		cmocka_unit_test(addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
