#pragma once

/*
 * Named places where a test can kill, fail or delay a process. The names are the rows of
 * include/failpoint.def; a build without TIDEGATE_FAILPOINTS has no trace of them. The table lives in a file
 * that the test maps too (fd FD_FAILPOINTS): it arms a row ("kill at the 3rd pass") and reads back how often
 * the place was passed and whether it fired.
 */
enum failpoint {
#define FAILPOINT(name, help) FP_##name,
#include "failpoint.def"
#undef FAILPOINT
	FP_COUNT
};

enum failpoint_act { FP_ACT_NONE = 0, FP_ACT_KILL = 1, FP_ACT_ERROR = 2, FP_ACT_SLEEP = 3, FP_ACT_EXIT = 4 };

#ifdef TIDEGATE_FAILPOINTS
/* Maps the table on fd; without a valid fd the places do nothing. */
void failpoint_open(int fd);
/* Counts a pass; kills, sleeps or exits where armed so. Returns 1 where an error is to be made up, else 0. */
int failpoint_hit(enum failpoint fp);
#define FAILPOINT_HIT(name) failpoint_hit(FP_##name)
#else
static inline void failpoint_open(int fd)
{
	(void)fd;
}
#define FAILPOINT_HIT(name) 0
#endif
