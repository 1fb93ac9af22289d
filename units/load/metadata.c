/*
 * Reads `metadata`. Pure. What is not understood is passed by: the file holds much that is of no use here,
 * and a position that is missing is missed where it is needed.
 */
#include "units/load/metadata.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"

enum part { OTHER, PLACE, SOURCE };

struct reading {
	struct metadata *m;
	enum part part;
	unsigned places;
	char **open;       /* a value that goes on in the next line, and what there is of it */
	struct buf so_far; /* not copied for each line: a set may have a million */
};

static struct str trimmed(struct str s)
{
	while (s.n > 0 && isspace((unsigned char)s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && isspace((unsigned char)s.p[s.n - 1]))
		s.n--;
	return s;
}

static struct str unquoted(struct str s)
{
	if (s.n > 0 && (s.p[0] == '"' || s.p[0] == '\'')) {
		s.p++;
		s.n--;
	}
	if (s.n > 0 && (s.p[s.n - 1] == '"' || s.p[s.n - 1] == '\''))
		s.n--;
	return s;
}

/* A set of many servers stands in many lines, each but the last with a comma at its end. */
static void put_value(struct reading *r, char **to, struct str value)
{
	free(*to);
	*to = xstrndup(value.p ? value.p : "", value.n);
	r->open = value.n > 0 && value.p[value.n - 1] == ',' ? to : NULL;
	buf_clear(&r->so_far);
	buf_put(&r->so_far, value.p, value.n);
}

static void close_value(struct reading *r)
{
	if (!r->open)
		return;
	free(*r->open);
	*r->open = xstrndup(r->so_far.p, r->so_far.n);
	r->open = NULL;
}

static bool go_on(struct reading *r, struct str line)
{
	if (!r->open)
		return false;
	line = unquoted(line);
	buf_put(&r->so_far, line.p, line.n);
	if (line.n == 0 || line.p[line.n - 1] != ',')
		close_value(r);
	return true;
}

static void take(struct reading *r, struct str key, struct str value)
{
	struct plan_snapshot *at = &r->m->at;
	char number[32];

	if (str_is_ci(key, "Log") || str_is_ci(key, "File") || str_is_ci(key, "SOURCE_LOG_FILE")) {
		put_value(r, &at->file, value);
	} else if (str_is_ci(key, "Pos") || str_is_ci(key, "Position") || str_is_ci(key, "SOURCE_LOG_POS")) {
		snprintf(number, sizeof(number), "%.*s", (int)(value.n < 31 ? value.n : 31), value.p);
		at->offset = strtoull(number, NULL, 10);
	} else if (str_is_ci(key, "GTID") || str_is_ci(key, "executed_gtid_set")) {
		put_value(r, &at->gtid, value);
	}
}

static void take_line(struct reading *r, struct str line, char between)
{
	const char *mark = memchr(line.p, between, line.n);
	struct str key, value;

	if (!mark)
		return;
	key = trimmed((struct str){line.p, (size_t)(mark - line.p)});
	if (key.n > 0 &&
		key.p[0] == '#') /* with a server to be named, mydumper writes the place behind a '#' */
		key = trimmed((struct str){key.p + 1, key.n - 1});
	value = trimmed((struct str){mark + 1, (size_t)(line.p + line.n - mark - 1)});
	take(r, key, unquoted(value));
}

static void take_mark(struct metadata *m, struct str text)
{
	json_t *o = json_parse(text, "metadata", NULL);
	const char *flavor = json_text(o, "flavor", "");

	if (!o)
		return;
	m->ours = true;
	for (int f = FLAVOR_MYSQL; f <= FLAVOR_TIDB; f++)
		if (strcmp(flavor, flavor_name((enum flavor)f)) == 0)
			m->server = (struct server){(enum flavor)f, (uint32_t)json_num(o, "version", 0)};
	snprintf(m->csv.separator, sizeof(m->csv.separator), "%s", json_text(o, "csv_separator", ","));
	snprintf(m->csv.delimiter, sizeof(m->csv.delimiter), "%s", json_text(o, "csv_delimiter", "\""));
	snprintf(m->csv.null_value, sizeof(m->csv.null_value), "%s", json_text(o, "csv_null_value", "\\N"));
	m->csv.header = json_flag(o, "csv_header", true);
	m->files = json_num(o, "files", -1);
	m->rows = json_num(o, "rows", -1);
	m->pending_xa = json_flag(o, "pending_xa", false);
	json_decref(o);
}

static void begin_place(struct reading *r)
{
	r->part = ++r->places == 1 ? PLACE : OTHER;
	r->m->two_places = r->places > 1;
}

static void read_line(struct reading *r, struct str line)
{
	if (go_on(r, line))
		return;
	if (str_starts(line, "Tidegate: ")) {
		take_mark(r->m, (struct str){line.p + 10, line.n - 10});
	} else if (str_starts(line, "SHOW MASTER STATUS:") || str_starts(line, "SHOW BINARY LOG STATUS:")) {
		begin_place(r);
	} else if (str_starts(line, "SHOW ") || str_starts(line, "Started dump") ||
		   str_starts(line, "Finished dump")) {
		r->part = OTHER;
	} else if (line.n > 0 && line.p[0] == '[') {
		r->part = str_is_ci(line, "[source]") || str_is_ci(line, "[master]") ? SOURCE : OTHER;
	} else if (r->part != OTHER) {
		take_line(r, line, r->part == PLACE ? ':' : '=');
	}
}

void metadata_read(struct str text, struct metadata *out)
{
	struct reading r = {.m = out};

	*out = (struct metadata){.at = {xstrdup(""), xstrdup(""), 0},
		.csv = {",", "\"", "\\N", true},
		.files = -1,
		.rows = -1};
	while (text.n > 0) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;

		read_line(&r, trimmed((struct str){text.p, n}));
		n += end != NULL;
		text.p += n;
		text.n -= n;
	}
	close_value(&r);
	buf_free(&r.so_far);
}

void metadata_fini(struct metadata *m)
{
	plan_snapshot_fini(&m->at);
}
