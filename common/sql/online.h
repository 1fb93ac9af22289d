#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "common/base/err.h"
#include "common/base/str.h"

/*
 * Which tables are those of a tool that changes structures online (gh-ost, pt-osc), by their names
 * (docs/design/online-ddl.md): shadow, the table's next form; trash, what it leaves behind.
 */
struct online;

enum online_kind { ONLINE_REAL, ONLINE_SHADOW, ONLINE_TRASH };

/* {"shadow":[regex…],"trash":[regex…]}, DM's own where a list is not there; NULL or null: *out is NULL, all
 * tables are real ones. -1: ERR_config_bad. */
int online_new(struct online **out, const json_t *o, struct err *e);
void online_free(struct online **o);
/* The rules as text: equal rules, equal texts. o NULL: "". */
const char *online_text(const struct online *o);
/* o NULL: ONLINE_REAL. */
enum online_kind online_kind(const struct online *o, struct str table);
/* The name of the table that a shadow or trash is of, borrowed from it; "": it can't be told. */
struct str online_real(const struct online *o, struct str table);
