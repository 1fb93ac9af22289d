#pragma once
#include "common/base/err.h"
#include "common/base/str.h"

/*
 * The statements of a text that a person typed, divided by ';' outside of quotes and comments; fn sees each
 * without blanks around it. -1: fn's error, or ERR_sql_parse where one is not DDL of tables, databases or
 * indexes, or none is there.
 */
int sql_split_ddl(
	struct str text, int (*fn)(void *arg, struct str statement, struct err *e), void *arg, struct err *e);
