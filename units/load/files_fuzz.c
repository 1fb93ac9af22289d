/*
 * libFuzzer: what reads the files of other people's dumps. The first byte chooses the reader, the second the
 * CSV dialect and how large the pieces are in which the text comes. Beside crashes it looks for broken
 * promises: where a file is cut into statements or records must not depend on the pieces; a record that is
 * written again must read the same. The functions of stream.h are given here, from memory.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "units/load/csv.h"
#include "units/load/member.h"
#include "units/load/metadata.h"
#include "units/load/objfile.h"

/* --- a file that is in memory --- */

struct stream {
	struct str rest;
	size_t piece;
};

/* What stream_open opens, whatever it is called. */
static struct stream input;

enum packing stream_packing(const char *name, size_t *n)
{
	*n = strlen(name);
	return PACKED_NOT;
}

struct stream *stream_open(int dir, const char *name, struct err *e)
{
	struct stream *s = xcalloc(1, sizeof(*s));

	(void)dir;
	(void)name;
	(void)e;
	*s = input;
	return s;
}

int stream_read(struct stream *s, size_t want, struct buf *out, struct err *e)
{
	size_t n = s->rest.n < s->piece ? s->rest.n : s->piece;

	(void)want;
	(void)e;
	buf_put(out, s->rest.p, n);
	s->rest.p += n;
	s->rest.n -= n;
	return n > 0;
}

int stream_skip(struct stream *s, uint64_t bytes, struct err *e)
{
	if (bytes > s->rest.n)
		return err_set(e, ERR_load_files, "shorter");
	s->rest.p += bytes;
	s->rest.n -= bytes;
	return 0;
}

void stream_close(struct stream **s)
{
	free(*s);
	*s = NULL;
}

int stream_read_all(int dir, const char *name, size_t max, struct buf *out, struct err *e)
{
	(void)dir;
	(void)name;
	(void)max;
	(void)e;
	buf_put(out, input.rest.p, input.rest.n);
	return 0;
}

/* --- SQL --- */

static void check_about(const struct statement *s, const struct statement_about *a)
{
	const char *end = s->text.p + s->text.n;

	assert(a->rows <= s->groups);
	assert(a->kind == STATEMENT_ROWS || a->rows == 0);
	if (a->ignore.n > 0)
		assert(a->ignore.p >= s->text.p && a->ignore.p + a->ignore.n <= end);
	if (a->zone.n > 0)
		assert(a->zone.p >= s->text.p && a->zone.p + a->zone.n <= end);
	assert(memchr(a->names, '\0', sizeof(a->names)) && memchr(a->table, '\0', sizeof(a->table)));
}

/* All statements, and what each is. */
static void read_sql(struct str in, struct buf *seen)
{
	struct statement_about about;
	struct statement s;
	struct err e = {0};
	uint64_t sum = 0;
	struct text t;
	int r = text_open(&t, -1, "f.sql", 0, &e);

	assert(r == 0);
	while ((r = text_statement(&t, &s, &e)) > 0) {
		assert(s.text.n < text_rest(&t).n && s.text.p[s.text.n] == ';');
		statement_look(&s, "app", "t", &about);
		check_about(&s, &about);
		buf_putf(seen, "%d %llu %llu:", (int)about.kind, (unsigned long long)about.rows,
			(unsigned long long)t.line);
		buf_put(seen, s.text.p, s.text.n);
		if (about.ignore.n > 0)
			text_blank(&t, (size_t)(about.ignore.p - s.text.p), about.ignore.n);
		text_use(&t, s.text.n + 1);
		assert(t.offset > sum && t.offset <= in.n);
		sum = t.offset;
	}
	assert(r == 0 || e.code == ERR_load_files);
	buf_putf(seen, "%d %s", r, e.text);
	text_close(&t);
}

/* --- CSV --- */

static struct csv_dialect dialect_of(uint8_t x)
{
	static const struct csv_dialect all[] = {{",", "\"", "\\N", true, false},
		{",", "'", "NULL", false, true}, {"|+|", "", "<null>", false, false},
		{"\t", "\"\"", "", true, false}};

	return all[x & 3];
}

static void put_again(const struct csv_dialect *d, const struct csv_row *row, struct buf *b)
{
	for (size_t i = 0; i < row->n; i++) {
		struct str v = csv_value(row, i);

		if (i > 0)
			buf_puts(b, d->separator);
		if (row->fields[i].null) {
			buf_puts(b, d->null_value);
			continue;
		}
		buf_puts(b, d->delimiter);
		for (size_t k = 0; k < v.n; k++) {
			if (v.p[k] == d->delimiter[0] || (v.p[k] == '\\' && !d->no_escape))
				buf_putc(b, v.p[k] == '\\' ? '\\' : d->delimiter[0]);
			buf_putc(b, v.p[k]);
		}
		buf_puts(b, d->delimiter);
	}
	buf_putc(b, '\n');
}

