#pragma once
#include "common/base/map.h"
#include "units/load/folder.h"

/* The objects that a folder's names and schema files tell of: what the plan is made from. */
enum member_kind { MEMBER_SCHEMA, MEMBER_TABLE, MEMBER_VIEW, MEMBER_SEQUENCE, MEMBER_KINDS };

struct member {
	enum member_kind kind;
	char *prefix;        /* of its files' names */
	char *schema, *name; /* as servers know them */
	char *create;        /* NULL: there is no such file */
	char *value;         /* of a sequence: where it is, NULL: it is not told */
	uint32_t place;      /* in struct members */
	uint32_t index;      /* in the plan */
	bool wanted;
};

/* A file of triggers, or of a schema's routines and events. */
struct object_file {
	char *name, *prefix;
	bool of_schema;
};

struct members {
	struct map *by_prefix[MEMBER_KINDS];
	struct member **p; /* owned, in the order of the file names */
	size_t n;
	struct object_file *others;
	size_t nothers;
};

void members_init(struct members *o);
void members_fini(struct members *o);
/* name: a file's, without its packing's ending. 1: it is (or belongs to) a schema file and was taken; 0: it
 * is none. */
int members_take(struct members *o, int dir, const char *file, struct str name, struct err *e);
/* Names of schemas, now that all are known; tables that only stand in for a view go. */
void members_settle(struct members *o);
/* The schema that a file of this prefix is of; of_schema: it is the whole prefix. Owned. */
char *members_schema(const struct members *o, struct str prefix, bool of_schema);
/* The table of a data file "db.t.00001"; one without a schema file is made. NULL: it is no table's. digits:
 * of the first number in the name, 0: none. */
struct member *members_of_data(struct members *o, struct str name, unsigned *digits);
/* Which server writes such statements; fallback where nothing tells. */
struct server members_server(const struct members *o, struct server fallback);
