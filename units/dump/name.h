#pragma once
#include <stdint.h>

#include "common/base/buf.h"

/*
 * Names of the files in the dump folder, as users of DM and mydumper know them. What is not A-Z, a-z, 0-9,
 * '_' or '-' is percent-encoded; a name that would not fit a directory entry is cut and told apart by
 * `index`. Appended to b.
 */
void name_schema_create(struct buf *b, struct str schema, unsigned index); /* app-schema-create.sql */
void name_table_schema(
	struct buf *b, struct str schema, struct str table, unsigned index); /* app.t-schema.sql */
void name_view_schema(
	struct buf *b, struct str schema, struct str view, unsigned index); /* app.v-schema-view.sql */
void name_triggers(struct buf *b, struct str schema, struct str table, unsigned index);
void name_post(struct buf *b, struct str schema, unsigned index);
void name_sequence_schema(struct buf *b, struct str schema, struct str sequence,
	unsigned index); /* app.s-schema-sequence.sql, as mydumper names it */
struct name_part {
	unsigned index; /* of the table */
	unsigned range; /* of the table's key */
	unsigned file;  /* of the range */
};
void name_data(struct buf *b, struct str schema, struct str table, struct name_part part,
	const char *ending); /* app.t.0000000010000.sql */
