#pragma once
#include "common/sql/rules.h"
#include "units/load/load.h"
#include "units/load/metadata.h"

/*
 * A folder that mydumper, dumpling or a dump of ours has written, in place of a dump that runs (task-modes
 * load and load&sync). It is only read. The leader thread opens it; then it stays as it is but for what the
 * workers count.
 */
struct data_file {
	char *name;
	uint32_t table; /* index into plan.tables */
	uint64_t size;  /* on disk, packed or not */
	bool csv;
	/* As recorded downstream; of the worker that has the file. */
	bool known, done;
	uint64_t at, rows; /* the offset in the unpacked text, and the rows before it */
};

struct folder {
	int dir;
	struct metadata meta;
	char *server; /* "mariadb:10.6" as an option says it; "": to be found out */
	struct csv_dialect csv;
	bool csv_said;             /* the options say how CSV is, whatever the metadata does */
	bool zone_warned;          /* under claim_lock */
	bool utf8;                 /* dumpling's SQL: text is in UTF-8, although it says binary */
	unsigned objects;          /* OBJECT_BITs that are wanted of its files */
	bool wants_place;          /* the task follows: the metadata must have a position */
	const struct rules *rules; /* the load's */
	struct data_file *files;
	size_t n, next;  /* next: to be handed out; under claim_lock */
	size_t unwanted; /* data files that the rules leave out */
	uint64_t bytes;  /* of all files */
	unsigned *left;  /* of each table: files that are not done; under claim_lock while workers run */
};

/* Takes what the slice says; nothing is opened yet. The rules are borrowed for as long as it lives. NULL with
 * e. */
struct folder *folder_new(const json_t *config, const struct rules *rules, struct err *e);
void folder_free(struct folder **f);
/* Opens the folder and reads its metadata. */
int folder_open(struct load *l, struct err *e);
/* The folder is not there any more, or nothing is in it; f->dir is not opened by this. */
bool folder_is_gone(const struct load *l);
/* Fills l->plan and the list of data files. c: asked for tables whose CREATE TABLE is not among the files. */
int folder_plan(struct load *l, struct db *c, struct err *e);
