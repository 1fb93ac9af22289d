/*
 * Everything in the dump folder that is no row: plan, schema files, metadata, manifest. Called by the leader
 * thread, and by the main thread at start. The manifest is the last thing written: a folder without it is an
 * unfinished copy.
 */
#include "units/dump/plan.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "units/dump/file.h"
#include "units/dump/folder.h"
#include "units/dump/key.h"
#include "units/dump/name.h"

enum { FORMAT = 3 };

static const char plan_file[] = "plan.json", manifest_file[] = "manifest", metadata_file[] = "metadata";

/* --- the plan --- */

static int choose_copy_id(struct dump *d, struct err *e)
{
	unsigned char r[16];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return err_sys(e, ERR_internal, "getrandom");
	for (size_t i = 0; i < sizeof(r); i++)
		snprintf(d->copy_id + 2 * i, 3, "%02x", (unsigned)r[i]);
	return 0;
}

static json_t *snapshot_json(const struct snapshot *s)
{
	return json_pack("{s:s, s:I, s:s}", "file", s->file, "offset", (json_int_t)s->offset, "gtid",
		s->gtid ? s->gtid : "");
}

static json_t *item_json(const struct item *i)
{
	json_t *o = json_pack("{s:s, s:s}", "schema", i->schema, "create", i->create);

	if (o && i->structure) {
		json_object_set_new(o, "table", json_string(i->name));
		json_object_set_new(o, "rows", json_integer((json_int_t)i->rows));
		json_object_set_new(o, "bytes", json_integer((json_int_t)i->bytes));
		json_object_set_new(o, "structure", structure_to_json(i->structure));
	} else if (o && i->name) {
		json_object_set_new(o, "table", json_string(i->name));
	} else if (o) {
		json_object_set_new(o, "name", json_string(i->schema));
	}
	return o;
}

static json_t *key_json(const struct item *t)
{
	const struct key *k = key_of(t);
	json_t *columns = json_array();

	for (unsigned i = 0; i < k->ncolumns; i++)
		json_array_append_new(columns, json_string(t->structure->columns[k->columns[i]].name));
	return json_pack("{s:s, s:o}", "name", k->name, "columns", columns);
}

static void add_stretches(json_t *plan, const struct dump *d)
{
	json_t *list = json_object_get(plan, "tables");

	for (unsigned i = 0; i < d->catalog.tables.n; i++) {
		json_t *o = json_array_get(list, i);

		if (key_cuts(&d->catalog.tables.p[i]))
			json_object_set_new(o, "key", key_json(&d->catalog.tables.p[i]));
		json_object_set_new(o, "stretches", stretches_to_json(&d->tables[i].stretches));
	}
}

static int add_items(json_t *plan, const char *key, const struct items *l, struct err *e)
{
	json_t *list = json_array();

	json_object_set_new(plan, key, list);
	for (unsigned i = 0; i < l->n; i++) {
		json_t *o = item_json(&l->p[i]);

		/* Only text that is no UTF-8 is refused, and the server said it would send UTF-8. */
		if (!o)
			return err_set(e, ERR_dump_failed, "the definition of `%s`.`%s` is not UTF-8",
				l->p[i].schema, l->p[i].name ? l->p[i].name : "");
		json_array_append_new(list, o);
	}
	return 0;
}

/* With what they were made under: the load has no connection to ask. */
static int add_routines(json_t *plan, const struct objects *l, struct err *e)
{
	json_t *list = json_array();

	json_object_set_new(plan, "routines", list);
	for (unsigned i = 0; i < l->n; i++) {
		const struct object *o = &l->p[i];
		json_t *one = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "kind", object_word(o->kind),
			"schema", o->schema, "name", o->name, "definer", o->definer, "create", o->create,
			"sql_mode", o->sql_mode, "collation", o->collation);

		if (!one)
			return err_set(e, ERR_dump_failed, "the definition of routine `%s`.`%s` is not UTF-8",
				o->schema, o->name);
		json_array_append_new(list, one);
	}
	return 0;
}

