#pragma once
#include "common/sql/ddl.h"
#include "common/sql/lexer.h"

/*
 * The list of columns, keys and constraints of a CREATE TABLE, as a server shows it, and the foreign keys in
 * it. information_schema's REFERENTIAL_CONSTRAINTS are no other way to the upstream's: MariaDB from 10.3 on
 * shows them to nobody who may only SELECT.
 */
struct elements {
	struct sql_lexer lx;
	bool last; /* the closing parenthesis has been read */
};
struct element {
	size_t from, to; /* bytes: from behind the comma before to the comma behind */
	bool plain;      /* no part of it is in a version comment from before */
};

/* Behind the first parenthesis outside of names. False: there is none. */
bool elements_open(struct elements *l, struct str create, const struct server *s);
bool elements_next(struct elements *l, struct element *out);

enum { FOREIGN_NAME = 260 };
struct foreign {
	char schema[FOREIGN_NAME], table[FOREIGN_NAME]; /* the parent; schema "": the child's */
	char column[FOREIGN_NAME];                      /* the first that it points at */
	bool acts; /* changes rows of the child by itself: CASCADE, SET NULL, SET DEFAULT */
};

/* lx: at the start of an element. True, and it stands behind FOREIGN KEY. */
bool foreign_find(struct sql_lexer *lx);
/* The first name in the next parentheses; out: FOREIGN_NAME bytes. */
bool foreign_column(struct sql_lexer *lx, char *out);
/* Each that can be read, in their order; how many there are. */
unsigned foreign_each(
	struct str create, const struct server *s, void (*fn)(void *arg, const struct foreign *f), void *arg);
