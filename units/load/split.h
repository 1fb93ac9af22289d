#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"
#include "common/base/str.h"

/*
 * Cuts the text of a chunk file into its statements. A statement ends at ';' and a newline outside of quotes,
 * backticks and comments, whatever stands inside them.
 */
struct split {
	struct str text;
	size_t at;
};

/* 1: the next statement, without its ';'; 0: the end; -1: the text ends in the middle of one. */
int split_next(struct split *s, struct str *statement, struct err *e);
/* Does the statement insert rows (INSERT, INSERT IGNORE)? */
bool split_is_insert(struct str statement);
