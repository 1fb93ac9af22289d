/*
 * From JSON objects to Prometheus' text, by the table include/metric.def: no other place knows a metric's
 * name. Called by the skeleton of agent and master for each scrape; touches nothing but what it is given.
 */
#include "common/proc/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/position.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "include/stage.h"

enum form { NUM, BOOL, MS, STAGE, FILE_, OFFSET };
enum kind { GAUGE, COUNTER };

static const struct row {
	const char *process, *name;
	enum kind kind;
	enum metric_scope scope;
	enum form form;
	const char *path, *help;
} rows[] = {
#define FORM_NUM NUM
#define FORM_BOOL BOOL
#define FORM_MS MS
#define FORM_STAGE STAGE
#define FORM_FILE FILE_
#define FORM_OFFSET OFFSET
#define METRIC(process, name, kind, scope, form, path, help) \
	{#process, #name, kind, METRIC_##scope, FORM_##form, path, help},
#include "metric.def"
#undef METRIC
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

struct told {
	enum metric_scope scope;
	char *labels;
	json_t *object;
};

struct metrics {
	const char *process;
	struct told *list;
	size_t n;
};

struct metrics *metrics_new(const char *process)
{
	struct metrics *m = xcalloc(1, sizeof(*m));

	m->process = process;
	return m;
}

void metrics_free(struct metrics **mp)
{
	struct metrics *m = *mp;

	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		free(m->list[i].labels);
		json_decref(m->list[i].object);
	}
	free(m->list);
	free(m);
	*mp = NULL;
}

static void put_label(struct buf *b, const char *label, const char *value)
{
	buf_putf(b, "%s%s=\"", b->n ? "," : "{", label);
	for (const char *p = value; *p; p++) {
		if (*p == '\\' || *p == '"')
			buf_putc(b, '\\');
		if (*p == '\n')
			buf_puts(b, "\\n");
		else
			buf_putc(b, *p);
	}
	buf_putc(b, '"');
}

static char *make_labels(enum metric_scope scope, const char *name, const char *source)
{
	static const char *const label_of[] = {
		[METRIC_MEMBER] = "agent", [METRIC_SOURCE] = "source", [METRIC_TASK] = "task"};
	struct buf b = {0};
	char *text;

	if (scope != METRIC_PROCESS)
		put_label(&b, label_of[scope], name);
	if (scope == METRIC_TASK)
		put_label(&b, "source", source);
	if (b.n)
		buf_putc(&b, '}');
	text = xstrdup(buf_cstr(&b));
	buf_free(&b);
	return text;
}

void metrics_add(
	struct metrics *m, enum metric_scope scope, const char *name, const char *source, json_t *object)
{
	m->list = xrealloc(m->list, (m->n + 1) * sizeof(*m->list));
	m->list[m->n++] = (struct told){scope, make_labels(scope, name, source), object};
}

/* "relay.status.bytes": the member of a member; NULL: not there. */
static const json_t *at_path(const json_t *o, const char *path)
{
	while (o && *path) {
		size_t n = strcspn(path, ".");

		o = json_object_getn(o, path, n);
		path += n + (path[n] == '.');
	}
	return o;
}

static int stage_number(const char *word)
{
#define STAGE(number, name)           \
	if (strcmp(word, #name) == 0) \
		return number;
#include "stage.def"
#undef STAGE
	return 0;
}

/* True: there is a number, written to out. */
static bool put_value(const struct row *r, const json_t *v, char *out, size_t size)
{
	struct position at = {0};

	switch (r->form) {
	case NUM:
		if (json_is_integer(v))
			snprintf(out, size, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		else
			snprintf(out, size, "%.6g", json_number_value(v));
		return json_is_number(v);
	case BOOL:
		snprintf(out, size, "%d", json_is_true(v));
		return json_is_boolean(v);
	case MS:
		snprintf(out, size, "%.3f", json_number_value(v) / 1000);
		return json_is_number(v);
	case STAGE:
		snprintf(out, size, "%d", json_is_string(v) ? stage_number(json_string_value(v)) : 0);
		return json_is_string(v);
	case FILE_:
	case OFFSET:
		if (!json_is_string(v) || position_load(str_of(json_string_value(v)), &at, NULL) < 0)
			return false;
		snprintf(out, size, "%" PRIu64, r->form == FILE_ ? at.file : at.offset);
		return true;
	}
	return false;
}

static void put_row(const struct metrics *m, const struct row *r, struct buf *out)
{
	char value[64];
	bool head = false;

	for (size_t i = 0; i < m->n; i++) {
		const struct told *t = &m->list[i];

		if (t->scope != r->scope || !put_value(r, at_path(t->object, r->path), value, sizeof(value)))
			continue;
		if (!head)
			buf_putf(out, "# HELP tidegate_%s %s\n# TYPE tidegate_%s %s\n", r->name, r->help,
				r->name, r->kind == COUNTER ? "counter" : "gauge");
		head = true;
		buf_putf(out, "tidegate_%s%s %s\n", r->name, t->labels, value);
	}
}

void metrics_text(const struct metrics *m, struct buf *out)
{
	buf_putf(out,
		"# HELP tidegate_build_info which Tidegate this is\n# TYPE tidegate_build_info gauge\n"
		"tidegate_build_info{process=\"%s\",version=\"%s\"} 1\n",
		m->process, TIDEGATE_VERSION);
	for (size_t i = 0; i < ROWS; i++)
		if (strcmp(rows[i].process, m->process) == 0)
			put_row(m, &rows[i], out);
}
