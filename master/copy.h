#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * How far a full copy is, of what the units of a subtask report: the load says what is done, the dump, which
 * is ahead of it, what the whole will be. Pure but for the pace, which is kept between reports.
 */
struct copy_now {
	double tables, tables_done, rows, rows_whole, bytes, bytes_whole;
	bool counts; /* something is being copied or is known of it; else all are zero */
	bool complete;
};
/* Speed and time left, smoothed: a chunk of many MiB is counted all at once. */
struct copy_pace {
	uint64_t first_ms, last_ms; /* 0: no sample yet */
	double first_rows, first_bytes, rows, bytes;
	double rows_s, bytes_s;
	double left_s; /* below 0: not known */
};

void copy_read(const json_t *report, struct copy_now *out);
void copy_sample(struct copy_pace *p, const struct copy_now *now, uint64_t now_ms);
/* `tidegate.copy` of query-status (docs/protocol.md). p: NULL where there is no sample. */
json_t *copy_to_json(const json_t *report, const struct copy_pace *p);
/* 0 to 100; 100 only where it is complete. */
double copy_percent(double done, double whole, bool complete);
