#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/config/keys.h"

/* Single values of a configuration file by their key's type. Pure functions over text. */

/* New reference (text, integer or boolean), or NULL with e (ERR_config_bad, ERR_config_unsupported). quoted
 * texts are no numbers. */
json_t *scalar_read(const struct key *k, struct str text, bool plain, struct err *e);
bool scalar_is_null(struct str text);
bool scalar_printable(struct str text); /* no control characters */
/* The same word in any case, or the same truth in any spelling ("off", "false", "0"). */
bool scalar_same(struct str text, const char *word);
/* "64", "64MiB", "1G" -> bytes; unit: of a bare number ("B", "MiB"). */
bool scalar_size(struct str text, const char *unit, int64_t *bytes);
/* Go's duration ("1m30s", "250ms"), or a number. */
bool scalar_is_time(struct str text);
