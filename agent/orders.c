/*
 * From the orders (the whole wanted state) to sources, subtasks and checks, and back: what is not named any
 * more is told to leave and removed once it is off. Level-triggered: applying the same orders twice changes
 * nothing. Called by main.c.
 */
#include "agent/orders.h"

#include <string.h>

#include "agent/agent.h"
#include "agent/check.h"
#include "agent/purge.h"
#include "agent/source.h"
#include "common/base/log.h"
#include "common/config/json.h"

static bool slot_is_taken(const struct agent *a, unsigned slot)
{
	for (struct source *s = a->sources; s; s = s->next)
		if (s->slot == slot)
			return true;
	return false;
}

/* NULL: it can't be taken up now. A source that comes back in another slot waits until the old one is off. */
static struct source *get_source(struct agent *a, const json_t *spec)
{
	const char *name = json_text(spec, "source", "");
	int64_t slot = json_num(spec, "slot", 0);
	struct source *s = source_find(a, name);

	if (!name[0] || slot < 1 || slot > (int64_t)a->slots) {
		log_error("the orders have a source without a name or a slot from 1 to %u", a->slots);
		return NULL;
	}
	if (s)
		return s->slot == (unsigned)slot ? s : NULL;
	return slot_is_taken(a, (unsigned)slot) ? NULL : source_new(a, name, (unsigned)slot);
}

static void apply_sources(struct agent *a, int64_t revision)
{
	json_t *spec;
	size_t i;

	for (struct source *s = a->sources; s; s = s->next)
		s->gone = true;
	json_array_foreach(json_object_get(a->orders, "sources"), i, spec) {
		struct source *s = get_source(a, spec);

		if (s)
			source_apply(s, spec, revision);
	}
	for (struct source *s = a->sources; s; s = s->next)
		if (s->gone)
			source_forget(s);
}

static struct check *find_check(const struct agent *a, int64_t id)
{
	for (struct check *c = a->checks; c; c = c->next)
		if (c->id == id)
			return c;
	return NULL;
}

static void apply_checks(struct agent *a)
{
	json_t *spec;
	size_t i;

	for (struct check *c = a->checks; c; c = c->next)
		c->gone = true;
	json_array_foreach(json_object_get(a->orders, "checks"), i, spec) {
		struct err e = {0};
		struct check *c = find_check(a, json_num(spec, "id", 0));

		if (json_object_get(spec, "purge")) /* the relay's to do, purge.c */
			continue;
		if (!c)
			c = check_new(a, spec, &e);
		if (c)
			c->gone = false;
		else
			log_err(&e);
	}
}

static void apply(struct agent *a)
{
	a->turn++;
	if (!a->orders)
		return;
	apply_sources(a, json_num(a->orders, "revision", 0));
	apply_checks(a);
	purge_apply(a);
}

void orders_set(struct agent *a, json_t *orders)
{
	json_decref(a->orders);
	a->orders = orders;
	apply(a);
}

/* True where something was removed: what waited for its place can be taken up now. */
static bool remove_gone(struct agent *a)
{
	struct source *s, *next_source;
	struct check *c, *next_check;
	bool removed = false;

	for (s = a->sources; s; s = next_source) {
		next_source = s->next;
		if (!s->gone || !source_is_off(s))
			continue;
		log_info("removed source=%s", s->name);
		source_free(&s);
		removed = true;
	}
	for (c = a->checks; c; c = next_check) {
		next_check = c->next;
		if (!c->gone || !proc_is_off(c->proc))
			continue;
		check_free(&c);
		removed = true;
	}
	return removed;
}

void orders_tick(struct agent *a, uint64_t now)
{
	bool removed = false;

	for (struct source *s = a->sources; s; s = s->next)
		removed |= source_tick(s, now);
	for (struct check *c = a->checks; c; c = c->next)
		check_tick(c, now);
	purge_tick(a);
	removed |= remove_gone(a);
	if (removed) {
		a->changed = true;
		apply(a);
	}
}
