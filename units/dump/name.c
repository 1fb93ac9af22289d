/*
 * File names of the dump folder. Called by the plan and the chunk writer; must never give two tables the same
 * name, nor a name that leaves the folder.
 */
#include "units/dump/name.h"

/* A directory entry holds 255 bytes: two names, the numbers and the longest ending fit. */
enum { PART_MAX = 90 };

static bool plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
	       c == '-';
}

/* False: it was cut. A cut never falls inside a percent triple. */
static bool put_part(struct buf *b, struct str name)
{
	size_t start = b->n;

	for (size_t i = 0; i < name.n; i++) {
		size_t need = plain(name.p[i]) ? 1 : 3;

		if (b->n - start + need > PART_MAX)
			return false;
		if (need == 1)
			buf_putc(b, name.p[i]);
		else
			buf_putf(b, "%%%02X", (unsigned)(unsigned char)name.p[i]);
	}
	return true;
}

/* '~' is never left as it is above, so a cut name can't be another table's whole one. */
static void put_pair(struct buf *b, struct str schema, struct str table, unsigned index)
{
	bool whole = put_part(b, schema);

	buf_putc(b, '.');
	if (!put_part(b, table) || !whole)
		buf_putf(b, "~%u", index);
}

void name_schema_create(struct buf *b, struct str schema, unsigned index)
{
	if (!put_part(b, schema))
		buf_putf(b, "~%u", index);
	buf_puts(b, "-schema-create.sql");
}

void name_table_schema(struct buf *b, struct str schema, struct str table, unsigned index)
{
	put_pair(b, schema, table, index);
	buf_puts(b, "-schema.sql");
}

void name_view_schema(struct buf *b, struct str schema, struct str view, unsigned index)
{
	put_pair(b, schema, view, index);
	buf_puts(b, "-schema-view.sql");
}

void name_triggers(struct buf *b, struct str schema, struct str table, unsigned index)
{
	put_pair(b, schema, table, index);
	buf_puts(b, "-schema-triggers.sql");
}

/* Routines and events. */
void name_post(struct buf *b, struct str schema, unsigned index)
{
	if (!put_part(b, schema))
		buf_putf(b, "~%u", index);
	buf_puts(b, "-schema-post.sql");
}

void name_sequence_schema(struct buf *b, struct str schema, struct str sequence, unsigned index)
{
	put_pair(b, schema, sequence, index);
	buf_puts(b, "-schema-sequence.sql");
}

void name_data(struct buf *b, struct str schema, struct str table, struct name_part part, const char *ending)
{
	put_pair(b, schema, table, part.index);
	buf_putf(b, ".%09u%04u%s", part.range, part.file, ending);
}
