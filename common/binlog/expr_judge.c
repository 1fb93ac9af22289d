/*
 * Test support: judges expressions over the rows of a binlog file, by the way that sync takes.
 * expr_judge FLAVOR:VERSION STRUCTURE.json BINLOG < EXPRESSIONS: a line for each expression, a sign for each
 * row inserted into the structure's table: 1 0 N (NULL), O (out of range), U (can't be told), X (another
 * error); "R message": refused.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/io.h"
#include "common/base/xalloc.h"
#include "common/binlog/expr_row.h"

struct judge {
	const struct structure *s;
	struct binlog_format format;
	struct arena *a;
	struct binlog_value **rows;
	size_t nrows;
};

static void die(const struct err *e)
{
	fprintf(stderr, "expr_judge: %s\n", e->text);
	exit(1);
}

static void keep_rows(struct judge *j, struct str event, const struct binlog_table *t)
{
	struct binlog_rows rows;
	struct err e;
	int r;

	if (binlog_rows_open(event, &j->format, t, j->a, &rows, &e) < 0)
		die(&e);
	for (;;) {
		struct binlog_value *v = arena_alloc(j->a, t->ncolumns * sizeof(*v));

		r = binlog_rows_next(&rows, t, NULL, v, &e);
		if (r <= 0)
			break;
		j->rows = xrealloc(j->rows, (j->nrows + 1) * sizeof(struct binlog_value *));
		j->rows[j->nrows++] = v;
	}
	if (r < 0)
		die(&e);
}

static void read_rows(struct judge *j, struct str left)
{
	struct binlog_table t = {0};
	struct binlog_header h;
	bool ours = false;
	struct err e;

	while (left.n > 0 && binlog_read_header(left, &h, &e) == 0 && h.size <= left.n) {
		struct str event = {left.p, h.size};

		left.p += h.size;
		left.n -= h.size;
		if (h.type == BINLOG_FORMAT && binlog_read_format(event, &j->format, &e) < 0)
			die(&e);
		if (h.type == BINLOG_TABLE_MAP) {
			if (binlog_read_table_map(event, &j->format, j->a, &t, &e) < 0)
				die(&e);
			ours = str_is(t.table, j->s->table);
			if (ours && binlog_table_check(&t, j->s, &e) < 0)
				die(&e);
			if (ours)
				binlog_table_adopt(&t, j->s);
		}
		if (ours && binlog_is_rows(h.type))
			keep_rows(j, event, &t);
	}
}

static char judge_row(const struct expr *x, const struct expr_row *row, struct arena *a)
{
	enum expr_truth t;
	struct err e = {0};

	if (expr_eval(x, row, a, &t, &e) == 0)
		return "01N"[t];
	if (getenv("EXPR_JUDGE_WHY"))
		fprintf(stderr, "%s\n", e.text);
	return strstr(e.text, "out of range") ? 'O' : strstr(e.text, "can't be told") ? 'U' : 'X';
}

static void judge(const struct judge *j, const struct expr_options *o, const char *text)
{
	struct arena *a = arena_new(0);
	struct err e = {0};
	struct expr *x = expr_new(text, o, j->s, &e);

	if (!x)
		printf("R %s", e.text);
	for (size_t i = 0; x && i < j->nrows; i++) {
		struct binlog_expr_row values = {j->rows[i], j->s};
		struct expr_row row = binlog_expr_row(&values);

		putchar(judge_row(x, &row, a));
		arena_clear(a);
	}
	putchar('\n');
	expr_free(&x);
	arena_free(&a);
}

static struct structure *read_structure(const char *path, struct err *e)
{
	json_t *o = json_load_file(path, 0, NULL);
	struct structure *s = structure_from_json(o, e);

	json_decref(o);
	return s;
}

int main(int argc, char **argv)
{
	struct expr_options o = {.server = {FLAVOR_MYSQL, 90700}};
	struct judge j = {.a = arena_new(0)};
	struct structure *s = NULL;
	struct buf file = {0};
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	struct err e = {0};

	if (argc != 4)
		return 2;
	if (strncmp(argv[1], "mariadb:", 8) == 0)
		o.server = (struct server){FLAVOR_MARIADB, (uint32_t)strtoul(argv[1] + 8, NULL, 10)};
	s = read_structure(argv[2], &e);
	if (!s || io_read_file(AT_FDCWD, argv[3], (size_t)1 << 31, &file, &e) < 0)
		die(&e);
	j.s = s;
	read_rows(&j, (struct str){file.p + BINLOG_MAGIC_SIZE, file.n - BINLOG_MAGIC_SIZE});
	while ((n = getline(&line, &room, stdin)) > 0) {
		line[n - (line[n - 1] == '\n')] = 0;
		judge(&j, &o, line);
	}
	free(line);
	free(j.rows);
	buf_free(&file);
	structure_free(&s);
	arena_free(&j.a);
	return 0;
}
