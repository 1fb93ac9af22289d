/*
 * Speeds for query-status: DM shows bytes per second and averages since the start, units only tell counters
 * (and sync its speed of the moment). Called by report.c and status_cmd.c.
 */
#include "master/speed.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"

enum { SAMPLE_MS = 1000 };

static double number(const json_t *report, const char *unit, const char *key)
{
	return (double)json_num(json_object_get(report, unit), key, 0);
}

static struct speed *find(struct master *m, const char *task, const char *source)
{
	char key[MODEL_KEY];
	struct speed *s;

	model_subtask_key(task, source, key);
	s = map_get(m->speeds, str_of(key));
	if (s || !model_get(&m->model, STORE_SUBTASK, key))
		return s;
	s = xcalloc(1, sizeof(*s));
	map_put(m->speeds, str_of(key), s);
	return s;
}

/* A counter that fell belongs to a unit that was started again: no speed for this once. */
static double rate(double now, double before, double seconds)
{
	return now >= before ? (now - before) / seconds : 0;
}

static void start(struct speed *s, uint64_t now_ms, const json_t *report)
{
	*s = (struct speed){.first_ms = now_ms, .last_ms = now_ms, .still_ms = s->still_ms, .copy = s->copy};
	s->dump_bytes = number(report, "dump", "bytes_done");
	s->load_bytes = number(report, "load", "bytes_done");
	s->first_rows = s->rows = number(report, "sync", "rows");
	s->first_transactions = number(report, "sync", "transactions");
}

void speed_take(struct master *m, const char *task, const char *source, const json_t *report)
{
	struct speed *s = find(m, task, source);
	double dump = number(report, "dump", "bytes_done"), load = number(report, "load", "bytes_done");
	double rows = number(report, "sync", "rows"), seconds;
	struct copy_now copy;

	if (!s)
		return;
	if (strcmp(json_text(report, "stage", "Running"), "Running") == 0)
		s->still_ms = 0;
	else if (s->still_ms == 0)
		s->still_ms = m->now_ms;
	copy_read(report, &copy);
	copy_sample(&s->copy, &copy, m->now_ms);
	if (s->first_ms == 0 || rows < s->rows) {
		start(s, m->now_ms, report);
		return;
	}
	if (m->now_ms < s->last_ms + SAMPLE_MS)
		return;
	seconds = (double)(m->now_ms - s->last_ms) / 1000;
	s->dump_bps = rate(dump, s->dump_bytes, seconds);
	s->load_bps = rate(load, s->load_bytes, seconds);
	s->dump_bytes = dump;
	s->load_bytes = load;
	s->rows = rows;
	s->last_ms = m->now_ms;
}

const struct speed *speed_get(const struct master *m, const char *task, const char *source)
{
	char key[MODEL_KEY];

	model_subtask_key(task, source, key);
	return map_get(m->speeds, str_of(key));
}

void speed_drop(struct master *m, const char *task, const char *source)
{
	char key[MODEL_KEY];

	model_subtask_key(task, source, key);
	free(map_del(m->speeds, str_of(key)));
}
