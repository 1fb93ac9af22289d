/*
 * Begins and ends a dump into files. `metadata.partial` stands for a dump under way, `metadata` for a
 * complete one; both carry a line by which we know our own. Must never remove a file that a dump of ours did
 * not make.
 */
#include "units/dump/folder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "common/config/json.h"
#include "common/sql/quote.h"
#include "units/dump/file.h"
#include "units/dump/name.h"
#include "units/dump/objfile.h"
#include "units/dump/plan.h"

enum { METADATA_MAX = 16 << 20, VIEW_INVALID = 1356 };

static const char partial[] = "metadata.partial", complete[] = "metadata";
/* The line that tells ours; the load reads it too. */
static const char mark[] = "Tidegate: ";

int folder_open(struct dump *d, struct err *e)
{
	struct buf text = {0};
	json_t *ours = NULL;
	const char *line;
	int r = 0;

	if (d->env->files_fd < 0)
		return err_set(e, ERR_config_bad,
			"this host has no folder for files: start tidegated with --files DIR");
	if (strchr(d->o.dir, '/') || strcmp(d->o.dir, "..") == 0)
		return err_set(e, ERR_config_bad,
			"dir is %s: it must be the plain name of a folder in tidegated's --files", d->o.dir);
	if (d->o.dir[0] && mkdirat(d->env->files_fd, d->o.dir, 0750) < 0 && errno != EEXIST)
		return err_sys(e, ERR_io, "making the folder %s", d->o.dir);
	d->dir = openat(d->env->files_fd, d->o.dir[0] ? d->o.dir : ".",
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->dir < 0 && errno == EACCES)
		return err_set(e, ERR_dump_folder,
			"the folder may not be written by uid %u, as which the dump runs: chown it",
			(unsigned)geteuid());
	if (d->dir < 0)
		return err_sys(e, ERR_dump_folder, "opening the folder %s", d->o.dir);
	d->spool.dir = d->dir;
	if (faccessat(d->dir, complete, F_OK, 0) < 0)
		return 0;
	if (io_read_file(d->dir, complete, METADATA_MAX, &text, e) < 0)
		return -1;
	line = strstr(buf_cstr(&text), mark);
	if (line)
		ours = json_parse(str_of(line + sizeof(mark) - 1), complete, NULL);
	if (ours && d->o.id[0] && strcmp(json_text(ours, "id", ""), d->o.id) == 0)
		r = 1;
	if (r == 1) /* a crash may have come before it went: readers take it for a dump under way */
		unlinkat(d->dir, partial, 0);
	json_decref(ours);
	buf_free(&text);
	return r;
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* ".0000000010000": how the number of a data file stands before its ending. */
static bool has_number(const char *name, size_t n)
{
	enum { DIGITS = 13 };
	size_t digits = 0;

	while (digits < n && isdigit((unsigned char)name[n - digits - 1]))
		digits++;
	return digits >= DIGITS && digits < n && name[n - digits - 1] == '.';
}

/* Could a dump of ours have made it? */
static bool is_ours(const char *name)
{
	static const struct {
		const char *ending;
		bool data;
	} ours[] = {{"-schema-create.sql", false}, {"-schema.sql", false}, {"-schema-view.sql", false},
		{"-schema-sequence.sql", false}, {"-schema-triggers.sql", false}, {"-schema-post.sql", false},
		{".sql", true}, {".csv", true}, {".sql.gz", true}, {".csv.gz", true}, {".sql.zst", true},
		{".csv.zst", true}};
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		size_t k = strlen(ours[i].ending);

		if (n > k && strcmp(name + n - k, ours[i].ending) == 0 &&
			(!ours[i].data || has_number(name, n - k)))
			return true;
	}
	return strcmp(name, partial) == 0 || strcmp(name, "metadata.tmp") == 0 ||
	       strcmp(name, "metadata.partial.tmp") == 0;
}

/* fn for each file; its -1 ends it. */
static int each_file(int dir, int (*fn)(int dir, const char *name, struct err *e), struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *f;

	if (!list) {
		io_close(&fd);
		return err_sys(e, ERR_io, "reading the dump's folder");
	}
	while (r == 0 && (errno = 0, f = readdir(list)))
		if (!is_dot(f->d_name))
			r = fn(dir, f->d_name, e);
	if (r == 0 && errno != 0) /* what was not seen may be anybody's */
		r = err_sys(e, ERR_io, "reading the dump's folder");
	closedir(list);
	return r;
}

