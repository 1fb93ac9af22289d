/*
 * From a folder's files to a plan like that of a dump that runs. Called by the leader thread, at start. A
 * folder whose dump is not known to be complete is refused: half a database must not pass for a whole one.
 */
#include "units/load/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/config/mode.h"
#include "common/db/structure.h"
#include "common/sql/create.h"
#include "common/sql/quote.h"
#include "units/load/member.h"
#include "units/load/objfile.h"
#include "units/load/routed.h"

enum { METADATA_MAX = 64 << 20 };

/* --- what the slice says --- */

static int take_text(const char *key, const char *text, char *out, size_t size, struct err *e)
{
	if (strlen(text) >= size)
		return err_set(e, ERR_config_bad, "load: %s is longer than %zu bytes", key, size - 1);
	strcpy(out, text);
	return 0;
}

static int read_csv(struct folder *f, const json_t *o, struct err *e)
{
	f->csv_said = json_object_get(o, "csv_separator") || json_object_get(o, "csv_delimiter") ||
		      json_object_get(o, "csv_null_value") || json_object_get(o, "csv_header") ||
		      json_object_get(o, "csv_escape");
	f->csv.no_escape = !json_flag(o, "csv_escape", true);
	f->csv.header = json_flag(o, "csv_header", true);
	if (take_text("csv-separator", json_text(o, "csv_separator", ","), f->csv.separator,
		    sizeof(f->csv.separator), e) < 0 ||
		take_text("csv-delimiter", json_text(o, "csv_delimiter", "\""), f->csv.delimiter,
			sizeof(f->csv.delimiter), e) < 0 ||
		take_text("csv-null-value", json_text(o, "csv_null_value", "\\N"), f->csv.null_value,
			sizeof(f->csv.null_value), e) < 0)
		return -1;
	return f->csv.separator[0] ? 0 : err_set(e, ERR_config_bad, "load: csv-separator is empty");
}

struct folder *folder_new(const json_t *config, const struct rules *rules, struct err *e)
{
	const json_t *o = json_object_get(config, "options");
	const struct mode *mode = mode_find(json_text(config, "mode", ""));
	struct folder *f = xcalloc(1, sizeof(*f));

	f->dir = -1;
	f->wants_place = mode && mode->sync;
	f->server = xstrdup(json_text(o, "server", ""));
	f->rules = rules;
	if (objects_parse(json_text(o, "objects", ""), &f->objects, e) < 0 || read_csv(f, o, e) < 0)
		folder_free(&f);
	return f;
}

void folder_free(struct folder **fp)
{
	struct folder *f = *fp;

	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		free(f->files[i].name);
	free(f->files);
	free(f->left);
	metadata_fini(&f->meta);
	io_close(&f->dir);
	free(f->server);
	free(f);
	*fp = NULL;
}

/* --- the folder --- */

static int may_not(struct err *e, const char *what)
{
	if (errno == EACCES)
		return err_set(e, ERR_load_files,
			"%s may not be read by uid %u, as which the files are read: chown or chmod them",
			what, (unsigned)geteuid());
	return err_sys(e, ERR_load_files, "opening %s", what);
}