static int make_text(struct dump *d, struct err *e)
{
	json_t *plan = json_object();
	int r;

	json_object_set_new(plan, "copy_id", json_string(d->copy_id));
	json_object_set_new(plan, "snapshot", snapshot_json(&d->snapshot));
	json_object_set_new(plan, "server",
		json_pack("{s:s, s:I}", "flavor", flavor_name(d->server.flavor), "version",
			(json_int_t)d->server.version));
	json_object_set_new(plan, "identity", json_string(d->identity));
	json_object_set_new(plan, "complete", json_true());
	if (d->wanted_from[0])
		json_object_set_new(plan, "goes_on", json_string(d->wanted_from));
	r = add_items(plan, "schemas", &d->catalog.schemas, e);
	if (r == 0)
		r = add_items(plan, "tables", &d->catalog.tables, e);
	if (r == 0)
		add_stretches(plan, d);
	if (r == 0)
		r = add_items(plan, "views", &d->catalog.views, e);
	if (r == 0)
		r = add_items(plan, "sequences", &d->catalog.sequences, e);
	if (r == 0)
		r = add_routines(plan, &d->catalog.routines, e);
	buf_clear(&d->plan);
	if (r == 0)
		json_write(plan, &d->plan);
	json_decref(plan);
	return r;
}

/* --- the schema files, for people and other tools --- */

static int put_schema_file(struct dump *d, struct buf *name, const struct item *i, struct err *e)
{
	const char *file = buf_cstr(name);
	struct buf text = {0};
	int fd, r;

	if (i->name)
		buf_puts(&text, "/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n/*!40101 SET NAMES utf8mb4*/;\n");
	buf_puts(&text, i->create);
	buf_puts(&text, ";\n");
	fd = file_create(d, file, e);
	r = fd < 0 ? -1 : file_write(d, fd, file, buf_str(&text), e);
	if (r == 0 && d->o.to_files)
		r = folder_sync_file(d, fd, file, e);
	io_close(&fd);
	buf_free(&text);
	buf_clear(name);
	return r;
}

static int put_schema_files(struct dump *d, struct err *e)
{
	const struct catalog *c = &d->catalog;
	struct buf name = {0};
	int r = 0;

	for (unsigned i = 0; r == 0 && i < c->schemas.n; i++) {
		name_schema_create(&name, str_of(c->schemas.p[i].schema), i);
		r = put_schema_file(d, &name, &c->schemas.p[i], e);
	}
	for (unsigned i = 0; r == 0 && i < c->tables.n; i++) {
		name_table_schema(&name, str_of(c->tables.p[i].schema), str_of(c->tables.p[i].name), i);
		r = put_schema_file(d, &name, &c->tables.p[i], e);
	}
	for (unsigned i = 0; r == 0 && i < c->views.n && !d->o.to_files; i++) {
		name_view_schema(&name, str_of(c->views.p[i].schema), str_of(c->views.p[i].name), i);
		r = put_schema_file(d, &name, &c->views.p[i], e);
	}
	for (unsigned i = 0; r == 0 && i < c->sequences.n && !d->o.to_files; i++) {
		name_sequence_schema(
			&name, str_of(c->sequences.p[i].schema), str_of(c->sequences.p[i].name), i);
		r = put_schema_file(d, &name, &c->sequences.p[i], e);
	}
	buf_free(&name);
	return r;
}

int plan_want(struct dump *d, struct str wanted, struct err *e)
{
	json_t *o = wanted.n ? json_parse(wanted, "what is wanted of a copy", e) : NULL;

	if (wanted.n && !o)
		return -1;
	json_decref(d->wanted);
	d->wanted = o;
	return 0;
}

int plan_name(struct dump *d, json_t **ties, struct err *e)
{
	json_t *o = json_pack("{s:o, s:s, s:o}", "snapshot", snapshot_json(&d->snapshot), "identity",
		d->identity, "ties", *ties);

	*ties = NULL;
	buf_clear(&d->info);
	json_write(o, &d->info);
	json_decref(o);
	return choose_copy_id(d, e);
}

