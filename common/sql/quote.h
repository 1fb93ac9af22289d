#pragma once
#include <stdbool.h>

#include "common/base/buf.h"

/* Quoting, for connections under SET NAMES binary and a sql_mode without ANSI_QUOTES and NO_BACKSLASH_ESCAPES
 * (ours always). */
void sql_put_ident(struct buf *b, struct str name);                     /* `na``me` */
void sql_put_table(struct buf *b, struct str schema, struct str table); /* `a`.`b` */
void sql_put_string(struct buf *b,
	struct str bytes); /* 'it\'s'; newline, CR, NUL, ^Z, quote, backslash escaped: one line always */
/* The same without the quotes, a tab escaped too: a field of a spool file, which LOAD DATA reads as it is,
 * and which is a string's inside in SQL. */
void sql_put_escaped(struct buf *b, struct str bytes);
void sql_put_hex(struct buf *b, struct str bytes); /* x'0AFF'; '' for no bytes */
