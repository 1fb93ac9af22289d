/*
 * The dump's slice of the configuration (docs/protocol.md). Called from open(); the only reader of the slice.
 */
#include "units/dump/options.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/config/mode.h"
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

static int take_text(const char *key, const char *text, char *out, size_t size, struct err *e)
{
	if (strlen(text) >= size)
		return err_set(e, ERR_config_bad, "dump: %s is longer than %zu bytes", key, size - 1);
	strcpy(out, text);
	return 0;
}

/* Bytes that stand bare in a number, or mean something behind a backslash. */
static bool is_taken(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("+-.\\\r\n", c));
}

static bool begins(const char *text, const char *with)
{
	return with[0] && strncmp(text, with, strlen(with)) == 0;
}

/* A NULL and what follows it must be read as just that. */
static bool null_can_be_told(const struct csv_form *f)
{
	char text[sizeof(f->null_value) + sizeof(f->separator)];
	size_t n = strlen(f->null_value), backslashes = 0;

	while (backslashes < n && f->null_value[n - backslashes - 1] == '\\')
		backslashes++;
	snprintf(text, sizeof(text), "%s%s", f->null_value, f->separator);
	return strstr(text, f->separator) == text + n && backslashes % 2 == 0 &&
	       !begins(text, f->delimiter) && !strpbrk(f->null_value, "\r\n");
}

/* The three against each other. */
static int check_csv_words(const struct csv_form *f, struct err *e)
{
	if (!f->separator[0] || begins(f->separator, f->delimiter) || begins(f->delimiter, f->separator))
		return err_set(e, ERR_config_bad,
			"dump: neither of csv-separator and csv-delimiter may begin with the other");
	if (strpbrk(f->separator, "\r\n") || strpbrk(f->delimiter, "\r\n"))
		return err_set(e, ERR_config_bad,
			"dump: csv-separator and csv-delimiter must not hold a line's end");
	if (!null_can_be_told(f))
		return err_set(e, ERR_config_bad,
			"dump: csv-null-value is \"%s\": it must neither hold csv-separator or a line's end, "
			"nor begin with csv-delimiter, nor end with a backslash",
			f->null_value);
	return 0;
}

/* What is written must be read again as it was. */
static int check_csv(const struct csv_form *f, struct err *e)
{
	if (check_csv_words(f, e) < 0)
		return -1;
	if (is_taken(f->separator[0]) || is_taken(f->delimiter[0]))
		return err_set(e, ERR_config_bad,
			"dump: csv-separator and csv-delimiter must not begin with a letter, a digit, a "
			"sign, a dot, a backslash or a line's end");
	if (isdigit((unsigned char)f->null_value[0]) || (f->null_value[0] && strchr("+-.", f->null_value[0])))
		return err_set(e, ERR_config_bad, "dump: csv-null-value is \"%s\", which could be a number",
			f->null_value);
	if (!f->delimiter[0] && !f->null_value[strspn(f->null_value, CSV_MEANING)])
		return err_set(e, ERR_config_bad,
			"dump: without a csv-delimiter NULL could not be told from a text: csv-null-value is "
			"\"%s\"",
			f->null_value);
	return 0;
}

static int read_csv(struct dump *d, const json_t *o, struct err *e)
{
	struct csv_form *to = &d->o.form;

	to->header = json_flag(o, "csv_header", true);
	if (take_text("csv_separator", json_text(o, "csv_separator", ","), to->separator,
		    sizeof(to->separator), e) < 0 ||
		take_text("csv_delimiter", json_text(o, "csv_delimiter", "\""), to->delimiter,
			sizeof(to->delimiter), e) < 0 ||
		take_text("csv_null_value", json_text(o, "csv_null_value", "\\N"), to->null_value,
			sizeof(to->null_value), e) < 0)
		return -1;
	return check_csv(to, e);
}

static int read_files(struct dump *d, const json_t *o, struct err *e)
{
	const char *type = json_text(o, "filetype", "sql"), *compress = json_text(o, "compress", "");

	d->o.csv = strcmp(type, "csv") == 0;
	if (!d->o.csv && strcmp(type, "sql") != 0)
		return err_set(e, ERR_config_bad, "dump: filetype is \"%s\", it must be sql or csv", type);
	if (!packing_of(compress, &d->o.packing))
		return err_set(
			e, ERR_config_bad, "dump: compress is \"%s\", it must be gzip or zstd", compress);
	d->o.format = d->o.csv ? &format_csv : &format_files;
	d->o.spool_bytes = UINT64_MAX; /* nobody takes anything away: it is as large as it is */
	if (take_text("dir", json_text(o, "dir", ""), d->o.dir, sizeof(d->o.dir), e) < 0 ||
		take_text("id", json_text(o, "id", ""), d->o.id, sizeof(d->o.id), e) < 0)
		return -1;
	return read_csv(d, o, e);
}

static int read_options(struct dump *d, const json_t *o, struct err *e)
{
	uint64_t n, size;
	unsigned objects;

	if (objects_parse(json_text(o, "objects", ""), &objects, e) < 0)
		return -1;
	d->o.routines = (objects & OBJECTS_ROUTINES) && !d->o.to_files;
	d->o.objects = d->o.to_files ? objects : 0;
	if (read_number(o, &threads, &n, e) < 0 || read_number(o, &statement_size, &size, e) < 0 ||
		read_number(o, &chunk_bytes, &d->o.chunk_bytes, e) < 0 ||
		read_number(o, &spool_bytes, &d->o.spool_bytes, e) < 0)
		return -1;
	d->o.threads = (unsigned)n;
	d->o.statement_size = (size_t)size;
	if (read_format(d, json_text(o, "format", "spool"), e) < 0 ||
		(d->o.to_files && read_files(d, o, e) < 0))
		return -1;
	return read_consistency(d, json_text(o, "consistency", "auto"), e);
}

/* What makes two copies the same job. */
static char *job_name(const struct dump *d, const json_t *config)
{
	json_t *rules = json_copy(json_object_get(config, "rules"));
	json_t *o = json_pack("{s:s, s:s, s:s, s:i, s:b, s:s}", "task", json_text(config, "task", ""),
		"source", json_text(config, "source", ""), "host", d->upstream.host, "port",
		(int)d->upstream.port, "follows", (int)d->o.follows, "meta_schema",
		json_text(config, "meta_schema", ""));
	struct buf text = {0};

	/* Which other sources there are is nothing to what is read of this one. */
	json_object_del(rules, "others");
	json_object_set_new(o, "rules", rules ? rules : json_null());
	json_write(o, &text);
	json_decref(o);
	buf_cstr(&text);
	return text.p;
}

int options_read(struct dump *d, const json_t *config, struct err *e)
{
	const struct mode *mode = mode_find(json_text(config, "mode", "all"));

	d->o.follows = !mode || mode->sync;
	d->o.to_files = mode && mode->to == MODE_FILES;
	if (endpoint_from_json(json_object_get(config, "upstream"), &d->upstream, e) < 0)
		return err_add(e, "upstream");
	d->rules =
		rules_new(json_object_get(config, "rules"), json_text(config, "meta_schema", "dm_meta"), e);
	if (!d->rules)
		return -1;
	d->source = xstrdup(json_text(config, "source", ""));
	d->job_name = job_name(d, config);
	return read_options(d, json_object_get(config, "options"), e);
}
