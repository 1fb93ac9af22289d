#pragma once
#include "master/copy.h"
#include "master/master.h"

/* How fast a subtask goes: from the counters of successive reports. */
struct speed {
	uint64_t first_ms, last_ms;
	uint64_t still_ms;                   /* since when it has not been running; 0: it is */
	double dump_bytes, load_bytes, rows; /* at last_ms */
	double first_rows, first_transactions;
	double dump_bps, load_bps; /* over the last second or more */
	struct copy_pace copy;
};

void speed_take(struct master *m, const char *task, const char *source, const json_t *report);
/* NULL: nothing known. */
const struct speed *speed_get(const struct master *m, const char *task, const char *source);
void speed_drop(struct master *m, const char *task, const char *source);
