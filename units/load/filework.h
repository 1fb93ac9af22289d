#pragma once
#include "units/load/folder.h"

/* Loads every data file of the folder that is not done, with l->threads connections. 0 also after a failure,
 * which is in l->fail. */
void filework_run_all(struct load *l);
/* What is loaded already, before the workers start. */
void filework_count(struct load *l, struct tally *t);
/* All files are recorded as done, by what the downstream says. */
int filework_check(struct load *l, struct db *c, struct err *e);

/* One worker's means, and what it does just now. */
struct fileworker {
	struct load *l;
	struct db *c;        /* NULL: not connected */
	uint64_t old;        /* a lost connection that must be seen gone, 0: none */
	uint64_t max_packet; /* the downstream's limit for a statement */
	pthread_t thread;
	struct data_file *f;
	struct text text;
	struct text_turn turn; /* ours: a statement or record of many MiB is in text, sql or row */
	bool zone_said;        /* by this file */
	bool raw;              /* its text is the columns' own bytes: SET NAMES binary */
	/* Whether the columns that are seen stand downstream as the table's -schema.sql says; of this file.
	 */
	enum { ORDER_UNSEEN, ORDER_SAME, ORDER_OTHER } order;
	bool open;            /* a transaction */
	uint64_t bytes, rows; /* in it */
	struct buf sql;       /* of CSV */
	struct csv_row row;
	unsigned *columns; /* of the table, in the order of the CSV file's */
	unsigned ncolumns;
};

/* The transaction, from both kinds of files: begun with its first statement. */
int fileworker_exec(struct fileworker *w, struct str sql, uint64_t rows, bool replaces, struct err *e);
/* Sends what is open with its record, where it is large enough or the file is at its end. */
int fileworker_step(struct fileworker *w, bool end, struct err *e);
/* A file of this worker's folder, with its limits and turn. */
int fileworker_open(struct fileworker *w, struct text *t, uint64_t offset, struct err *e);
/* What was large is sent: its memory goes back, then the turn. */
void fileworker_give_back(struct fileworker *w);
/* Before rows are sent: says once that TIMESTAMPs are taken for UTC, where a file of others has such and no
 * zone.
 */
void fileworker_look_at_zone(const struct fileworker *w);
/* From w->f->at to the end. The session is as the file wants it when this returns. */
int filesql_load(struct fileworker *w, struct err *e);
int filecsv_load(struct fileworker *w, struct err *e);
