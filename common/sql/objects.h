#pragma once
#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "server.h"

/* What a schema holds beside tables and sequences: its kinds, which of them a task wants, and who is to be
 * their DEFINER. */
enum object_kind {
	OBJECT_VIEW,
	OBJECT_FUNCTION,
	OBJECT_PROCEDURE,
	OBJECT_PACKAGE, /* MariaDB's */
	OBJECT_PACKAGE_BODY,
	OBJECT_TRIGGER,
	OBJECT_EVENT,
	OBJECT_KINDS
};
#define OBJECT_BIT(kind) (1u << (kind))
enum {
	OBJECTS_ROUTINES = OBJECT_BIT(OBJECT_FUNCTION) | OBJECT_BIT(OBJECT_PROCEDURE) |
			   OBJECT_BIT(OBJECT_PACKAGE) | OBJECT_BIT(OBJECT_PACKAGE_BODY),
	OBJECTS_TRIGGERS = OBJECT_BIT(OBJECT_TRIGGER),
	OBJECTS_EVENTS = OBJECT_BIT(OBJECT_EVENT),
	OBJECTS_ALL = OBJECTS_ROUTINES | OBJECTS_TRIGGERS | OBJECTS_EVENTS,
};

/* "PACKAGE BODY", as statements and information_schema say it. */
const char *object_word(enum object_kind kind);
/* The kind of that word; -1: none. */
int object_kind_of(struct str word);
/* The task's `objects`: "routines,triggers,events", "all", "none"; NULL or "": none. A set of OBJECT_BITs.
 * ERR_usage. */
int objects_parse(const char *list, unsigned *set, struct err *e);

enum definer_policy {
	DEFINER_KEEP,    /* the upstream's account, be it there or not */
	DEFINER_CURRENT, /* whoever makes it: Tidegate's own account */
	DEFINER_INVOKER, /* likewise, and views and routines run with the caller's rights */
	DEFINER_ACCOUNT, /* one that is named */
};
struct definer {
	enum definer_policy policy;
	char account[400]; /* DEFINER_ACCOUNT: `user`@`host` */
};
/* The task's `definer`: keep, current-user, invoker, or user@host; NULL or "": keep. ERR_usage. */
int definer_parse(const char *text, struct definer *d, struct err *e);
/* "u@h" as information_schema says it -> `u`@`h`; a role has no host. */
void definer_put(struct buf *out, struct str account);

/*
 * A SHOW CREATE text as it is to be executed: the DEFINER clause by policy, a view's SQL SECURITY with it, an
 * event disabled. What stands behind the head is passed through byte for byte. ERR_sql_parse.
 */
int object_put_create(enum object_kind kind, struct str create, const struct server *from,
	const struct definer *d, struct buf *out, struct err *e);
