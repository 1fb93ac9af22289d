#pragma once
#include "common/base/buf.h"
#include "common/base/err.h"
#include "server.h"

/*
 * Moves DDL text (CREATE, ALTER, DROP and RENAME of tables, indexes, databases) from one server family or
 * version to another: types, collations, charsets and clauses that only one knows become the nearest of the
 * other (docs/design/dialects.md). Everything else passes through byte for byte. Each change adds one line to
 * notes ("`db`.`t`.`c`: UUID became CHAR(36)"), for the log. -1: ERR_sql_parse, or ERR_ddl_untranslatable
 * with what can't be said and what to do.
 */
int sql_translate(struct str text, const struct server *from, const struct server *to, uint64_t sql_mode,
	struct buf *out, struct buf *notes, struct err *e);
/* The nearest collation (or charset) of `to`; NULL: as it is. */
const char *sql_map_collation(struct str name, const struct server *from, const struct server *to);
/* The name of a collation's number, as events of that server carry it; NULL: not known. */
const char *sql_collation_of_id(unsigned id, const struct server *s);
