/*
 * Units open no log file: they write lines to a pipe, and here each gets time, source and unit in front and
 * goes to the agent's own log. Called from the loop; a unit that floods is read in portions, so that the
 * others stay heard.
 */
#include "agent/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/log.h"

enum { PORTION = 16384, LONGEST = 4000 };

static void remember(struct logs *g, const char *line, size_t n)
{
	if (n < 5 || (strncmp(line, "error", 5) != 0 && strncmp(line, "warn ", 5) != 0))
		return;
	snprintf(g->last, sizeof(g->last), "%.*s", (int)n, line);
}

static void emit(struct logs *g, const char *line, size_t n)
{
	remember(g, line, n);
	log_relay_line(g->source, g->unit, line, n);
}

/* Whole lines only; one that never ends is cut. */
static void take_lines(struct logs *g)
{
	char *nl;
	size_t at = 0;

	while ((nl = memchr(g->line.p + at, '\n', g->line.n - at))) {
		emit(g, g->line.p + at, (size_t)(nl - g->line.p) - at);
		at = (size_t)(nl - g->line.p) + 1;
	}
	buf_cut_front(&g->line, at);
	if (g->line.n >= LONGEST) {
		emit(g, g->line.p, g->line.n);
		buf_clear(&g->line);
	}
}

/* Bytes read; 0 at the end, -1 where there is nothing now. */
static ssize_t read_portion(struct logs *g)
{
	ssize_t n;

	do
		n = read(g->fd, buf_room(&g->line, PORTION), PORTION);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		g->line.n += (size_t)n;
		take_lines(g);
	}
	return n;
}

static void on_readable(void *arg, uint32_t events)
{
	struct logs *g = arg;

	(void)events;
	if (read_portion(g) == 0) { /* the exit report comes by another way */
		loop_del(g->loop, g->fd);
		io_close(&g->fd);
	}
}

int logs_open(struct logs *g, struct loop *loop, const char *source, const char *unit)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	/* Only our end: the unit's stays blocking, so that it loses no line. */
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
		close(ends[0]);
		close(ends[1]);
		return -1;
	}
	g->loop = loop;
	g->fd = ends[0];
	g->source = source;
	g->unit = unit;
	g->last[0] = '\0';
	loop_add(loop, g->fd, on_readable, g);
	return ends[1];
}

void logs_close(struct logs *g)
{
	if (g->fd >= 0) {
		for (unsigned i = 0; i < 64 && read_portion(g) > 0; i++)
			;
		loop_del(g->loop, g->fd);
		io_close(&g->fd);
	}
	if (g->line.n > 0)
		emit(g, g->line.p, g->line.n);
	buf_free(&g->line);
}

uint32_t logs_last_code(const struct logs *g)
{
	const char *at = strstr(g->last, " code="), *found = NULL;

	for (; at; at = strstr(at + 1, " code="))
		found = at;
	return found ? (uint32_t)strtoul(found + 6, NULL, 10) : 0;
}
