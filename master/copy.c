/*
 * Progress of the full copy, for query-status. Called by speed.c with each report and by status_cmd.c. Never
 * says more than what is certain: 100 % is complete, and nothing else is.
 */
#include "master/copy.h"

#include <string.h>

#include "common/config/json.h"

/* SMOOTH: so long back a speed reaches; before, it is the average. EASE: how much of a new guess of the time
 * left is taken at each sample. */
enum { SAMPLE_MS = 1000, SMOOTH_MS = 15000, EASE = 8, SHOWN = 20 };

static double num(const json_t *o, const char *key)
{
	return (double)json_num(o, key, 0);
}

static bool is_phase(const json_t *u, const char *phase)
{
	return strcmp(json_text(u, "phase", ""), phase) == 0;
}

static double most(double a, double b)
{
	return a > b ? a : b;
}

/* All of it is read: what the dump says is counted, not guessed. */
static bool dump_is_through(const json_t *dump)
{
	return is_phase(dump, "serve") || is_phase(dump, "done");
}

/* What is to be read and to be loaded yet, by the dump: of a copy that goes on it knows only the rest. */
static double to_come(const json_t *dump, const char *estimated, const char *taken)
{
	return most(num(dump, estimated) - num(dump, taken), 0);
}

void copy_read(const json_t *report, struct copy_now *out)
{
	const json_t *dump = json_object_get(report, "dump"), *load = json_object_get(report, "load");
	bool loads = json_text(load, "phase", "")[0] != '\0', dumps = num(dump, "tables_total") > 0;
	const json_t *done = loads ? load : dump;

	*out = (struct copy_now){.tables_done = num(done, "tables_done"),
		.rows = num(done, "rows_done"),
		.bytes = num(done, "bytes_done"),
		.complete = loads ? is_phase(load, "done") : dump_is_through(dump)};
	out->tables = most(num(done, "tables_total"), num(dump, "tables_total"));
	out->rows_whole = num(done, "rows_estimated");
	out->bytes_whole = num(done, "bytes_estimated");
	if (loads && dumps && !out->complete) {
		out->rows_whole = out->rows + to_come(dump, "rows_estimated", "rows_taken");
		out->bytes_whole = out->bytes + to_come(dump, "bytes_estimated", "bytes_taken");
	}
	out->rows_whole = most(out->rows_whole, out->rows);
	out->bytes_whole = most(out->bytes_whole, out->bytes);
	out->counts = out->tables > 0;
}

/* --- the pace --- */

static void begin(struct copy_pace *p, const struct copy_now *now, uint64_t now_ms)
{
	*p = (struct copy_pace){.first_ms = now_ms,
		.last_ms = now_ms,
		.first_rows = now->rows,
		.first_bytes = now->bytes,
		.rows = now->rows,
		.bytes = now->bytes,
		.left_s = -1};
}

static double smoothed(double was, double now, double ms)
{
	return was + (now - was) * ms / (ms + SMOOTH_MS);
}

static void guess_left(struct copy_pace *p, const struct copy_now *now, double ms)
{
	double left;

	if (p->bytes_s < 1) {
		p->left_s = -1;
		return;
	}
	left = (now->bytes_whole - now->bytes) / p->bytes_s;
	/* Behind a pause the old guess says nothing any more. */
	if (p->left_s >= 0 && ms < SMOOTH_MS)
		left = p->left_s - ms / 1000 + (left - p->left_s + ms / 1000) / EASE;
	p->left_s = most(left, 0);
}

void copy_sample(struct copy_pace *p, const struct copy_now *now, uint64_t now_ms)
{
	double ms = (double)(now_ms - p->last_ms), age = (double)(now_ms - p->first_ms);

	/* A counter that fell, and what comes back at once behind it: a unit was started again. */
	if (p->first_ms == 0 || now->rows < p->rows || now->bytes < p->bytes ||
		(p->bytes == 0 && p->rows == 0)) {
		begin(p, now, now_ms);
		return;
	}
	if (ms < SAMPLE_MS)
		return;
	if (age < SMOOTH_MS) {
		p->rows_s = (now->rows - p->first_rows) * 1000 / age;
		p->bytes_s = (now->bytes - p->first_bytes) * 1000 / age;
	} else {
		p->rows_s = smoothed(p->rows_s, (now->rows - p->rows) * 1000 / ms, ms);
		p->bytes_s = smoothed(p->bytes_s, (now->bytes - p->bytes) * 1000 / ms, ms);
	}
	p->rows = now->rows;
	p->bytes = now->bytes;
	p->last_ms = now_ms;
	guess_left(p, now, ms);
}

