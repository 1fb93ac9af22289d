#pragma once
#include <stdbool.h>

/*
 * Calls fn(arg) in a thread of its own, with all signals blocked, and waits for its end, ms at most
 * (CLOCK_MONOTONIC). False: it is still at it, or will never end; what it uses must then stay where it is for
 * ever. For calls of libraries that may not come back.
 */
bool within(void (*fn)(void *arg), void *arg, unsigned ms);
