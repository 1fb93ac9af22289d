#pragma once
#include <stdbool.h>

#include "common/base/str.h"

/* The names of include/event.def. */
enum event_id {
#define EVENT(id, name, class, help) EVENT_##id,
#include "event.def"
#undef EVENT
	EVENT_COUNT
};

enum event_class {
	EVENT_CLASS_GROUP,
	EVENT_CLASS_DML,
	EVENT_CLASS_DDL,
	EVENT_CLASS_INCOMPATIBLE,
	EVENT_CLASS_NEVER
};

/* What happens: by its own name and by the one that DM has for it, mostly the same. */
struct event {
	enum event_id id, wide;
	bool multi; /* a part of an ALTER TABLE that has several */
};

const char *event_name(enum event_id id);
enum event_class event_class(enum event_id id);
/* In any case; EVENT_COUNT: there is none. */
enum event_id event_of(struct str name);
/* All of them; NULL behind the last. */
const char *const *event_names(void);
/* Is it meant by one of a rule's names, in their order (a `none` ends the list)? */
bool event_in(const struct event *ev, const enum event_id *list, unsigned n);
