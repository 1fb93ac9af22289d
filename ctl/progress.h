#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What a run shows while it goes on: one line, rewritten on a terminal, else printed every few seconds; or
 * JSON lines. */
struct progress {
	bool json, terminal;
	uint64_t last_ms; /* of the last line printed */
	uint64_t rate_ms; /* of the sample behind the rates */
	double rate_rows, rows_per_s;
	uint64_t began_ms; /* of this phase's first sample, with its rows */
	double began_rows;
	char last_phase[16];
	unsigned width; /* of the line on the terminal */
};

/* The numbers of one subtask, summed up from query-status. */
struct progress_now {
	const char *phase; /* "start", "dump", "load", "sync", "done" */
	double tables_done, tables_total, rows_done, rows_estimated, bytes_done, bytes_estimated;
	double rows_per_s, bytes_per_s;                  /* of the copy */
	double left_s;                                   /* of the copy, in seconds; below 0: not known */
	double transactions, changes, lag_ms, silent_ms; /* silent: since the upstream last answered */
	bool lag_unknown;                                /* lag_ms is the least that it can be */
	const char *file;
	double offset;
	const char *note; /* a retried error, what a copy is at behind its rows, or "" */
};

void progress_init(struct progress *p, bool json);
void progress_show(struct progress *p, const struct progress_now *n);
/* A line of its own on stderr. */
void progress_note(struct progress *p, const char *text);
/* Ends the rewritten line, so that other text can follow. */
void progress_end(struct progress *p);
/* "1.2M", "340 MB", "0:32" into out. */
void progress_count(double v, char *out, size_t size);
void progress_bytes(double v, char *out, size_t size);
/* "0.3 s", "unknown for 12.0 s", "12.0 s (the upstream is silent)" */
void progress_lag(double ms, bool unknown, double silent_ms, char *out, size_t size);
void progress_time(double seconds, char *out, size_t size);
/* "42 %  3/10 tables  1.20M/2.90M rows  340.0 MB/800.0 MB  95.1k rows/s  ETA 0:32" */
void progress_copy(const struct progress_now *n, char *out, size_t size);
