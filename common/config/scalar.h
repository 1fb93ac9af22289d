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
/* Go's duration ("1m30s", "250ms"), or a number of seconds -> milliseconds, rounded down; what is too long
 * to count is the longest. */
bool scalar_time(struct str text, int64_t *ms);
/* "Asia/Shanghai", "UTC", "+08:00": the form only, from -12:59 to +14:00. */
bool scalar_zone(struct str text);
/* The form of a GTID set: MySQL's, with tags too, or MariaDB's. Blanks and line ends may stand around commas.
 */
bool scalar_gtids(struct str text);