int plan_make(struct dump *d, struct err *e)
{
	if (make_text(d, e) < 0 || put_schema_files(d, e) < 0)
		return -1;
	/* Files of other tools' kind have no plan beside them. */
	return d->o.to_files ? 0 : file_put(d, plan_file, buf_str(&d->plan), e);
}

/* --- the end --- */

static void put_position(struct buf *b, const struct dump *d, const struct snapshot *s, const char *note)
{
	bool new_words = d->server.flavor == FLAVOR_MYSQL && d->server.version >= 80400;

	if (s->file[0])
		buf_putf(b, "%s%s\n\tLog: %s\n\tPos: %" PRIu64 "\n\tGTID:%s\n\n",
			new_words ? "SHOW BINARY LOG STATUS:" : "SHOW MASTER STATUS:", note, s->file,
			s->offset, s->gtid ? s->gtid : "");
}

void plan_put_metadata(struct buf *b, const struct dump *d, const char *finished)
{
	buf_putf(b, "Started dump at: %s\n", d->started);
	put_position(b, d, &d->snapshot, "");
	put_position(b, d, &d->later, " /* AFTER CONNECTION POOL ESTABLISHED */");
	buf_putf(b, "Finished dump at: %s\n", finished);
}

static json_t *chunks_json(struct dump *d)
{
	json_t *list = json_array();
	struct spool_chunk c;

	for (size_t i = 0; spool_entry(&d->spool, i, &c); i++)
		json_array_append_new(
			list, json_pack("[I, b, I, I, s, I, I, b, s]", (json_int_t)c.table, (int)c.last,
				      (json_int_t)c.rows, (json_int_t)c.bytes, c.file, (json_int_t)c.stretch,
				      (json_int_t)c.seq, (int)c.ends_stretch, c.hi));
	return list;
}

static int put_manifest(struct dump *d, struct err *e)
{
	json_t *o = json_pack("{s:i, s:s, s:s, s:s, s:I, s:o}", "format", FORMAT, "job", d->job_name,
		"copy_id", d->copy_id, "goes_on", d->wanted_from, "tables", (json_int_t)d->catalog.tables.n,
		"chunks", chunks_json(d));
	struct buf text = {0};
	int r;

	json_write(o, &text);
	json_decref(o);
	r = file_put(d, manifest_file, buf_str(&text), e);
	buf_free(&text);
	return r;
}

int plan_complete(struct dump *d, struct err *e)
{
	struct buf text = {0};
	char now[24];
	int r;

	clock_text(clock_wall_us(), now, sizeof(now));
	now[19] = '\0'; /* DM writes whole seconds */
	if (d->o.to_files)
		return folder_finish(d, now, e);
	plan_put_metadata(&text, d, now);
	r = file_put(d, metadata_file, buf_str(&text), e);
	buf_free(&text);
	if (r == 0)
		r = spool_sync(&d->spool, e);
	return r < 0 ? -1 : put_manifest(d, e);
}

/* --- a spool from before --- */

static bool exists(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, 0) == 0;
}

/* A file that is there must be whole. One that is not there was removed because its rows are recorded
 * downstream. */
