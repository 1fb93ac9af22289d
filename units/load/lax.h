#pragma once
#include "common/db/db.h"
#include "common/sql/structure.h"

/*
 * Behind a statement that went by INSERT IGNORE, for an ENUM's error value, and wrote its row: was anything
 * else bent to fit? -1: ERR_load_failed says what. The session's last statement must be that one.
 */
int lax_check(struct db *c, const struct structure *s, struct str statement, struct err *e);
/* May a warning that names a column say this of the statement's rows: is its value an ENUM's error value
 * there? */
bool lax_may_say(const struct structure *s, struct str statement, struct str warning);
