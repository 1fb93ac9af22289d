#pragma once
#include <jansson.h>

#include "units/sync/trx.h"

/*
 * What an operator said about DDL statements of the stream (`binlog skip|replace|inject`): kept by the
 * master, given to the sync at its start. Read only while it runs: what changes makes it start again.
 */
enum ddl_handle_op { DDL_SKIP, DDL_REPLACE, DDL_INJECT };

struct ddl_handle {
	enum ddl_handle_op op;
	char *base; /* of the binlog file's name */
	uint64_t file, offset;
	uint32_t generation; /* 0: any */
	struct str *sqls;    /* one statement each; none for DDL_SKIP */
	unsigned nsqls;
};

struct ddl_handles {
	struct ddl_handle *list;
	unsigned n;
};

/* From the slice's options.operators (NULL: none). On error nothing is kept. */
int ddl_handles_read(struct ddl_handles *h, const json_t *list, struct err *e);
void ddl_handles_fini(struct ddl_handles *h);
/* The one for this statement, by the position of its event or of the GTID event before it; NULL: none. */
const struct ddl_handle *ddl_handles_find(const struct ddl_handles *h, const char *base, const struct trx *t);