static int read_metadata(struct folder *f, struct err *e)
{
	struct buf text = {0};
	int r;

	if (faccessat(f->dir, "metadata.partial", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(
			e, ERR_load_files, "the dump is not complete: there is a file metadata.partial");
	if (faccessat(f->dir, "metadata", R_OK, AT_EACCESS) < 0)
		return errno == ENOENT ? err_set(e, ERR_load_files,
						 "the dump is not known to be complete: there is no file "
						 "metadata (where "
						 "it is, make an empty one)")
				       : may_not(e, "metadata");
	r = io_read_file(f->dir, "metadata", METADATA_MAX, &text, e);
	if (r == 0)
		metadata_read(buf_str(&text), &f->meta);
	buf_free(&text);
	if (r == 0 && f->meta.ours && !f->csv_said)
		f->csv = f->meta.csv;
	return r;
}

static int check_place(const struct folder *f, struct err *e)
{
	if (!f->wants_place)
		return 0;
	if (f->meta.two_places)
		return err_set(e, ERR_metadata_bad,
			"metadata has two positions, of a dump without locks: what was written between them "
			"can't be followed exactly once");
	if (f->meta.pending_xa)
		return err_set(e, ERR_metadata_bad,
			"prepared XA transactions were pending, by metadata, when the dump was made: their "
			"rows are in neither the files nor the binlog behind them");
	if (!f->meta.at.file[0] && !f->meta.at.gtid[0])
		return err_set(e, ERR_metadata_bad, "metadata has no binlog position to follow from");
	return 0;
}

int folder_open(struct load *l, struct err *e)
{
	struct folder *f = l->folder;
	const char *name = json_text(json_object_get(l->env->config, "options"), "dir", "");

	if (l->env->files_fd < 0)
		return err_set(e, ERR_config_bad,
			"this host has no folder for files: start tidegated with --files DIR");
	if (strchr(name, '/') || strcmp(name, "..") == 0)
		return err_set(e, ERR_config_bad,
			"dir is %s: it must be the plain name of a folder in tidegated's --files", name);
	f->dir = openat(
		l->env->files_fd, name[0] ? name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (f->dir < 0)
		return may_not(e, name[0] ? name : "the folder");
	return read_metadata(f, e) < 0 ? -1 : check_place(f, e);
}

/* --- its files --- */

struct names {
	char **p;
	size_t n;
};

static void free_names(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->p[i]);
	free(l->p);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_names(int dir, struct names *l, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *f;

	if (!d) {
		io_close(&fd);
		return may_not(e, "the folder");
	}
	while ((errno = 0, f = readdir(d))) {
		if (f->d_name[0] == '.')
			continue;
		l->p = xrealloc(l->p, (l->n + 1) * sizeof(char *));
		l->p[l->n++] = xstrdup(f->d_name);
	}
	if (errno != 0) { /* half a list is no list */
		err_sys(e, ERR_load_files, "reading the folder");
		closedir(d);
		return -1;
	}
	closedir(d);
	if (l->n > 0)
		qsort(l->p, l->n, sizeof(char *), by_name);
	return 0;
}

static bool ends(struct str s, const char *with)
{
	size_t n = strlen(with);

	return s.n > n && memcmp(s.p + s.n - n, with, n) == 0;
}

static bool is_folder(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool holds_caseless(const char *name, const char *part)
{
	size_t n = strlen(part);

	for (; *name; name++)
		if (strncasecmp(name, part, n) == 0)
			return true;
	return false;
}

/* Those that would be data, in forms that are not read: nothing is passed by that could be rows. */
static int check_strange(int dir, struct str name, const char *file, struct err *e)
{
	static const char *const forms[] = {
		".dat", ".parquet", ".snappy", ".lz4", ".lzo", ".bz2", ".xz", ".lz", NULL};

	for (int i = 0; forms[i]; i++)
		if (ends(name, forms[i]))
			return err_set(
				e, ERR_load_files, "%s: files ending in %s are not read", file, forms[i]);
	if (strcmp(file, "metadata") == 0 || ends(name, "-metadata"))
		return 0;
	if (holds_caseless(file, ".sql") || holds_caseless(file, ".csv"))
		return err_set(e, ERR_load_files,
			"%s could be rows, but has no name that is read (.sql or .csv, plain, .gz or .zst): "
			"rename it, or move it out of the folder",
			file);
	if (is_folder(dir, file) && strcmp(file, "lost+found") != 0)
		return err_set(e, ERR_load_files,
			"%s is a folder, and files of folders in the dump's are not read: move it out", file);
	log_info("%s is passed by: it is no file of a dump", file);
	return 0;
}

/* mydumper, where it is asked to, makes such files of SQL for tables without a row. */
static int check_empty(const struct folder *f, const char *file, bool csv, struct err *e)
{
	if (csv && f->csv.header)
		return err_set(e, ERR_load_files,
			"%s is empty, not even its header is there: it is not complete (where there are no "
			"headers, say so)",
			file);
	log_warn("%s is empty: is it as the dump left it?", file);
	return 0;
}

static int add_data(struct folder *f, struct members *o, const char *file, struct str name, struct err *e)
{
	bool csv = ends(name, ".csv");
	unsigned digits;
	struct member *x = members_of_data(o, (struct str){name.p, name.n - 4}, &digits);
	struct stat st;

	if (!x)
		return err_set(
			e, ERR_load_files, "%s: its name tells no table (schema.table.number.sql)", file);
	if (fstatat(f->dir, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, ERR_load_files, "looking at %s", file);
	if (st.st_size == 0 && check_empty(f, file, csv, e) < 0)
		return -1;
	if (!f->meta.ours && (digits == 9 || digits == 13))
		f->utf8 = true;
	if (!x->wanted || !rules_table(f->rules, str_of(x->schema), str_of(x->name))) {
		f->unwanted++;
		return 0;
	}
	f->files = xrealloc(f->files, (f->n + 1) * sizeof(*f->files));
	/* The table's number comes later: until then its place in the list of objects. */
	f->files[f->n] = (struct data_file){
		.name = xstrdup(file), .table = x->place, .size = (uint64_t)st.st_size, .csv = csv};
	f->bytes += f->files[f->n++].size;
	return 0;
}

/* A file that was lost on the way is missed. */
static int check_number(const struct folder *f, struct err *e)
{
	size_t there = f->n + f->unwanted;

	if (f->meta.files < 0 || (uint64_t)f->meta.files == there)
		return 0;
	return err_set(e, ERR_load_files,
		"there are %zu data files, but metadata tells of %" PRId64
		": the folder is not as the dump left "
		"it",
		there, f->meta.files);
}

/* As `gunzip -k` leaves them: which of the two would be loaded must not depend on their order, nor both. */
static int check_twice(const struct names *l, struct err *e)
{
	struct map *seen = map_new();
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n; i++) {
		struct str name = {l->p[i], 0};
		const char *other;

		stream_packing(l->p[i], &name.n);
		if (!ends(name, ".sql") && !ends(name, ".csv"))
			continue;
		other = map_get(seen, name);
		if (other)
			r = err_set(e, ERR_load_files,
				"%s and %s are one file, packed in two ways: move one of them out of the "
				"folder",
				other, l->p[i]);
		map_put(seen, name, l->p[i]);
	}
	map_free(&seen, NULL);
	return r;
}

/* Schema files first: the names of data files are read by what these say. */
static int read_names(struct folder *f, const struct names *l, struct members *o, struct err *e)
{
	bool *taken = xcalloc(l->n + 1, sizeof(*taken));
	int r = check_twice(l, e);

	for (size_t i = 0; r >= 0 && i < l->n; i++) {
		struct str name = {l->p[i], 0};

		stream_packing(l->p[i], &name.n);
		r = members_take(o, f->dir, l->p[i], name, e);
		taken[i] = r > 0;
	}
	if (r >= 0)
		members_settle(o);
	for (size_t i = 0; r >= 0 && i < l->n; i++) {
		struct str name = {l->p[i], 0};

		stream_packing(l->p[i], &name.n);
		if (taken[i])
			continue;
		r = ends(name, ".sql") || ends(name, ".csv")
			    ? add_data(f, o, l->p[i], name, e)
			    : check_strange(f->dir, str_of(l->p[i]), l->p[i], e);
	}
	free(taken);
	return r < 0 ? -1 : check_number(f, e);
}

/* Triggers, routines and events, now that the schemas' names are known. */
static int read_some(struct load *l, const struct members *o, bool of_schema, const struct objfile_session *s,
	struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->nothers; i++) {
		const struct object_file *f = &o->others[i];
		char *schema;

		if (f->of_schema != of_schema)
			continue;
		if (!l->folder->objects) {
			log_warn(
				"%s is passed by: `objects` of the task ask for no trigger, routine or event",
				f->name);
			continue;
		}
		schema = members_schema(o, str_of(f->prefix), f->of_schema);
		r = objfile_read(l, f->name, schema, s, e);
		free(schema);
	}
	return r;
}

/* mydumper's do not tell sql_mode and time zone: myloader makes them under the downstream's. */
static int read_objects(struct load *l, struct db *c, const struct members *o, struct err *e)
{
	struct objfile_session s = {0};
	bool found;

	if (o->nothers == 0)
		return 0;
	if (db_value(c, "SELECT @@GLOBAL.sql_mode", s.sql_mode, sizeof(s.sql_mode), &found, e) < 0 ||
		db_value(c, "SELECT @@GLOBAL.time_zone", s.time_zone, sizeof(s.time_zone), &found, e) < 0)
		return -1;
	/* Triggers first: events run as soon as they are made. */
	return read_some(l, o, false, &s, e) < 0 ? -1 : read_some(l, o, true, &s, e);
}

bool folder_is_gone(const struct load *l)
{
	const char *name = json_text(json_object_get(l->env->config, "options"), "dir", "");
	struct names names = {0};
	struct err ignored = {0};
	bool gone = false;
	int dir;

	if (l->env->files_fd < 0 || strchr(name, '/'))
		return false;
	dir = openat(l->env->files_fd, name[0] ? name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT;
	gone = list_names(dir, &names, &ignored) == 0 && names.n == 0;
	free_names(&names);
	io_close(&dir);
	return gone;
}

/* --- the plan --- */

static struct plan_item *add_item(struct plan_items *l, const struct member *x)
{
	l->p = xrealloc(l->p, (l->n + 1) * sizeof(*l->p));
	l->p[l->n] = (struct plan_item){.schema = xstrdup(x->schema),
		.name = x->name ? xstrdup(x->name) : NULL,
		.to_schema = xstrdup(x->schema),
		.to_name = x->name ? xstrdup(x->name) : NULL,
		.create = xstrdup(x->create ? x->create : "")};
	return &l->p[l->n++];
}

/* A table without a CREATE statement must be in the downstream. */
static int put_structure(
	struct load *l, struct db *c, struct plan_item *t, const struct member *x, struct err *e)
{
	bool found = false;

	err_clear(e);
	if (x->create)
		t->structure = structure_from_create(str_of(x->create), &l->plan.from, "", e);
	else
		t->structure = routed_names(l, t, e) < 0
				       ? NULL
				       : db_structure(c, t->to_schema, t->to_name, &found, e);
	if (!t->structure && !x->create && !found && !e->code)
		return err_set(e, ERR_load_files,
			"table `%s`.`%s` has data files, but no -schema.sql, and is not in the downstream",
			t->schema, t->name);
	if (!t->structure)
		return err_add(e, "table `%s`.`%s`", t->schema, t->name);
	structure_rename(t->structure, t->schema, t->name);
	if (!x->create)
		structure_forget_end(t->structure);
	/* The same on both sides: the CREATE is done downstream. Only what parts is on record. */
	free(t->structure->charset);
	t->structure->charset = NULL;
	return 0;
}

static int plan_member(struct load *l, struct db *c, struct member *x, struct err *e)
{
	const struct rules *rules = l->folder->rules;

	if (x->kind == MEMBER_SCHEMA) {
		if (rules_schema(rules, str_of(x->schema)))
			add_item(&l->plan.schemas, x);
		return 0;
	}
	if (!x->wanted || !rules_table(rules, str_of(x->schema), str_of(x->name)))
		return 0;
	x->index = l->plan.tables.n;
	if (x->kind == MEMBER_VIEW)
		add_item(&l->plan.views, x);
	else if (x->kind == MEMBER_SEQUENCE)
		add_item(&l->plan.sequences, x)->value = x->value ? xstrdup(x->value) : NULL;
	else
		return put_structure(l, c, add_item(&l->plan.tables, x), x, e);
	return 0;
}

static int read_server(const char *text, struct server *out, struct err *e)
{
	static const char *const names[] = {"mysql:", "mariadb:", "tidb:"};
	unsigned major = 0, minor = 0, patch = 0;

	for (int f = FLAVOR_MYSQL; f <= FLAVOR_TIDB; f++) {
		size_t n = strlen(names[f]);

		if (strncmp(text, names[f], n) != 0 ||
			sscanf(text + n, "%u.%u.%u", &major, &minor, &patch) < 2)
			continue;
		*out = (struct server){(enum flavor)f, major * 10000 + minor * 100 + patch};
		return 0;
	}
	return err_set(
		e, ERR_config_bad, "load: server is %s, it must be like mysql:8.0 or mariadb:10.6", text);
}

static int choose_server(struct load *l, const struct members *o, struct err *e)
{
	struct server like = l->to;

	if (like.flavor == FLAVOR_TIDB)
		like = (struct server){FLAVOR_MYSQL, 80000};
	if (l->folder->server[0])
		return read_server(l->folder->server, &l->plan.from, e);
	l->plan.from = l->folder->meta.ours ? l->folder->meta.server : members_server(o, like);
	return 0;
}

static uint64_t fnv(uint64_t h, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3ULL;
	return (h ^ 0xff) * 0x100000001b3ULL;
}

/* Names the set of files: with another one what is recorded of this one says nothing. */
static void put_copy_id(struct load *l)
{
	const struct folder *f = l->folder;
	uint64_t a = 0xcbf29ce484222325ULL, b = 0x84222325cbf29ce4ULL;

	for (size_t i = 0; i < f->n; i++) {
		struct str size = {(const char *)&f->files[i].size, sizeof(f->files[i].size)};

		a = fnv(fnv(a, str_of(f->files[i].name)), size);
		b = fnv(fnv(b, size), str_of(f->files[i].name));
	}
	a = fnv(a, str_of(f->meta.at.file));
	b = fnv(b, (struct str){(const char *)&f->meta.at.offset, sizeof(f->meta.at.offset)});
	l->plan.copy_id = xasprintf("files-%016" PRIx64 "%016" PRIx64, a, b);
}

/* Tables of a schema that has no file of its own. */
static void add_schemas(struct load *l)
{
	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		struct member x = {.schema = l->plan.tables.p[i].schema};
		struct buf create = {0};
		bool there = false;

		for (unsigned k = 0; k < l->plan.schemas.n && !there; k++)
			there = strcmp(l->plan.schemas.p[k].schema, x.schema) == 0;
		if (there)
			continue;
		buf_puts(&create, "CREATE DATABASE ");
		sql_put_ident(&create, str_of(x.schema));
		buf_cstr(&create);
		x.create = create.p;
		add_item(&l->plan.schemas, &x);
		buf_free(&create);
	}
}

/* Of what is to come, for people: files tell bytes, and packed text is a few times as long. */
static void guess_sizes(struct load *l)
{
	const struct folder *f = l->folder;
	size_t n;

	for (size_t i = 0; i < f->n; i++) {
		struct plan_item *t = &l->plan.tables.p[f->files[i].table];

		t->bytes += f->files[i].size * (stream_packing(f->files[i].name, &n) == PACKED_NOT ? 1 : 4);
		t->rows = t->bytes / 100;
	}
}

static int make_plan(struct load *l, struct db *c, struct members *o, struct err *e)
{
	struct folder *f = l->folder;

	l->plan.snapshot = (struct plan_snapshot){
		xstrdup(f->meta.at.file), xstrdup(f->meta.at.gtid), f->meta.at.offset, NULL};
	put_copy_id(l);
	/* A copy out of files goes on with the same files only: nobody asks whose they are. */
	l->plan.identity = xstrdup("");
	l->plan.goes_on = xstrdup("");
	if (choose_server(l, o, e) < 0)
		return -1;
	for (size_t i = 0; i < o->n; i++)
		if (plan_member(l, c, o->p[i], e) < 0)
			return -1;
	add_schemas(l);
	if (routed_plan(l, e) < 0)
		return -1;
	for (size_t i = 0; i < f->n; i++)
		f->files[i].table = o->p[f->files[i].table]->index;
	f->left = xcalloc((size_t)l->plan.tables.n + 1, sizeof(*f->left));
	guess_sizes(l);
	log_info("%u tables, %u views in %u schemas, %zu data files with %" PRIu64 " bytes, as of %s %u.%u",
		l->plan.tables.n, l->plan.views.n, l->plan.schemas.n, f->n, f->bytes,
		flavor_name(l->plan.from.flavor), l->plan.from.version / 10000,
		l->plan.from.version / 100 % 100);
	return 0;
}

int folder_plan(struct load *l, struct db *c, struct err *e)
{
	struct names names = {0};
	struct members o;
	int r;

	members_init(&o);
	r = list_names(l->folder->dir, &names, e);
	if (r == 0)
		r = read_names(l->folder, &names, &o, e);
	if (r == 0)
		r = read_objects(l, c, &o, e);
	if (r == 0)
		r = make_plan(l, c, &o, e);
	members_fini(&o);
	free_names(&names);
	return r;
}
