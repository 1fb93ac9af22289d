#pragma once
#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * The GRANT statements for one unit or all of them, from include/grant.def. for_unit: relay, dump, sync,
 * load, all; cutover: what that needs beside all of these. server: "mariadb:11.4", "mysql:9.7", "tidb:8.5"
 * (the upstream's kind; for load, and for a tidb, the downstream's). user as it is written in a GRANT.
 * tables: a --tables list, NULL: all. ERR_usage for what is not known.
 */
int grants_put(struct buf *out, const char *for_unit, const char *server, const char *user,
	const char *tables, struct err *e);
