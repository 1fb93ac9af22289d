/*
 * Log lines on fd 2, each in one write so that lines of threads and processes don't mix. Opens no file. The
 * only state is what the process is called, the level, and each thread's context.
 */
#include "common/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "fds.h"

enum { LINE_MAX_ = 4000, CONTEXT_MAX = 200 };

/* The log context is one of the few file-level variables (STYLE). The level may change by SIGHUP. */
static _Atomic(enum log_level) min_level = LOG_INFO_;
static char stamp_name[64];
static _Thread_local char context[CONTEXT_MAX + 1];

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_set_level(enum log_level min)
{
	min_level = min;
}

int log_level_of(const char *name)
{
	for (int i = LOG_DEBUG_; i <= LOG_ERROR_; i++)
		if (strcmp(name, level_names[i]) == 0)
			return i;
	return -1;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

void log_stamp(const char *name)
{
	snprintf(stamp_name, sizeof(stamp_name), "%s", name ? name : "");
}

void log_context(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
}

/* A pipe that nobody reads any more, or a full one, must not hold the process up for ever: errors are
 * dropped. */
static void emit(char *line, size_t n)
{
	ssize_t r;

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f) /* strangers may have sent it */
			line[i] = ' ';
	line[n++] = '\n';
	do
		r = write(FD_LOG, line, n);
	while (r < 0 && errno == EINTR);
}

/* What snprintf returned, as the number of bytes that are really there. */
static size_t clamp(int n, size_t size)
{
	if (n < 0)
		return 0;
	return (size_t)n < size ? (size_t)n : size - 1;
}

static size_t put_stamp(char *line, size_t size, const char *name, const char *unit)
{
	char time[32];

	clock_text(clock_wall_us(), time, sizeof(time));
	return clamp(snprintf(line, size, "%s %s%s%s ", time, name, unit ? " " : "", unit ? unit : ""), size);
}

static const char *base_name(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash ? slash + 1 : file;
}

void log_write(enum log_level level, const char *file, int line_no, const char *fmt, ...)
{
	char line[LINE_MAX_ + 2];
	size_t n = 0;
	va_list ap;

	if (level < min_level)
		return;
	if (stamp_name[0])
		n = put_stamp(line, LINE_MAX_, stamp_name, NULL);
	n += clamp(
		snprintf(line + n, LINE_MAX_ - n, "%s %s:%d ", level_names[level], base_name(file), line_no),
		LINE_MAX_ - n);
	va_start(ap, fmt);
	n += clamp(vsnprintf(line + n, LINE_MAX_ - n, fmt, ap), LINE_MAX_ - n);
	va_end(ap);
	if (context[0])
		n += clamp(snprintf(line + n, LINE_MAX_ - n, " %s", context), LINE_MAX_ - n);
	emit(line, n);
}

void log_relay_line(const char *source, const char *unit, const char *text, size_t len)
{
	char line[LINE_MAX_ + 2];
	size_t n = put_stamp(line, LINE_MAX_, source, unit);

	if (len > LINE_MAX_ - n - 1)
		len = LINE_MAX_ - n - 1;
	memcpy(line + n, text, len);
	emit(line, n + len);
}

void log_err_at(const char *file, int line, const struct err *e)
{
	const struct err_info *i = err_info(e->code);

	log_write(i->act == ERR_ACT_RETRY ? LOG_WARN_ : LOG_ERROR_, file, line, "%s: %s; %s code=%u",
		i->message, e->text, i->workaround, e->code);
}
