/*
 * The dump's slice of the configuration (docs/protocol.md). Called from open(); the only reader of the slice.
 */
#include "units/dump/options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/json.h"
#include "units/dump/format.h"

struct number {
	const char *name;
	int64_t fallback, least, most;
};

static const struct number threads = {"threads", 4, 1, 64};
static const struct number statement_size = {"statement_size", 1000000, 1, 1 << 30};
static const struct number chunk_bytes = {"chunk_bytes", 16777216, 1024, INT64_C(1) << 32};
static const struct number spool_bytes = {"spool_bytes", INT64_C(4294967296), 1024, INT64_C(1) << 50};

static int read_number(const json_t *o, const struct number *n, uint64_t *out, struct err *e)
{
	int64_t v = json_num(o, n->name, n->fallback);

	if (v < n->least || v > n->most)
		return err_set(e, ERR_config_bad,
			"dump: %s is %" PRId64 ", it must be %" PRId64 " to %" PRId64, n->name, v, n->least,
			n->most);
	*out = (uint64_t)v;
	return 0;
}

static int read_consistency(struct dump *d, const char *word, struct err *e)
{
	if (strcmp(word, "auto") == 0)
		d->o.consistency = CONSISTENCY_AUTO;
	else if (strcmp(word, "flush") == 0)
		d->o.consistency = CONSISTENCY_FLUSH;
	else if (strcmp(word, "lock") == 0)
		d->o.consistency = CONSISTENCY_LOCK;
	else if (strcmp(word, "none") == 0)
		d->o.consistency = CONSISTENCY_NONE;
	else
		return err_set(e, ERR_config_bad,
			"dump: consistency is \"%s\", it must be auto, flush, lock or none", word);
	if (d->o.consistency == CONSISTENCY_NONE && d->o.follows)
		return err_set(e, ERR_config_unsupported,
			"dump: consistency none gives a copy that no position belongs to: use it with mode "
			"full only, or take"
			" auto, flush or lock");
	return 0;
}

static int read_format(struct dump *d, const char *word, struct err *e)
{
	if (strcmp(word, "spool") == 0)
		d->o.format = &format_spool;
	else if (strcmp(word, "sql") == 0)
		d->o.format = &format_sql;
	else
		return err_set(e, ERR_config_bad, "dump: format is \"%s\", it must be spool or sql", word);
	return 0;
}

static int read_options(struct dump *d, const json_t *o, struct err *e)
{
	uint64_t n, size;
	unsigned objects;

	if (objects_parse(json_text(o, "objects", ""), &objects, e) < 0)
		return -1;
	d->o.routines = objects & OBJECTS_ROUTINES;
	if (read_number(o, &threads, &n, e) < 0 || read_number(o, &statement_size, &size, e) < 0 ||
		read_number(o, &chunk_bytes, &d->o.chunk_bytes, e) < 0 ||
		read_number(o, &spool_bytes, &d->o.spool_bytes, e) < 0)
		return -1;
	d->o.threads = (unsigned)n;
	d->o.statement_size = (size_t)size;
	if (read_format(d, json_text(o, "format", "spool"), e) < 0)
		return -1;
	return read_consistency(d, json_text(o, "consistency", "auto"), e);
}

/* What makes two copies the same job. */
static char *job_name(const struct dump *d, const json_t *config)
{
	json_t *rules = json_object_get(config, "rules");
	json_t *o = json_pack("{s:s, s:s, s:s, s:i, s:b, s:s}", "task", json_text(config, "task", ""),
		"source", json_text(config, "source", ""), "host", d->upstream.host, "port",
		(int)d->upstream.port, "follows", (int)d->o.follows, "meta_schema",
		json_text(config, "meta_schema", ""));
	struct buf text = {0};

	json_object_set(o, "rules", rules ? rules : json_null());
	json_write(o, &text);
	json_decref(o);
	buf_cstr(&text);
	return text.p;
}

int options_read(struct dump *d, const json_t *config, struct err *e)
{
	d->o.follows = strcmp(json_text(config, "mode", "all"), "full") != 0;
	if (endpoint_from_json(json_object_get(config, "upstream"), &d->upstream, e) < 0)
		return err_add(e, "upstream");
	d->rules =
		rules_new(json_object_get(config, "rules"), json_text(config, "meta_schema", "dm_meta"), e);
	if (!d->rules)
		return -1;
	d->job_name = job_name(d, config);
	return read_options(d, json_object_get(config, "options"), e);
}