static int refuse(int dir, const char *name, struct err *e)
{
	(void)dir;
	if (strcmp(name, complete) == 0)
		return err_set(e, ERR_dump_folder, "the folder holds a complete dump already");
	return err_set(e, ERR_dump_folder,
		"the folder is not empty: there is `%.100s`, which is not of an "
		"unfinished dump of Tidegate",
		name);
}

static int check_one(int dir, const char *name, struct err *e)
{
	return is_ours(name) ? 0 : refuse(dir, name, e);
}

static int remove_one(int dir, const char *name, struct err *e)
{
	/* The mark goes last, so that it is ours for as long as anything is there. */
	if (strcmp(name, partial) == 0)
		return 0;
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? err_sys(e, ERR_io, "removing %s", name) : 0;
}

static bool has_our_mark(int dir)
{
	struct buf text = {0};
	bool ours =
		io_read_file(dir, partial, METADATA_MAX, &text, NULL) == 0 && strstr(buf_cstr(&text), mark);

	buf_free(&text);
	return ours;
}

/* complete: how much there is, by which a load sees that a file was lost on the way. */
static void put_mark(struct buf *b, const struct dump *d, bool whole)
{
	json_t *o = json_pack("{s:i, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:b}", "format", 1, "id", d->o.id,
		"flavor", flavor_name(d->server.flavor), "version", (json_int_t)d->server.version, "filetype",
		d->o.csv ? "csv" : "sql", "csv_separator", d->o.form.separator, "csv_delimiter",
		d->o.form.delimiter, "csv_null_value", d->o.form.null_value, "csv_header",
		(int)d->o.form.header);

	if (whole) {
		json_object_set_new(o, "files", json_integer((json_int_t)d->spool.n));
		json_object_set_new(o, "rows", json_integer((json_int_t)d->spool.total_rows));
		json_object_set_new(o, "pending_xa", json_boolean(d->pending_xa));
	}
	buf_puts(b, mark);
	json_write(o, b);
	buf_putc(b, '\n');
	json_decref(o);
}

int folder_begin(struct dump *d, struct err *e)
{
	struct buf text = {0};
	int r;

	if (has_our_mark(d->dir)) {
		if (each_file(d->dir, check_one, e) < 0 || each_file(d->dir, remove_one, e) < 0)
			return -1;
		log_info("an unfinished dump is made anew");
	} else if (each_file(d->dir, refuse, e) < 0) {
		return -1;
	}
	buf_putf(&text, "Started dump at: %s\n", d->started);
	put_mark(&text, d, false);
	r = file_put(d, partial, buf_str(&text), e);
	buf_free(&text);
	return r;
}

/* --- views and sequences --- */

int folder_put_file(struct dump *d, struct buf *name, const struct buf *text, struct err *e)
{
	const char *file = buf_cstr(name);
	int fd = file_create(d, file, e), r = fd < 0 ? -1 : file_write(d, fd, file, buf_str(text), e);

	if (r == 0)
		r = folder_sync_file(d, fd, file, e);
	io_close(&fd);
	return r;
}

static int put_columns(struct db *c, const struct item *v, struct buf *text, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *row;
	const char *sep = "(\n";
	int got = -1;

	buf_puts(&sql, "SHOW COLUMNS FROM ");
	sql_put_table(&sql, str_of(v->schema), str_of(v->name));
	rows = db_query(c, buf_str(&sql), e);
	buf_free(&sql);
	if (!rows && e->sql_errno == VIEW_INVALID) {
		log_warn("view `%s`.`%s` asks for what is not there: %s", v->schema, v->name, e->text);
		err_clear(e);
		buf_puts(text, "(`x` int");
		return 0;
	}
	while (rows && (got = db_fetch(rows, &row, e)) > 0) {
		buf_puts(text, sep);
		sql_put_ident(text, row[0]);
		buf_puts(text, " int");
		sep = ",\n";
	}
	db_rows_close(&rows);
	return got;
}

static int put_stand_in(struct dump *d, struct db *c, const struct item *v, unsigned index, struct err *e)
{
	struct buf text = {0}, name = {0};
	int r;

	buf_puts(&text, "/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n/*!40101 SET NAMES utf8mb4*/;\nCREATE TABLE ");
	sql_put_ident(&text, str_of(v->name));
	r = put_columns(c, v, &text, e);
	buf_puts(&text, "\n) ENGINE=MyISAM;\n");
	name_table_schema(&name, str_of(v->schema), str_of(v->name), index);
	if (r == 0)
		r = folder_put_file(d, &name, &text, e);
	buf_free(&text);
	buf_free(&name);
	return r;
}

