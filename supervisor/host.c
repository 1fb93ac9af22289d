/*
 * When agent and master are started again, and what they are told. Time comes in as an argument; starting
 * itself is supervisor/start.c.
 */
#include "supervisor/host.h"

#include <string.h>

#include "unit.h"

void host_init(struct host *h, int kind)
{
	*h = (struct host){.kind = kind, .pause_ms = HOST_PAUSE_MIN_MS};
}

void host_started(struct host *h, uint64_t now)
{
	h->running = true;
	h->started_ms = now;
	h->leave_by = 0;
}

void host_died(struct host *h, uint64_t now)
{
	if (h->running && now - h->started_ms >= HOST_FORGIVEN_MS)
		h->pause_ms = HOST_PAUSE_MIN_MS;
	h->running = false;
	h->restarts++;
	h->start_at = now + h->pause_ms;
	h->pause_ms = h->pause_ms * 2 > HOST_PAUSE_MAX_MS ? HOST_PAUSE_MAX_MS : h->pause_ms * 2;
}

static void put_masters(const char *list, struct buf *out)
{
	buf_puts(out, ",\"masters\":[");
	for (const char *at = list; *at;) {
		size_t n = strcspn(at, ",");

		buf_putf(out, "%s\"%.*s\"", at > list ? "," : "", (int)n, at);
		at += n + (at[n] == ',');
	}
	buf_putc(out, ']');
}

/* All of it was checked when the arguments were read: nothing in it needs escaping. */
void host_slice(int kind, const struct super_args *a, unsigned slots, struct buf *out)
{
	buf_putf(out, "{\"unit\":\"%s\",\"name\":\"%s\",\"log_level\":\"%s\"", unit_info(kind)->name, a->name,
		log_level_name(a->level));
	if (kind == UNIT_agent)
		buf_putf(out, ",\"slots\":%u", slots);
	if (a->masters)
		put_masters(a->masters, out);
	if (kind == UNIT_master && a->store)
		buf_putf(out, ",\"store\":\"%s\"", a->store);
	if (a->config)
		buf_putf(out, ",\"config\":\"%s/tidegate-%s.conf\"", a->config, unit_info(kind)->name);
	buf_putc(out, '}');
}
