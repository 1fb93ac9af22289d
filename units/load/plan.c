/*
 * Reads the dump's plan out of JSON. Called by the leader thread. Trusts nothing in it: what is missing or of
 * another type is an error, not a guess.
 */
#include "units/load/plan.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/io.h"
#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"

enum { PLAN_MAX = 1 << 30 };

static int text(const json_t *o, const char *key, char **out, struct err *e)
{
	const char *z = json_text(o, key, NULL);

	if (!z)
		return err_set(e, ERR_proto, "the dump's plan: \"%s\" is missing", key);
	*out = xstrdup(z);
	return 0;
}

static int read_item(
	struct plan_item *i, const json_t *o, const char *schema_key, const char *name_key, struct err *e)
{
	if (text(o, schema_key, &i->schema, e) < 0 || text(o, "create", &i->create, e) < 0)
		return -1;
	if (name_key && text(o, name_key, &i->name, e) < 0)
		return -1;
	i->to_schema = xstrdup(i->schema);
	i->to_name = i->name ? xstrdup(i->name) : NULL;
	i->rows = (uint64_t)json_num(o, "rows", 0);
	i->bytes = (uint64_t)json_num(o, "bytes", 0);
	return 0;
}

/* A list in its JSON text; "" where there is none. */
static char *list_text(const json_t *o, const char *key)
{
	const json_t *list = json_object_get(o, key);
	struct buf b = {0};
	char *out;

	if (json_is_array(list))
		json_write(list, &b);
	out = xstrdup(buf_cstr(&b));
	buf_free(&b);
	return out;
}

static void read_stretches(struct plan_item *t, const json_t *list)
{
	t->stretches = xcalloc(json_array_size(list) + 1, sizeof(*t->stretches));
	for (; t->nstretches < json_array_size(list); t->nstretches++) {
		const json_t *o = json_array_get(list, t->nstretches);

		t->stretches[t->nstretches] = (struct plan_stretch){(uint32_t)json_num(o, "id", 0),
			list_text(o, "lo"), list_text(o, "hi"), list_text(o, "partitions")};
	}
}

static struct plan_items *new_items(struct plan_items *l, const json_t *list)
{
	l->n = (unsigned)json_array_size(list);
	l->p = xcalloc((size_t)l->n + 1, sizeof(*l->p));
	return l;
}

static int read_tables(struct plan *p, const json_t *list, struct err *e)
{
	new_items(&p->tables, list);
	for (unsigned i = 0; i < p->tables.n; i++) {
		const json_t *o = json_array_get(list, i);
		struct plan_item *t = &p->tables.p[i];

		if (read_item(t, o, "schema", "table", e) < 0)
			return -1;
		t->structure = structure_from_json(json_object_get(o, "structure"), e);
		if (!t->structure)
			return err_add(e, "the dump's plan: table `%s`.`%s`", t->schema, t->name);
		read_stretches(t, json_object_get(o, "stretches"));
	}
	return 0;
}

static int read_others(struct plan *p, const json_t *o, struct err *e)
{
	const json_t *schemas = json_object_get(o, "schemas"), *views = json_object_get(o, "views"),
		     *sequences = json_object_get(o, "sequences");

	new_items(&p->schemas, schemas);
	for (unsigned i = 0; i < p->schemas.n; i++)
		if (read_item(&p->schemas.p[i], json_array_get(schemas, i), "name", NULL, e) < 0)
			return -1;
	new_items(&p->views, views);
	for (unsigned i = 0; i < p->views.n; i++)
		if (read_item(&p->views.p[i], json_array_get(views, i), "schema", "table", e) < 0)
			return -1;
	new_items(&p->sequences, sequences); /* none from an older dump */
	for (unsigned i = 0; i < p->sequences.n; i++)
		if (read_item(&p->sequences.p[i], json_array_get(sequences, i), "schema", "table", e) < 0)
			return -1;
	return 0;
}

static int read_routine(struct object *r, const json_t *o, struct err *e)
{
	int kind = object_kind_of(str_of(json_text(o, "kind", "")));

	if (kind < 0 || !(OBJECTS_ROUTINES & OBJECT_BIT(kind)))
		return err_set(e, ERR_proto, "the dump's plan: \"%s\" is no kind of routine",
			json_text(o, "kind", ""));
	r->kind = (enum object_kind)kind;
	r->time_zone = xstrdup("");
	r->table = xstrdup("");
	if (text(o, "schema", &r->schema, e) < 0 || text(o, "name", &r->name, e) < 0 ||
		text(o, "definer", &r->definer, e) < 0 || text(o, "create", &r->create, e) < 0)
		return -1;
	return text(o, "sql_mode", &r->sql_mode, e) < 0 ? -1 : text(o, "collation", &r->collation, e);
}

static int read_routines(struct plan *p, const json_t *list, struct err *e)
{
	p->routines.p = xcalloc(json_array_size(list) + 1, sizeof(*p->routines.p));
	p->routines.n = (unsigned)json_array_size(list);
	for (unsigned i = 0; i < p->routines.n; i++)
		if (read_routine(&p->routines.p[i], json_array_get(list, i), e) < 0)
			return -1;
	return 0;
}

