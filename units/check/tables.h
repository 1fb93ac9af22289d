#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/db/db.h"
#include "common/sql/rules.h"
#include "common/sql/structure.h"

/* The wanted tables of the upstream, and where they go. */
struct check_table {
	char *schema, *name;
	struct route_name to;
	char *create; /* of tables_create; NULL: not asked yet, or not kept */
};
struct tables {
	struct check_table *p;
	size_t n;
	size_t kept;    /* bytes of all `create` */
	uint64_t bytes; /* of tables_bytes, once that was asked */
	bool has_bytes;
};
/* More than so many are not looked at one by one. */
enum { TABLES_TRIED = 2000 };

struct tables *tables_new(void);
void tables_free(struct tables **t);
/* v: schema and table. One that has no place downstream (told elsewhere) is left out. */
void tables_add(struct tables *t, const struct rules *rules, const struct str *v);
/* By its name in the upstream; NULL: not wanted, or no table. Servers list tables in one order: *at, 0 at
 * first, is where the last one stood. */
const struct check_table *tables_find(const struct tables *t, struct str schema, struct str name, size_t *at);
/* By its name downstream; exact: where names that differ in case only are two. */
const struct check_table *tables_find_to(
	const struct tables *t, struct str schema, struct str name, bool exact);
/* Has it another name downstream? */
bool tables_is_routed(const struct check_table *t);
/* Have they the same name there, to the letter? */
bool tables_is_one_place(const struct check_table *a, const struct check_table *b);
/* Two that go to one place downstream, or to names there that differ in case only: each with the one before
 * it in the list that does. */
void tables_each_pair(const struct tables *t,
	void (*fn)(void *arg, const struct check_table *a, const struct check_table *b), void *arg);
/* Is its target there? No, where that can't be asked. */
bool tables_is_there(struct db *down, const struct check_table *t);
/* As a server has it now; NULL, also where it can't be asked. */
struct structure *tables_structure(struct db *d, const char *schema, const char *name);
/* The CREATE statement of t, one of all, in the upstream, under its name there, into out; nothing where it is
 * gone by now, or can't be read (told elsewhere). Several questions want it: the server is asked once, as
 * long as there is room. */
void tables_create(struct tables *all, struct db *up, const struct check_table *t, struct buf *out);
/* " IN ('a','b')": their schemas in the upstream. */
void tables_put_schemas(const struct tables *t, struct buf *sql);
/* How many bytes their rows have, as far as the server knows; 0: can't be asked, or there are too many
 * tables. The server is asked once. */
uint64_t tables_bytes(struct tables *t, struct db *d);

/* A list for people: the first three, and how many more. */
struct some {
	struct buf text;
	unsigned n;
};
void some_add(struct some *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* NULL: it is empty. */
const char *some_text(struct some *s);
void some_free(struct some *s);
