#pragma once
#include "common/base/buf.h"
#include "common/base/err.h"
#include "server.h"

/*
 * The GRANT statements for one unit or all of them, from include/grant.def. for_unit: relay, dump, sync,
 * load, all; cutover: what that needs beside all of these. server: "mariadb:11.4", "mysql:9.7", "tidb:8.5"
 * (the upstream's kind; for load, and for a tidb, the downstream's). user as it is written in a GRANT.
 * tables: a --tables list, NULL: all. ERR_usage for what is not known.
 */
int grants_put(struct buf *out, const char *for_unit, const char *server, const char *user,
	const char *tables, struct err *e);

/* `schema`.* of a GRANT, where _ and % stand for other letters too unless they are escaped. literal: a MySQL
 * with partial_revokes=ON, which knows no patterns. */
void grants_put_schema(struct buf *out, const char *schema, bool literal);

/* What makes parts of the work better and may be missing. */
struct grant_optional {
	const char *privilege, *objects, *trial, *without;
	bool global; /* else on the wanted tables */
};
/* The i-th of this upstream; false: there are no more. */
bool grants_optional(size_t i, const struct server *s, struct grant_optional *out);
