#pragma once
#include "units/load/load.h"

/*
 * Before the first row: which texts meet a column of another charset, in tables that we did not make of their
 * structure alone. Noted in the plan's structures (`recoded`). c: a DB_DDL connection; own: see own.h.
 */
int recode_note(struct load *l, struct db *c, const json_t *own, struct err *e);
