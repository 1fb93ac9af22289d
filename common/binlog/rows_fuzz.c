/* A TABLE_MAP of made-up types and rows of it: u16 length of the map's body, the map, then the rows event's
 * body. */
#include <stdlib.h>

#include "common/base/xalloc.h"
#include "common/binlog/sample_decode.h"
#include "common/binlog/samples_test.h"

static char *event_of(uint8_t type, const uint8_t *p, size_t n)
{
	char *event = xcalloc(1, BINLOG_HEADER_SIZE + n);
	size_t size = BINLOG_HEADER_SIZE + n;

	event[4] = (char)type;
	for (unsigned i = 0; i < 4; i++)
		event[9 + i] = (char)(size >> (8 * i));
	memcpy(event + BINLOG_HEADER_SIZE, p, n);
	return event;
}

/* Values of any type under a column of any kind. */
static void literals(const struct binlog_value *v, unsigned n, unsigned kind)
{
	static const char none[] = "";
	struct column c = {.name = (char *)(uintptr_t)none,
		.type = (char *)(uintptr_t)none,
		.charset = (char *)(uintptr_t)none,
		.kind = (enum column_kind)(kind % (COLUMN_OTHER + 1)),
		.length = 20};

	for (unsigned i = 0; i < n; i++) {
		struct buf b = {0};
		struct err e = {0};

		if (v[i].present)
			binlog_put_literal(&b, &v[i], &c, &e);
		buf_free(&b);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const uint8_t types[] = {23, 24, 25, 30, 31, 32, 166, 167, 168, 39};
	struct binlog_format f = {.valid = true};
	struct binlog_table t;
	struct binlog_rows r;
	struct err e = {0};
	struct arena *a;
	char *map, *rows;
	size_t nmap;

	if (n < 4)
		return 0;
	nmap = (size_t)(p[2] | p[3] << 8) % (n - 3);
	map = event_of(BINLOG_TABLE_MAP, p + 4, nmap);
	rows = event_of(types[p[0] % sizeof(types)], p + 4 + nmap, n - 4 - nmap);
	a = arena_new(4096);
	if (binlog_read_table_map((struct str){map, BINLOG_HEADER_SIZE + nmap}, &f, a, &t, &e) == 0 &&
		binlog_rows_open((struct str){rows, BINLOG_HEADER_SIZE + n - 4 - nmap}, &f, &t, a, &r, &e) ==
			0) {
		struct binlog_value *before = xcalloc(t.ncolumns, sizeof(*before));
		struct binlog_value *after = xcalloc(t.ncolumns, sizeof(*after));

		for (unsigned i = 0; i < 50 && binlog_rows_next(&r, &t, before, after, &e) > 0; i++) {
			if (r.change != BINLOG_INSERT)
				literals(before, t.ncolumns, p[1]);
			if (r.change != BINLOG_DELETE)
				literals(after, t.ncolumns, p[1]);
		}
		free(before);
		free(after);
	}
	arena_free(&a);
	free(map);
	free(rows);
	return 0;
}
