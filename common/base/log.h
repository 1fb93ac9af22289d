#pragma once
#include <stddef.h>

#include "common/base/err.h"

/*
 * Log lines on fd 2. A unit writes "<level> <file>:<line> <message>[ key=value…]"; its agent puts time,
 * source and unit before it. Processes without an agent above them (agent, master, supervisor, ctl) stamp
 * their own (log_stamp).
 */
enum log_level { LOG_DEBUG_, LOG_INFO_, LOG_WARN_, LOG_ERROR_ };

/* From now on, for all threads. */
void log_set_level(enum log_level min);
/* "debug", "info", "warn", "error" -> its level, -1 for another word; and back. */
int log_level_of(const char *name);
const char *log_level_name(enum log_level level);
/* From now on each line begins with the time and "name" (copied). NULL: no stamp, the form of units. */
void log_stamp(const char *name);
/* Context of every later line of this thread, as " key=value" text; "" takes it away. At most 200 bytes,
 * copied. */
void log_context(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_write(enum log_level level, const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* One ready line (a unit's, without its newline) under a stamp of the given source and unit: the agent's job.
 */
void log_relay_line(const char *source, const char *unit, const char *line, size_t n);

#define log_debug(...) log_write(LOG_DEBUG_, __FILE__, __LINE__, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO_, __FILE__, __LINE__, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN_, __FILE__, __LINE__, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR_, __FILE__, __LINE__, __VA_ARGS__)
/* The edge's one line for an error: code, name, text, what to do. */
#define log_err(e) log_err_at(__FILE__, __LINE__, (e))
void log_err_at(const char *file, int line, const struct err *e);
