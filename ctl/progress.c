/*
 * Live progress of `tidegate run`: tables, rows, MB, rows/s, time left, a bar; then the position and the lag.
 * Pure text: it gets numbers and writes to stdout.
 */
#include "ctl/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "ctl/plain.h"

enum { TERMINAL_MS = 200, PLAIN_MS = 5000, JSON_MS = 1000, RATE_MS = 1000, SILENT_MS = 7000, BAR = 20 };

void progress_init(struct progress *p, bool json)
{
	*p = (struct progress){.json = json, .terminal = !json && isatty(STDOUT_FILENO)};
	setvbuf(stdout, NULL, _IOLBF, 0);
}

void progress_count(double v, char *out, size_t size)
{
	if (v >= 1e9)
		snprintf(out, size, "%.2fG", v / 1e9);
	else if (v >= 1e6)
		snprintf(out, size, "%.2fM", v / 1e6);
	else if (v >= 1e4)
		snprintf(out, size, "%.1fk", v / 1e3);
	else
		snprintf(out, size, "%.0f", v);
}

void progress_bytes(double v, char *out, size_t size)
{
	if (v >= 1e9)
		snprintf(out, size, "%.2f GB", v / 1e9);
	else
		snprintf(out, size, "%.1f MB", v / 1e6);
}

void progress_lag(double ms, bool unknown, double silent_ms, char *out, size_t size)
{
	snprintf(out, size, "%s%.1f s%s", unknown ? "unknown for " : "", ms / 1000,
		silent_ms > SILENT_MS ? " (the upstream is silent)" : "");
}

void progress_time(double seconds, char *out, size_t size)
{
	unsigned s = seconds < 0 ? 0 : seconds > 3.6e6 ? 3600000u : (unsigned)(seconds + 0.5);

	if (s >= 3600)
		snprintf(out, size, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(out, size, "%u:%02u", s / 60, s % 60);
}

/* Rows per second over the last second or more: smooth enough to read, quick enough to believe. */
static void update_rate(struct progress *p, double rows)
{
	uint64_t now = clock_ms();
	double speed;

	if (p->rate_ms == 0 || rows < p->rate_rows) {
		p->rate_ms = now;
		p->rate_rows = rows;
		p->began_ms = now;
		p->began_rows = rows;
		return;
	}
	if (now - p->rate_ms < RATE_MS)
		return;
	speed = (rows - p->rate_rows) * 1000.0 / (double)(now - p->rate_ms);
	p->rows_per_s = p->rows_per_s > 0 ? 0.5 * p->rows_per_s + 0.5 * speed : speed;
	p->rate_ms = now;
	p->rate_rows = rows;
}

/* How much of the copy is done, 0 to 1; 1 only where its end is known. */
static double part_done(const struct progress_now *n)
{
	double part = n->bytes_estimated > 0 ? n->bytes_done / n->bytes_estimated : 0;

	if (strcmp(n->phase, "sync") == 0 || strcmp(n->phase, "done") == 0)
		return 1;
	return part > 0.99 ? 0.99 : part;
}

static void put_bar(double part, char *out)
{
	int full = (int)(part * BAR + 0.5);

	out[0] = '[';
	for (int i = 0; i < BAR; i++)
		out[1 + i] = i < full ? '#' : '.';
	out[BAR + 1] = ']';
	out[BAR + 2] = '\0';
}

void progress_copy(const struct progress_now *n, char *out, size_t size)
{
	char rows[24], all_rows[24], bytes[24], all_bytes[24], speed[24], left[24] = "-:--";

	progress_count(n->rows_done, rows, sizeof(rows));
	progress_count(n->rows_estimated, all_rows, sizeof(all_rows));
	progress_bytes(n->bytes_done, bytes, sizeof(bytes));
	progress_bytes(n->bytes_estimated, all_bytes, sizeof(all_bytes));
	progress_count(n->rows_per_s, speed, sizeof(speed));
	if (n->left_s >= 0)
		progress_time(n->left_s, left, sizeof(left));
	snprintf(out, size, "%3.0f %%  %.0f/%.0f tables  %s/%s rows  %s/%s  %s rows/s  ETA %s",
		100 * part_done(n), n->tables_done, n->tables_total, rows, all_rows, bytes, all_bytes, speed,
		left);
}

/* The whole copy, once it is complete; the last seconds say little then. */
static void put_end(const struct progress *p, const struct progress_now *n, char *out, size_t size)
{
	double ms = (double)(clock_ms() - p->began_ms);
	char rows[24], bytes[24], speed[24], took[24];

	progress_count(n->rows_done, rows, sizeof(rows));
	progress_bytes(n->bytes_done, bytes, sizeof(bytes));
	progress_count(ms > 0 ? (n->rows_done - p->began_rows) * 1000.0 / ms : 0, speed, sizeof(speed));
	progress_time(ms / 1000, took, sizeof(took));
	snprintf(out, size, "100 %%  %.0f/%.0f tables  %s rows  %s  %s rows/s  in %s", n->tables_done,
		n->tables_total, rows, bytes, speed, took);
}

static int copy_line(const struct progress *p, const struct progress_now *n, char *out, size_t size)
{
	char bar[BAR + 3], text[256];

	put_bar(part_done(n), bar);
	if (part_done(n) >= 1)
		put_end(p, n, text, sizeof(text));
	else
		progress_copy(n, text, sizeof(text));
	return snprintf(out, size, "copy  %s %s", bar, text);
}

static int follow_line(const struct progress *p, const struct progress_now *n, char *out, size_t size)
{
	char changes[24], speed[24], lag[64];

	if (!n->file[0])
		return snprintf(out, size, "follow  waiting for the relay log");
	progress_count(n->changes, changes, sizeof(changes));
	progress_count(p->rows_per_s, speed, sizeof(speed));
	progress_lag(n->lag_ms, n->lag_unknown, n->silent_ms, lag, sizeof(lag));
	return snprintf(out, size, "follow  %s:%.0f  %.0f transactions  %s rows  %s rows/s  lag %s", n->file,
		n->offset, n->transactions, changes, speed, lag);
}

static void show_json(const struct progress *p, const struct progress_now *n)
{
	bool follow = strcmp(n->phase, "sync") == 0;
	json_t *o =
		json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:o, s:I, s:I, s:s, s:I, s:I, "
			  "s:b, s:s}",
			"phase", n->phase, "tables_done", (json_int_t)n->tables_done, "tables_total",
			(json_int_t)n->tables_total, "rows_done", (json_int_t)n->rows_done, "rows_estimated",
			(json_int_t)n->rows_estimated, "bytes_done", (json_int_t)n->bytes_done,
			"bytes_estimated", (json_int_t)n->bytes_estimated, "percent", 100 * part_done(n),
			"rows_per_s", follow ? p->rows_per_s : n->rows_per_s, "bytes_per_s", n->bytes_per_s,
			"left_s", n->left_s >= 0 ? json_real(n->left_s) : json_null(), "transactions",
			(json_int_t)n->transactions, "changes", (json_int_t)n->changes, "file", n->file,
			"offset", (json_int_t)n->offset, "lag_ms", (json_int_t)n->lag_ms, "lag_known",
			!n->lag_unknown, "note", n->note);
	struct buf line = {0}, escaped = {0};

	json_write(o, &line);
	plain_escape(buf_cstr(&line), &escaped);
	puts(buf_cstr(&escaped));
	buf_free(&escaped);
	buf_free(&line);
	json_decref(o);
}

