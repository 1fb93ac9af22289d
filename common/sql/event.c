/*
 * The names of events that rules of `filters` use, and which of them mean an event. Asks nobody.
 */
#include "common/sql/event.h"

static const char *const names[EVENT_COUNT + 1] = {
#define EVENT(id, name, class, help) [EVENT_##id] = (name),
#include "event.def"
#undef EVENT
};

static const enum event_class classes[EVENT_COUNT] = {
#define EVENT(id, name, class, help) [EVENT_##id] = EVENT_CLASS_##class,
#include "event.def"
#undef EVENT
};

const char *event_name(enum event_id id)
{
	return names[id];
}

enum event_class event_class(enum event_id id)
{
	return classes[id];
}

const char *const *event_names(void)
{
	return names;
}

enum event_id event_of(struct str name)
{
	int i = 0;

	while (i < EVENT_COUNT && !str_is_ci(name, names[i]))
		i++;
	return (enum event_id)i;
}

/* SCHEMA is DATABASE in another word. */
static enum event_id one_word(enum event_id id)
{
	switch (id) {
	case EVENT_create_schema:
		return EVENT_create_database;
	case EVENT_alter_schema:
		return EVENT_alter_database;
	case EVENT_drop_schema:
		return EVENT_drop_database;
	default:
		return id;
	}
}

/* 1: meant, 0: surely not, whatever comes behind; -1: go on. */
static int by_name(const struct event *ev, enum event_id name)
{
	enum event_class class = classes[ev->wide];
	bool dml = class == EVENT_CLASS_DML;

	switch (name) {
	case EVENT_all:
		return 1;
	case EVENT_none:
		return 0;
	case EVENT_all_dml:
		return dml ? 1 : -1;
	case EVENT_none_dml:
		return dml ? 0 : -1;
	case EVENT_all_ddl:
		return dml ? -1 : 1;
	case EVENT_none_ddl:
		return dml ? -1 : 0;
	case EVENT_incompatible:
	case EVENT_incompatible_short:
		return class == EVENT_CLASS_INCOMPATIBLE ? 1 : -1;
	case EVENT_multi_schema_change:
		return ev->multi ? 1 : -1;
	default:
		name = one_word(name);
		return name == ev->id || name == ev->wide ? 1 : -1;
	}
}

bool event_in(const struct event *ev, const enum event_id *list, unsigned n)
{
	int r = -1;

	for (unsigned i = 0; r < 0 && i < n; i++)
		r = by_name(ev, list[i]);
	return r == 1;
}
