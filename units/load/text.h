#pragma once
#include <pthread.h>

#include "units/load/stream.h"

/*
 * Whose turn it is to hold a statement or a record of many MiB: one worker at a time (T28). Taken when more
 * of such a one is about to be read; whoever has used it, and has given its memory back, calls
 * text_turn_over.
 */
struct text_turn {
	pthread_mutex_t *lock;
	bool mine;
};
void text_turn_over(struct text_turn *t);
/* A buffer that is becoming large moves out of the heap, where its growing would leave holes. */
void text_set_apart(struct buf *b);

/*
 * A file's text as it is read: what was not used yet stays in b. A place in the file is its offset in the
 * unpacked text; lines are counted for people.
 */
struct text {
	struct stream *s;
	struct buf b;
	size_t at;              /* of the first byte that is not used yet */
	uint64_t offset;        /* of that byte in the file */
	uint64_t line;          /* its line, from 1; 0: not known (the file was entered in its middle) */
	size_t max;             /* the most that may be wanted at once */
	const char *limit;      /* what sets that, and how it is raised: for people; NULL: nothing does */
	struct text_turn *turn; /* NULL: there is nobody else */
	bool end;               /* nothing is left in the file behind b */
};

int text_open(struct text *t, int dir, const char *name, uint64_t offset, struct err *e);
void text_close(struct text *t);
static inline struct str text_rest(const struct text *t)
{
	return (struct str){t->b.p + t->at, t->b.n - t->at};
}
/* More bytes behind the rest: 1; 0: there are none; -1. What pointed into the rest is to be taken anew. */
int text_more(struct text *t, struct err *e);
void text_use(struct text *t, size_t n);
/* Blanks instead of n bytes, i places behind what is used. */
void text_blank(struct text *t, size_t i, size_t n);
/* The byte i places behind what is used; with *r 0: the file ends before it, -1: e. */
char text_peek(struct text *t, size_t i, int *r, struct err *e);
/* Where in the file: "line 12", or "byte 4711". */
void text_where(const struct text *t, char *out, size_t size);

/* A statement of a data or schema file, without its ';'. */
struct statement {
	struct str text;
	uint64_t groups; /* parentheses that stand outside of all others */
};
/* 1; 0: only blanks and comments are left; -1: the file ends in the middle of one, or it is larger than
 * t->max. It is not used yet: text_use(t, out->text.n + 1), until when its text lasts. */
int text_statement(struct text *t, struct statement *out, struct err *e);

enum statement_kind {
	STATEMENT_ROWS,    /* INSERT or REPLACE into the wanted table */
	STATEMENT_SESSION, /* SET NAMES, SET TIME_ZONE: what the values mean */
	STATEMENT_NOTHING, /* other settings, which are ours to make */
	STATEMENT_ALIEN,   /* anything else */
};
struct statement_about {
	enum statement_kind kind;
	uint64_t rows; /* that it brings */
	bool replaces; /* REPLACE: more rows may be changed than come */
	bool list;     /* of STATEMENT_ROWS: it says the columns */
	/* INSERT IGNORE: where the word stands, which would have the server bend values in silence */
	struct str ignore;
	char names[32];  /* of SET NAMES: the charset, else "" */
	struct str zone; /* of SET TIME_ZONE: the value, with its quotes */
	struct str name; /* of STATEMENT_ROWS: the table, as it is written */
	char table[260]; /* of STATEMENT_ALIEN that would be rows: another table's name */
};
void statement_look(
	const struct statement *s, const char *schema, const char *table, struct statement_about *out);
