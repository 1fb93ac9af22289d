#pragma once
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/sql/structure.h"
#include "server.h"

/* What becomes of a collation that the target lacks. */
enum collation_policy {
	COLLATION_NEAREST, /* the nearest, and a line in the log */
	COLLATION_FAIL,    /* a twin that compares alike, else an error */
	COLLATION_EXACT,   /* an error */
	COLLATION_POLICIES
};
/* Of its word; -1: unknown. */
int collation_policy_of(const char *word);

/* In which order an ALTER finds its rows, on both sides. */
enum sql_rows {
	SQL_ROWS_ANYHOW, /* each in its own, for all that is known */
	SQL_ROWS_BY_KEY, /* by the primary key */
	SQL_ROWS_NONE    /* there are none */
};

/* Between which servers, and how. */
struct sql_dialects {
	const struct server *from, *to;
	uint64_t sql_mode;
	enum collation_policy collations;
	enum sql_rows rows;
	/* The engine that the source's table has where the text names none. NULL: not known, as InnoDB; then
	 * *wants_engine (may be NULL) becomes true where what is said hangs on it. */
	const char *engine;
	bool *wants_engine;
};

/*
 * Moves DDL text (CREATE, ALTER, DROP and RENAME of tables, indexes, databases) from one server family or
 * version to another: types, collations, charsets and clauses that only one knows become the nearest of the
 * other (docs/design/dialects.md). Everything else passes through byte for byte. Each change adds one line to
 * notes ("`db`.`t`.`c`: UUID became CHAR(36)"), for the log. -1: ERR_sql_parse, or ERR_ddl_untranslatable
 * (ERR_collation_refused) with what can't be said and what to do.
 */
int sql_translate(
	struct str text, const struct sql_dialects *d, struct buf *out, struct buf *notes, struct err *e);
/* Of UUID, INET4 and INET6; false: such columns are text there. */
bool sql_keeps_address(enum column_kind kind, const struct server *to);
/* Does the policy take the nearest of `to` for it? */
bool sql_collation_may(
	struct str name, const struct server *from, const struct server *to, enum collation_policy policy);
/* The nearest collation (or charset) of `to`; NULL: as it is. */
const char *sql_map_collation(struct str name, const struct server *from, const struct server *to);
/* The nearest collation of `to`, always by name. */
const char *sql_collation_near(struct str name, const struct server *to);
/* Where a table has `there` and not the nearest: does it keep letters apart by case and accents as that does?
 * Two that do not look at these pass for each other. */
bool sql_collation_fits(struct str name, struct str there, const struct server *to);
/* The name of a collation's number, as events of that server carry it; NULL: not known. */
const char *sql_collation_of_id(unsigned id, const struct server *s);
