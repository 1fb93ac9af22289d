#pragma once
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Milliseconds of CLOCK_BOOTTIME: it goes on in suspend, never jumps back. For pauses and deadlines. */
uint64_t clock_ms(void);
uint64_t clock_us(void);
/* Wall time, microseconds since 1970 UTC. For people and for lag. */
uint64_t clock_wall_us(void);
/* "2026-11-23 13:05:07.123" UTC of wall_us; out holds at least 24 bytes. */
void clock_text(uint64_t wall_us, char *out, size_t size);
void clock_sleep_ms(uint64_t ms);
/* When ms from now are over, by CLOCK_MONOTONIC: for pthread_cond_timedwait with a condition of that clock.
 */
struct timespec clock_deadline(uint64_t ms);