static void show_text(struct progress *p, const struct progress_now *n)
{
	bool follow = strcmp(n->phase, "sync") == 0;
	char line[512];
	int len = follow ? follow_line(p, n, line, sizeof(line)) : copy_line(p, n, line, sizeof(line));

	if (n->note[0] && len > 0 && len < (int)sizeof(line))
		snprintf(line + len, sizeof(line) - (size_t)len, "  (%s)", n->note);
	plain_text(line, "");
	if (!p->terminal) {
		puts(line);
		return;
	}
	/* Blanks wipe what a longer line left behind. */
	len = (int)strlen(line);
	printf("\r%s%*s", line, (int)p->width > len ? (int)p->width - len : 0, "");
	fflush(stdout);
	p->width = (unsigned)len;
}

void progress_note(struct progress *p, const char *text)
{
	char *plain = xstrdup(text);

	if (p->terminal && p->width > 0)
		putchar('\n');
	p->width = 0;
	fflush(stdout);
	plain_text(plain, "");
	fprintf(stderr, "tidegate: note: %s\n", plain);
	free(plain);
}

/* Nothing is known before the start; and of a copy that an earlier run completed there is nothing to tell. */
static bool has_news(const struct progress_now *n)
{
	return strcmp(n->phase, "start") != 0 && (strcmp(n->phase, "done") != 0 || n->tables_total > 0);
}

void progress_show(struct progress *p, const struct progress_now *n)
{
	uint64_t now = clock_ms(), every = p->json ? JSON_MS : p->terminal ? TERMINAL_MS : PLAIN_MS;
	bool other = strcmp(p->last_phase, n->phase) != 0;

	if (other && strcmp(n->phase, "sync") == 0)
		p->rate_ms = 0, p->rows_per_s = 0;
	update_rate(p, strcmp(n->phase, "sync") == 0 ? n->changes : n->rows_done);
	if (!other && now - p->last_ms < every)
		return;
	p->last_ms = now;
	if (other)
		progress_end(p);
	snprintf(p->last_phase, sizeof(p->last_phase), "%s", n->phase);
	if (p->json)
		show_json(p, n);
	else if (has_news(n))
		show_text(p, n);
}

void progress_end(struct progress *p)
{
	if (p->terminal && p->width > 0)
		putchar('\n');
	p->width = 0;
}
