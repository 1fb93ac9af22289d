#pragma once
#include <jansson.h>

#include "units/sync/apply.h"

/* Rows of tidegate_online (docs/design/online-ddl.md), read for one statement, and changed in memory only. */
struct online_record {
	char schema[257], table[257]; /* of the shadow */
	json_t *o;                    /* NULL: it is gone */
	bool changed;
};

/* Pointers into the list hold until one is made. */
struct online_records {
	struct apply *a;
	struct online_record *list;
	unsigned n;
};

/* Those that other rules of online-ddl have written get a why: what came meanwhile was not seen. */
int online_load(struct online_records *rs, struct apply *a, struct err *e);
void online_fini(struct online_records *rs);
/* NULL: there is none. A name that differs in case only is another table, or the same: then the record gets a
 * why. */
struct online_record *online_find(struct online_records *rs, const char *schema, const char *table);
void online_forget(struct online_record *r);
/* A new one in the place of what is known under this name. */
struct online_record *online_make(struct online_records *rs, const char *schema, const char *table);
/* Why it can't be replayed; the first reason counts. r NULL or gone: nothing. */
void online_set_why(struct online_record *r, const char *why);
void online_set_why_of_all(struct online_records *rs, const char *why);
/* What has changed, as statements with a NUL behind each. */
void online_put_notes(const struct online_records *rs, struct buf *out);
