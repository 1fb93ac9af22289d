#pragma once
#include <stdbool.h>

#include "common/base/err.h"
#include "common/sql/rules.h"
#include "common/sql/structure.h"

/*
 * What happened in the upstream's binlog between two snapshots of a copy (T23, T24): which tables a DDL
 * statement names, and which have row images that are not whole. Events in, findings out; no network.
 */
struct scan;

struct scan *scan_new(const struct rules *rules);
void scan_free(struct scan **s);
/* One whole event, in the stream's order; the file's FORMAT event first. -1: it can't be read. */
int scan_event(struct scan *s, struct str event, struct err *e);

/* Why no table of the copy can stay as it is; NULL: there is no such thing. */
const char *scan_all(const struct scan *s);
/* A DDL statement names the table. */
bool scan_ddl(const struct scan *s, const char *schema, const char *table);
/* Rows of it were logged without all the columns that are stored: they can't be written a second time. */
bool scan_partial(const struct scan *s, const struct structure *t);