static int read_server(struct server *s, const json_t *o, struct err *e)
{
	const char *flavor = json_text(o, "flavor", "");

	for (int f = FLAVOR_MYSQL; f <= FLAVOR_TIDB; f++)
		if (strcmp(flavor, flavor_name((enum flavor)f)) == 0) {
			*s = (struct server){(enum flavor)f, (uint32_t)json_num(o, "version", 0)};
			return 0;
		}
	return err_set(e, ERR_proto, "the dump's plan: unknown flavor \"%s\"", flavor);
}

static int read_all(struct plan *p, const json_t *o, struct err *e)
{
	const json_t *snapshot = json_object_get(o, "snapshot");

	if (!json_flag(o, "complete", false))
		return err_set(e, ERR_proto, "the dump's plan is not complete");
	if (text(snapshot, "file", &p->snapshot.file, e) < 0 ||
		text(snapshot, "gtid", &p->snapshot.gtid, e) < 0)
		return -1;
	p->snapshot.offset = (uint64_t)json_num(snapshot, "offset", 0);
	if (read_server(&p->from, json_object_get(o, "server"), e) < 0)
		return -1;
	if (read_tables(p, json_object_get(o, "tables"), e) < 0 || read_others(p, o, e) < 0)
		return -1;
	return read_routines(p, json_object_get(o, "routines"), e);
}

/* A plan larger than a message is in a file. New reference, or NULL. */
static json_t *parse(struct str bytes, int dir, struct err *e)
{
	json_t *o = json_parse(bytes, "the dump's plan", e);
	const char *file = json_text(o, "file", NULL);
	struct buf b = {0};
	json_t *whole = NULL;

	if (!o || !file)
		return o;
	if (strchr(file, '/'))
		err_set(e, ERR_proto, "the dump's plan names a file outside of its folder");
	else if (io_read_file(dir, file, PLAN_MAX, &b, e) == 0)
		whole = json_parse(buf_str(&b), "the dump's plan", e);
	buf_free(&b);
	json_decref(o);
	return whole;
}

int plan_read(struct plan *p, struct str copy_id, struct str bytes, int dir, struct err *e)
{
	json_t *o = parse(bytes, dir, e);
	int r;

	if (!o)
		return -1;
	p->copy_id = xstrndup(copy_id.p, copy_id.n);
	p->identity = xstrdup(json_text(o, "identity", ""));
	p->goes_on = xstrdup(json_text(o, "goes_on", ""));
	r = read_all(p, o, e);
	json_decref(o);
	return r;
}

static void stretches_fini(struct plan_item *t)
{
	for (unsigned i = 0; i < t->nstretches; i++) {
		free(t->stretches[i].lo);
		free(t->stretches[i].hi);
		free(t->stretches[i].partitions);
	}
	free(t->stretches);
}

void plan_items_fini(struct plan_items *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		free(l->p[i].schema);
		free(l->p[i].name);
		free(l->p[i].to_schema);
		free(l->p[i].to_name);
		free(l->p[i].create);
		free(l->p[i].value);
		route_extras_fini(&l->p[i].extras);
		structure_free(&l->p[i].structure);
		stretches_fini(&l->p[i]);
	}
	free(l->p);
	*l = (struct plan_items){0};
}

void plan_snapshot_fini(struct plan_snapshot *s)
{
	free(s->file);
	free(s->gtid);
	free(s->server);
	*s = (struct plan_snapshot){0};
}

void plan_fini(struct plan *p)
{
	plan_items_fini(&p->schemas);
	plan_items_fini(&p->tables);
	plan_items_fini(&p->views);
	plan_items_fini(&p->sequences);
	objects_fini(&p->routines);
	objects_fini(&p->lasts);
	plan_snapshot_fini(&p->snapshot);
	free(p->copy_id);
	free(p->identity);
	free(p->goes_on);
	*p = (struct plan){0};
}

int plan_position(const struct plan_snapshot *s, struct position *out, struct err *e)
{
	char base[256];

	*out = (struct position){0};
	if (!s->file[0])
		return 0;
	if (binlog_name_split(str_of(s->file), base, sizeof(base), &out->file, e) < 0)
		return -1;
	out->generation = 1;
	out->offset = s->offset;
	return 0;
}

/* --- by target --- */

static struct buf target_key(const char *schema, const char *name)
{
	struct buf key = {0};

	buf_puts(&key, schema);
	buf_putc(&key, '\0');
	buf_puts(&key, name);
	return key;
}

struct map *plan_targets(const struct plan *p)
{
	struct map *m = map_new();

	for (unsigned i = 0; i < p->tables.n; i++) {
		const struct plan_item *t = &p->tables.p[i];
		struct buf key = target_key(t->to_schema, t->to_name);

		if (!t->merged || t->merged == t)
			map_put(m, buf_str(&key), (void *)(uintptr_t)t);
		buf_free(&key);
	}
	return m;
}

const struct plan_item *plan_at(const struct map *targets, const char *to_schema, const char *to_name)
{
	struct buf key = target_key(to_schema, to_name);
	const struct plan_item *t = map_get(targets, buf_str(&key));

	buf_free(&key);
	return t;
}
