#pragma once
#include "units/dump/catalog.h"
#include "units/dump/csv.h"
#include "units/dump/value.h"

/*
 * How rows become the bytes of a file: one table of functions for each kind of file. All of them write into
 * `out`, which the writer empties. One thread.
 */
struct rows {
	const struct row_format *format;
	const struct item *t;
	size_t statement_size;
	enum value_format *columns; /* of those that are stored: ncolumns */
	unsigned ncolumns;
	const char **charsets; /* of a spool file's statements: what a text's bytes are of; NULL: of none */
	bool special;          /* there is a column whose values may need SQL */
	struct buf into;       /* " INTO `t` (`a`,`b`) VALUES\n" */
	struct buf tail;       /* ",'x'" of columns that only the downstream has */
	struct buf out;
	size_t statement;           /* bytes of the open INSERT, 0: none is open */
	const struct csv_form *csv; /* of CSV */
	/* spool files */
	char kind;           /* of the open segment; 0: none is open */
	size_t segment;      /* where in out its head is */
	unsigned in_segment; /* rows */
	unsigned more_sql;   /* so many rows go as SQL yet */
};

struct row_format {
	const char *ending;            /* of the files' names */
	void (*begin)(struct rows *r); /* a file */
	/* v: the values as selected (reader_put_select), of the columns that are stored. */
	int (*row)(struct rows *r, const struct str *v, struct err *e);
	/* What is in out is whole then: the file can end here. */
	void (*seal)(struct rows *r);
	bool whole; /* out may be emptied only when it is sealed */
};

/* INSERT statements, a row a line: what DM and mydumper write. */
extern const struct row_format format_sql;
/* For the load: lines that LOAD DATA takes as they are (docs/design/copy.md, "Spool files"). */
extern const struct row_format format_spool;

/* The same for others than our load: the session that they are to be read in stands at the head. */
extern const struct row_format format_files;
/* As dumpling writes it. */
extern const struct row_format format_csv;

void rows_init(struct rows *r, const struct row_format *format, const struct item *t, size_t statement_size);
void rows_fini(struct rows *r);
