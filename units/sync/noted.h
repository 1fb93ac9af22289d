#pragma once
#include "units/sync/table.h"
#include "units/sync/trx.h"

/*
 * The tables of a large transaction, whose events are not kept: each different TABLE_MAP is, from its first
 * passage on. So the scheduler knows what it touches before a row of it is decoded. The assembler notes, the
 * scheduler finds, whoever applies it looks up: one after the other.
 */
struct noted;

/* nth: its number among the transaction's events. *n is made where it is NULL. */
void noted_add(struct noted **n, struct str event, const struct binlog_format *f, uint64_t nth);
/* Those in events that were kept so far; a later ROLLBACK TO does not take them back (a table too many costs
 * only time). One that is missed is an error where its rows are applied. */
void noted_scan(struct noted **n, struct str events, const struct binlog_format *f);
/* A ROLLBACK TO took back all events from there on. n may be NULL. */
void noted_cut(struct noted *n, uint64_t nth);
void noted_free(struct noted **n);

/* Finds what each of t's is: wanted, not wanted, or passed by. Scheduler's thread. */
int noted_find(struct trx *t, struct tables *ts, struct err *e);
/* All that were found, in any order; start with *at = 0, false at the end. n may be NULL. */
bool noted_next(const struct noted *n, size_t *at, struct table **t);
/* The table of a TABLE_MAP's body; NULL: there was none such. n may be NULL. */
struct table *noted_table(const struct noted *n, struct str body, const struct binlog_format *f);