static bool file_is_whole(int dir, const struct spool_chunk *c)
{
	struct stat st;

	return fstatat(dir, c->file, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	       (S_ISREG(st.st_mode) && (uint64_t)st.st_size == c->bytes);
}

static bool restore_chunk(struct dump *d, const json_t *o, uint64_t tables)
{
	json_int_t table, rows, bytes, stretch, seq;
	const char *file, *hi;
	int last, ends;
	struct spool_chunk c;
	uint64_t promised = 0;

	if (json_unpack((json_t *)(uintptr_t)o, "[I, b, I, I, s, I, I, b, s]", &table, &last, &rows, &bytes,
		    &file, &stretch, &seq, &ends, &hi) < 0)
		return false;
	if (table < 0 || (uint64_t)table >= tables || rows < 0 || bytes < 0 || strchr(file, '/'))
		return false;
	c = (struct spool_chunk){.table = (uint32_t)table,
		.stretch = (uint32_t)stretch,
		.seq = (uint32_t)seq,
		.ends_stretch = ends,
		.last = last,
		.rows = (uint64_t)rows,
		.bytes = (uint64_t)bytes};
	c.file = xstrdup(file);
	c.hi = xstrdup(hi);
	if (!file_is_whole(d->dir, &c)) {
		free(c.file);
		free(c.hi);
		return false;
	}
	c.done = !exists(d->dir, file);
	if (!c.done)
		spool_grow(&d->spool, c.bytes, &promised);
	spool_add(&d->spool, c);
	return true;
}

/* All of it is read, and counted. */
static void count_restored(struct dump *d, unsigned tables)
{
	struct spool_chunk c;

	d->tally = tally_new(tables);
	for (size_t i = 0; spool_entry(&d->spool, i, &c); i++) {
		tally_add(d->tally, c.table, (struct amount){c.rows, c.bytes});
		if (c.done)
			tally_take(d->tally, c.table, (struct amount){c.rows, c.bytes});
	}
	for (unsigned i = 0; i < tables; i++)
		tally_end(d->tally, i);
}

static bool restore_chunks(struct dump *d, const json_t *manifest)
{
	const json_t *list = json_object_get(manifest, "chunks");
	uint64_t tables = (uint64_t)json_num(manifest, "tables", 0);

	if (!json_is_array(list))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!restore_chunk(d, json_array_get(list, i), tables))
			return false;
	spool_complete(&d->spool);
	count_restored(d, (unsigned)tables);
	return true;
}

static bool restore_plan(struct dump *d, struct err *e)
{
	json_t *plan = NULL;
	const json_t *s;

	if (io_read_file(d->dir, plan_file, (size_t)1 << 30, &d->plan, e) == 0)
		plan = json_parse(buf_str(&d->plan), plan_file, e);
	if (!plan || strcmp(json_text(plan, "copy_id", ""), d->copy_id) != 0) {
		json_decref(plan);
		return false;
	}
	s = json_object_get(plan, "snapshot");
	snprintf(d->snapshot.file, sizeof(d->snapshot.file), "%s", json_text(s, "file", ""));
	d->snapshot.offset = (uint64_t)json_num(s, "offset", 0);
	d->snapshot.gtid = xstrdup(json_text(s, "gtid", ""));
	snprintf(d->identity, sizeof(d->identity), "%s", json_text(plan, "identity", ""));
	json_decref(plan);
	return true;
}

static bool restore(struct dump *d, const json_t *manifest, struct err *e)
{
	if (json_num(manifest, "format", 0) != FORMAT ||
		strcmp(json_text(manifest, "job", ""), d->job_name) != 0)
		return false;
	snprintf(d->copy_id, sizeof(d->copy_id), "%s", json_text(manifest, "copy_id", ""));
	snprintf(d->wanted_from, sizeof(d->wanted_from), "%s", json_text(manifest, "goes_on", ""));
	return restore_plan(d, e) && restore_chunks(d, manifest);
}

static void forget(struct dump *d)
{
	uint64_t limit = d->spool.limit;

	spool_fini(&d->spool);
	spool_init(&d->spool, d->dir, limit);
	buf_clear(&d->plan);
	d->copy_id[0] = d->wanted_from[0] = '\0';
}

void plan_spoil(struct dump *d)
{
	unlinkat(d->dir, manifest_file, 0);
}

int plan_restore(struct dump *d, struct err *e)
{
	struct buf text = {0};
	json_t *manifest = NULL;
	bool good = false;

	if (!exists(d->dir, manifest_file))
		return 0;
	if (io_read_file(d->dir, manifest_file, (size_t)1 << 30, &text, e) == 0)
		manifest = json_parse(buf_str(&text), manifest_file, e);
	buf_free(&text);
	if (manifest)
		good = restore(d, manifest, e);
	json_decref(manifest);
	if (good)
		return 1;
	log_warn("the complete copy in the dump folder is of another job, or damaged: a new copy starts");
	err_clear(e);
	forget(d);
	return 0;
}
