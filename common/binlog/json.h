#pragma once
#include "common/base/buf.h"
#include "common/base/err.h"

/* MySQL's binary JSON (5.7-9.x) to text that the server reads back to the same value: numbers keep their
 * kind, opaque values (dates, DECIMAL, …) as the server prints them. Depth at most 100, as in the server. */
int binlog_json_text(struct str bytes, struct buf *out, struct err *e);
/* What the target can make of a value inside JSON. */
enum json_to {
	JSON_TO_TEXT,  /* MariaDB: its JSON is text */
	JSON_TO_CASTS, /* TiDB, MySQL before 8.0.4: what CAST makes */
	JSON_TO_TYPES, /* any type, by JSON_TABLE */
};
/*
 * As a literal for a target with a JSON type of its own: the text, or an expression where the text would lose
 * the kind of a DECIMAL, date, time or binary value.
 */
int binlog_put_json(struct buf *sql, struct str bytes, enum json_to to, struct err *e);