static int put_view(struct dump *d, const struct item *v, unsigned index, struct err *e)
{
	struct buf text = {0}, name = {0};
	int r;

	buf_puts(&text, "/*!40101 SET NAMES utf8mb4*/;\n");
	for (int i = 0; i < 2; i++) {
		buf_puts(&text, i ? "DROP VIEW IF EXISTS " : "DROP TABLE IF EXISTS ");
		sql_put_ident(&text, str_of(v->name));
		buf_puts(&text, ";\n");
	}
	buf_puts(&text, v->create);
	buf_puts(&text, ";\n");
	name_view_schema(&name, str_of(v->schema), str_of(v->name), index);
	r = folder_put_file(d, &name, &text, e);
	buf_free(&text);
	buf_free(&name);
	return r;
}

/* Where the next value comes from. SETVAL never goes back: a sequence that is made has nothing to go back to.
 */
static int put_value(struct db *c, const struct item *s, struct buf *text, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int got = -1;

	buf_puts(&sql, "SELECT IF(increment<0,GREATEST(next_not_cached_value,minimum_value),"
		       "LEAST(next_not_cached_value,maximum_value)),IF(increment<0,next_not_cached_value<"
		       "minimum_value,next_not_cached_value>maximum_value),cycle_count FROM ");
	sql_put_table(&sql, str_of(s->schema), str_of(s->name));
	r = db_query(c, buf_str(&sql), e);
	buf_free(&sql);
	if (r && (got = db_fetch(r, &v, e)) > 0) {
		buf_puts(text, "DO SETVAL(");
		sql_put_ident(text, str_of(s->name));
		buf_putf(text, ",%.*s,%.*s,%.*s);\n", STR_ARG(v[0]), STR_ARG(v[1]), STR_ARG(v[2]));
	}
	db_rows_close(&r);
	return got < 0 ? -1 : 0;
}

static int put_sequence(struct dump *d, struct db *c, const struct item *s, unsigned index, struct err *e)
{
	struct buf text = {0}, name = {0};
	int r;

	buf_putf(&text, "/*!40101 SET NAMES utf8mb4*/;\n%s;\n", s->create);
	r = put_value(c, s, &text, e);
	name_sequence_schema(&name, str_of(s->schema), str_of(s->name), index);
	if (r == 0)
		r = folder_put_file(d, &name, &text, e);
	buf_free(&text);
	buf_free(&name);
	return r;
}

int folder_put_others(struct dump *d, struct db *c, struct err *e)
{
	/* Numbers behind those of the tables: a name that is cut must be told apart from theirs. */
	unsigned index = d->catalog.tables.n;

	for (unsigned i = 0; i < d->catalog.views.n; i++, index++) {
		const struct item *v = &d->catalog.views.p[i];

		if (put_stand_in(d, c, v, index, e) < 0 || put_view(d, v, index, e) < 0)
			return err_add(e, "view `%s`.`%s`", v->schema, v->name);
	}
	for (unsigned i = 0; i < d->catalog.sequences.n; i++, index++) {
		const struct item *s = &d->catalog.sequences.p[i];

		if (put_sequence(d, c, s, index, e) < 0)
			return err_add(e, "sequence `%s`.`%s`", s->schema, s->name);
	}
	return objfile_put_all(d, c, e);
}

int folder_sync_file(struct dump *d, int fd, const char *name, struct err *e)
{
	(void)d;
	return fdatasync(fd) < 0 ? err_sys(e, ERR_io, "syncing %s", name) : 0;
}

int folder_finish(struct dump *d, const char *finished, struct err *e)
{
	struct buf text = {0};
	int r;

	plan_put_metadata(&text, d, finished);
	put_mark(&text, d, true);
	/* The names of the data files first: metadata vouches for them. */
	r = fsync(d->dir) < 0 ? err_sys(e, ERR_io, "syncing the dump's folder") : 0;
	if (r == 0)
		r = file_put(d, complete, buf_str(&text), e);
	buf_free(&text);
	if (r == 0)
		unlinkat(d->dir, partial, 0);
	return r;
}