/* --- as JSON --- */

double copy_percent(double done, double all, bool complete)
{
	double p = all > 0 ? 100 * done / all : 0;

	if (complete)
		return 100;
	return p > 99.99 ? 99.99 : p;
}

static const json_t *of_table(const json_t *list, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (strcmp(json_text(o, "table", ""), name) == 0)
			return o;
	return NULL;
}

/* done: by the load, or NULL; ahead: by the dump, or NULL. One of them is there. */
static void put_table(json_t *list, const json_t *done, const json_t *ahead)
{
	double rows = num(done, "rows_done"), bytes = num(done, "bytes_done");
	double all_rows = num(done, "rows_estimated"), all_bytes = num(done, "bytes_estimated");

	if (ahead) {
		all_rows = rows + to_come(ahead, "rows_estimated", "rows_taken");
		all_bytes = bytes + to_come(ahead, "bytes_estimated", "bytes_taken");
	}
	all_rows = most(rows, all_rows);
	all_bytes = most(bytes, all_bytes);
	json_array_append_new(
		list, json_pack("{s:s, s:I, s:I, s:I, s:I, s:f}", "table",
			      json_text(ahead ? ahead : done, "table", ""), "rows_done", (json_int_t)rows,
			      "rows_estimated", (json_int_t)all_rows, "bytes_done", (json_int_t)bytes,
			      "bytes_estimated", (json_int_t)all_bytes, "percent",
			      copy_percent(bytes, all_bytes, false)));
}

/* Those under way: with what the dump knows of them; then those of which nothing is loaded yet. */
static json_t *tables(const json_t *report)
{
	const json_t *dump = json_object_get(json_object_get(report, "dump"), "tables");
	const json_t *load = json_object_get(report, "load"), *o;
	bool loads = json_text(load, "phase", "")[0] != '\0';
	json_t *list = json_array();
	size_t i;

	load = json_object_get(load, "tables");
	json_array_foreach(load, i, o)
		put_table(list, o, of_table(dump, json_text(o, "table", "")));
	json_array_foreach(dump, i, o)
		if (json_array_size(list) < SHOWN && !of_table(load, json_text(o, "table", "")))
			put_table(list, loads ? NULL : o, loads ? o : NULL);
	return list;
}

json_t *copy_to_json(const json_t *report, const struct copy_pace *p)
{
	const json_t *load = json_object_get(report, "load");
	json_t *keys = json_object_get(load, "keys"), *left_out = json_object_get(load, "left_out"), *o;
	bool known = p && p->last_ms > p->first_ms;
	struct copy_now n;

	copy_read(report, &n);
	o = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:o, s:o}", "tables_done",
		(json_int_t)n.tables_done, "tables_total", (json_int_t)n.tables, "rows_done",
		(json_int_t)n.rows, "rows_estimated", (json_int_t)n.rows_whole, "bytes_done",
		(json_int_t)n.bytes, "bytes_estimated", (json_int_t)n.bytes_whole, "percent",
		copy_percent(n.bytes, n.bytes_whole, n.complete), "rows_s",
		(json_int_t)(known ? p->rows_s : 0), "bytes_s", (json_int_t)(known ? p->bytes_s : 0),
		"left_s",
		known && p->left_s >= 0 && !n.complete ? json_integer((json_int_t)(p->left_s + 0.5))
						       : json_null(),
		"tables", tables(report));
	if (keys)
		json_object_set(o, "keys", keys);
	if (left_out)
		json_object_set(o, "left_out", left_out);
	return o;
}