/* The record as it would be written, read again. */
static void check_again(const struct csv_dialect *d, const struct csv_row *row)
{
	struct text t = {.end = true, .max = SIZE_MAX};
	struct csv_row again = {0};
	struct err e = {0};

	put_again(d, row, &t.b);
	assert(csv_next(&t, d, &again, &e) == 1);
	assert(again.n == row->n && again.used == t.b.n);
	for (size_t i = 0; i < row->n; i++) {
		assert(again.fields[i].null == row->fields[i].null);
		assert(row->fields[i].null || str_eq(csv_value(&again, i), csv_value(row, i)));
	}
	csv_row_fini(&again);
	buf_free(&t.b);
}

static void read_csv(struct str in, uint8_t kind, struct buf *seen)
{
	struct csv_dialect d = dialect_of(kind);
	struct csv_row row = {0};
	struct err e = {0};
	struct text t;
	int r = text_open(&t, -1, "f.csv", 0, &e);

	assert(r == 0);
	while ((r = csv_next(&t, &d, &row, &e)) > 0) {
		assert(row.used > 0 && row.used <= text_rest(&t).n && row.n > 0);
		buf_putf(seen, "%llu:", (unsigned long long)t.line);
		for (size_t i = 0; i < row.n; i++) {
			assert(row.fields[i].at + row.fields[i].n <= row.bytes.n);
			buf_putc(seen, row.fields[i].null ? 'N' : 'v');
			buf_put(seen, row.bytes.p + row.fields[i].at, row.fields[i].n);
		}
		if (strlen(d.delimiter) == 1)
			check_again(&d, &row);
		text_use(&t, row.used);
		assert(t.offset <= in.n);
	}
	assert(r == 0 || e.code == ERR_load_files);
	buf_putf(seen, "%d %s", r, e.text);
	csv_row_fini(&row);
	text_close(&t);
}

/* --- the others --- */

static void read_metadata(struct str in)
{
	struct metadata m;

	metadata_read(in, &m);
	assert(m.at.file && m.at.gtid);
	assert(memchr(m.csv.null_value, '\0', sizeof(m.csv.null_value)));
	metadata_fini(&m);
}

static void read_schema(uint8_t which)
{
	static const char *const names[] = {"app-schema-create.sql", "app.t-schema.sql",
		"app.v-schema-view.sql", "app.s-schema-sequence.sql"};
	const char *name = names[which & 3];
	struct members o;
	struct err e = {0};

	members_init(&o);
	if (members_take(&o, -1, name, str_of(name), &e) > 0) {
		members_settle(&o);
		members_server(&o, (struct server){FLAVOR_MYSQL, 80000});
		assert(o.n == 1 && o.p[0]->schema && o.p[0]->create);
	} else {
		assert(e.code == ERR_load_files);
	}
	members_fini(&o);
}

static void read_objects(void)
{
	struct err e = {0};
	struct folder f = {.dir = -1, .objects = OBJECTS_ALL};
	struct rules *rules = rules_new(NULL, "dm_meta", &e);
	struct load l = {.folder = &f};
	struct objfile_session none = {"", ""};

	f.rules = rules;
	if (objfile_read(&l, "app-schema-post.sql", "app", &none, &e) < 0)
		assert(e.code == ERR_load_files);
	for (unsigned i = 0; i < l.plan.routines.n; i++)
		assert(l.plan.routines.p[i].name && l.plan.routines.p[i].create);
	plan_fini(&l.plan);
	rules_free(&rules);
}

static void check_pieces(struct str in, uint8_t reader, uint8_t how)
{
	struct buf whole = {0}, cut = {0};

	for (int i = 0; i < 2; i++) {
		input = (struct stream){in, i == 0 ? SIZE_MAX : 1 + (size_t)(how >> 2) % 7};
		if (reader == 0)
			read_sql(in, i == 0 ? &whole : &cut);
		else
			read_csv(in, how, i == 0 ? &whole : &cut);
	}
	assert(str_eq(buf_str(&whole), buf_str(&cut)));
	buf_free(&whole);
	buf_free(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str in;

	if (n < 2)
		return 0;
	in = (struct str){(const char *)data + 2, n - 2};
	input = (struct stream){in, 1 + data[1]};
	switch (data[0] % 5) {
	case 0:
	case 1:
		check_pieces(in, data[0] % 5, data[1]);
		break;
	case 2:
		read_metadata(in);
		break;
	case 3:
		read_schema(data[1] >> 4);
		break;
	default:
		read_objects();
		break;
	}
	return 0;
}
