#pragma once
#include "units/load/text.h"

/* CSV as dumpling writes it, and its like: see units/dump/csv.h. */
struct csv_dialect {
	char separator[16], delimiter[16], null_value[64];
	bool header;
	bool no_escape; /* a backslash is a byte like any other */
};

struct csv_field {
	size_t at, n; /* in bytes */
	bool null;
};

struct csv_row {
	struct buf bytes;
	struct csv_field *fields;
	size_t n, cap;
	size_t used; /* bytes of the file that it is: for text_use */
};

/* The next record: 1; 0: the end; -1. It lasts until the next call, and is not used yet. */
int csv_next(struct text *t, const struct csv_dialect *d, struct csv_row *row, struct err *e);
static inline struct str csv_value(const struct csv_row *row, size_t i)
{
	return (struct str){row->bytes.p + row->fields[i].at, row->fields[i].n};
}
void csv_row_fini(struct csv_row *row);
