#pragma once
#include <stdbool.h>

#include "common/base/str.h"
#include "server.h"

/* Charsets and collations of all servers, and which is nearest to which (docs/design/dialects.md). Within
 * common/sql. */
struct collation {
	const char *name, *old_name;   /* old_name: "utf8_…" of "utf8mb3_…", else NULL */
	uint32_t mysql, mariadb, tidb; /* first version that has it; 0: none */
};

/* Any case, utf8_… or utf8mb3_…; NULL: not in the table. */
const struct collation *collation_find(struct str name);
bool collation_known(const struct collation *c, const struct server *s);
/* The name as this server writes it. */
const char *collation_name(const struct collation *c, const struct server *s);
/* The same collation where `to` knows it, else the nearest that keeps apart whatever this one keeps apart (as
 * far as there is one). */
const struct collation *collation_nearest(const struct collation *c, const struct server *to);
/* They compare alike, but for characters that are newer than one of them. */
bool collation_is_twin(const struct collation *a, const struct collation *b);
/* What a charset alone means; NULL for a charset that is not in the table. */
const struct collation *collation_default(struct str charset, const struct server *s);
/* The charset of a collation, as this server writes it. */
const char *collation_charset(const struct collation *c, const struct server *s);
