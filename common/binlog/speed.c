/*
 * How fast rows of a binlog file are decoded, by CPU time of one thread: events walked, rows taken apart;
 * then the same with each value written as a literal. Started by bench/decode. binlog_speed FILE SECONDS
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/io.h"
#include "common/binlog/row.h"

struct totals {
	size_t rows, values, literals;
};

/* Structure enough for literals: signed numbers, text in utf8mb4. */
static struct column column_of(uint8_t type)
{
	bool number = type == WIRE_TINY || type == WIRE_SHORT || type == WIRE_INT24 || type == WIRE_LONG ||
		      type == WIRE_LONGLONG;

	return (struct column){.name = (char *)"c",
		.type = (char *)"",
		.kind = number ? COLUMN_INT : COLUMN_TEXT,
		.charset = (char *)"utf8mb4",
		.collation = (char *)""};
}

static void die(const struct err *e)
{
	fprintf(stderr, "decode: %s\n", e->text);
	exit(1);
}

static void put_row(struct buf *sql, const struct binlog_table *t, const struct binlog_value *row)
{
	struct err e;

	for (unsigned i = 0; i < t->ncolumns; i++) {
		struct column c = column_of(t->types[i]);

		if (row[i].present && binlog_put_literal(sql, &row[i], &c, &e) < 0)
			die(&e);
	}
}

static void walk_rows(struct str event, const struct binlog_format *f, const struct binlog_table *t,
	struct arena *a, struct buf *sql, struct totals *sum)
{
	struct binlog_value *before = arena_alloc(a, t->ncolumns * sizeof(*before)),
			    *after = arena_alloc(a, t->ncolumns * sizeof(*after));
	struct binlog_rows rows;
	struct err e;
	int r;

	if (binlog_rows_open(event, f, t, a, &rows, &e) < 0)
		die(&e);
	while ((r = binlog_rows_next(&rows, t, before, after, &e)) > 0) {
		sum->rows++;
		sum->values += t->ncolumns;
		if (!sql)
			continue;
		buf_clear(sql);
		if (rows.change != BINLOG_INSERT)
			put_row(sql, t, before);
		if (rows.change != BINLOG_DELETE)
			put_row(sql, t, after);
		sum->literals += sql->n;
	}
	if (r < 0)
		die(&e);
}

static void walk(struct str left, struct buf *sql, struct totals *sum)
{
	struct arena *maps = arena_new(0), *a = arena_new(0);
	struct binlog_format f = {0};
	struct binlog_table t = {0};
	struct binlog_header h;
	struct err e;

	while (left.n > 0) {
		struct str event;

		if (binlog_read_header(left, &h, &e) < 0 || h.size > left.n)
			break; /* a server still writes */
		event = (struct str){left.p, h.size};
		left.p += h.size;
		left.n -= h.size;
		if (h.type == BINLOG_FORMAT && binlog_read_format(event, &f, &e) < 0)
			die(&e);
		if (h.type == BINLOG_TABLE_MAP) {
			arena_clear(maps);
			if (binlog_read_table_map(event, &f, maps, &t, &e) < 0)
				die(&e);
		}
		if (binlog_is_rows(h.type)) {
			arena_clear(a);
			walk_rows(event, &f, &t, a, sql, sum);
		}
	}
	arena_free(&maps);
	arena_free(&a);
}

/* Of this process: what else the machine does is not ours. */
static uint64_t cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void measure(const char *what, struct str events, struct buf *sql, uint64_t ms)
{
	struct totals sum = {0};
	uint64_t began = cpu_ms(), took;
	unsigned rounds = 0;
	double s;

	do {
		walk(events, sql, &sum);
		rounds++;
		took = cpu_ms() - began;
	} while (took < ms);
	s = (double)took / 1000;
	printf("| %s | %.0f | %.2f | %.0f |\n", what, (double)events.n * rounds / s / 1e6,
		(double)sum.rows / s / 1e6, (double)sum.literals / s / 1e6);
}

int main(int argc, char **argv)
{
	enum { MAGIC = 4 };
	struct buf file = {0}, sql = {0};
	struct err e;
	uint64_t ms;

	if (argc != 3) {
		fprintf(stderr, "usage: binlog_speed FILE SECONDS\n");
		return 2;
	}
	if (io_read_file(AT_FDCWD, argv[1], (size_t)1 << 31, &file, &e) < 0)
		die(&e);
	ms = 1000 * strtoull(argv[2], NULL, 10);
	if (file.n <= MAGIC)
		return 1;
	measure("decoded", (struct str){file.p + MAGIC, file.n - MAGIC}, NULL, ms);
	measure("decoded and written as literals", (struct str){file.p + MAGIC, file.n - MAGIC}, &sql, ms);
	buf_free(&file);
	buf_free(&sql);
	return 0;
}
