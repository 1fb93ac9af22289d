#pragma once
#include <stdint.h>

#include "common/base/buf.h"
#include "common/proc/loop.h"

/* The log lines of one unit: a pipe that we read, stamp and hand on. */
struct logs {
	struct loop *loop;
	int fd; /* reading end; -1: none */
	struct buf line;
	const char *source, *unit; /* borrowed, for the stamp */
	char last[600];            /* the last line that told of an error, "" for none */
};

/* Makes the pipe; returns the writing end, which the caller closes once it is handed over. -1 with errno. */
int logs_open(struct logs *g, struct loop *loop, const char *source, const char *unit);
/* Reads what is left and closes: the unit has ended. */
void logs_close(struct logs *g);
/* The code at the end of the last error's line ("… code=34019"); 0 where there is none. */
uint32_t logs_last_code(const struct logs *g);
