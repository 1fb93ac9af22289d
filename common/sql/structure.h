#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "server.h"

/* A table's structure as one server knows it: what a reader of rows needs. */
enum column_kind {
	COLUMN_INT, /* TINYINT … BIGINT, BOOL, YEAR */
	COLUMN_FLOAT,
	COLUMN_DOUBLE,
	COLUMN_DECIMAL,
	COLUMN_BIT,
	COLUMN_DATE,
	COLUMN_TIME,
	COLUMN_DATETIME,
	COLUMN_TIMESTAMP,
	COLUMN_TEXT,   /* CHAR, VARCHAR, TEXT: has a charset */
	COLUMN_BINARY, /* BINARY, VARBINARY, BLOB */
	COLUMN_ENUM,
	COLUMN_SET,
	COLUMN_JSON, /* MySQL's binary JSON type only; MariaDB's is text */
	COLUMN_GEOMETRY,
	COLUMN_VECTOR,
	COLUMN_UUID,
	COLUMN_INET4,
	COLUMN_INET6, /* MariaDB: text outside, fixed bytes in the binlog */
	COLUMN_OTHER,
};

struct column {
	char *name, *type; /* type: COLUMN_TYPE of information_schema, "int(10) unsigned" */
	enum column_kind kind;
	bool is_unsigned, nullable, generated, invisible, auto_increment;
	char *charset, *collation; /* "" where there is none */
	unsigned length;           /* BINARY(n), BIT(n), VECTOR(n): n; else 0 */
	char *expression;          /* of a generated one; NULL: none, or not recorded */
	bool is_virtual;           /* generated when it is read */
	bool no_default; /* of one that is NOT NULL: it has none; false: it has, or it is not recorded */
	bool as_unicode; /* its text travels in utf8mb4 (value_format_for); no record keeps it */
	bool recoded;    /* the table that takes it has it in another charset; no record keeps it */
};

struct key {
	char *name;
	bool primary, unique;
	unsigned *columns; /* indexes into columns */
	unsigned ncolumns;
	/* Of each column, how much of it counts: characters, or bytes of a binary one; 0: all of it. NULL:
	 * there is none but whole columns, or an expression, or it is not recorded. */
	unsigned *prefixes;
	bool whole;   /* whole columns: no prefix, no expression */
	bool usable;  /* unique, all columns NOT NULL, whole columns (no prefix, no expression) */
	bool hashed;  /* MariaDB's unique hash: of too long values; rows have a hidden column for it */
	bool ordered; /* ascending in all parts, no hash; only as read from a server, no record keeps it */
};

struct structure {
	char *schema, *table;
	char *charset; /* what a column without words about it gets; NULL: not recorded, as downstream */
	/* MariaDB's row history: the column that says when a row ended; it may be hidden. "": the table has
	 * no history; NULL: nobody said. */
	char *row_end;
	struct column *columns;
	unsigned ncolumns;
	struct key *keys;
	unsigned nkeys;
	int key; /* the key that names a row: the primary key, else the first usable unique one; -1: none */
};

void structure_free(struct structure **s);
/* Under another name: records of the upstream's tables are made of what the downstream says. */
void structure_rename(struct structure *s, const char *schema, const char *table);
/* What one column or key has; itself it belongs to the array that it stands in. */
void structure_column_fini(struct column *c);
void structure_key_fini(struct key *k);
enum column_kind column_kind_of(const char *type, const char *charset, const struct server *server);
json_t *structure_to_json(const struct structure *s); /* new reference */
struct structure *structure_from_json(const json_t *o, struct err *e);
/* Which of the keys names a row: the primary key, else the first usable one; -1: none. */
int structure_naming_key(const struct structure *s);
int structure_column(const struct structure *s, const char *name); /* index, or -1 */
/* The table keeps ended rows, in columns at its end that nothing but the stream shows. */
bool structure_hides_period(const struct structure *s);
/* The column that is GENERATED ALWAYS AS ROW END; NULL: none is. */
const struct column *structure_end_column(const struct structure *s);
/* Of the rows that have not ended, a unique key names one without the end that the server adds to it. */
void structure_cut_end(struct structure *s);
/* It is the downstream's, which need not keep history as the upstream does. */
void structure_forget_end(struct structure *s);
/* GENERATED ALWAYS AS ROW START, ROW END. */
bool structure_is_row_time(const struct column *c);
/* For a downstream where these columns are ordinary ones, which are written. */
void structure_plain_period(struct structure *s);
