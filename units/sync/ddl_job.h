#pragma once
#include "units/sync/ddl_record.h"

/*
 * TiDB executes a DDL as a job, which may go on when the connection that asked for it is gone, and keeps the
 * statement's text in its list of jobs: a comment in front of it proves what became of it (T29). Nothing here
 * is for other servers.
 */

/* Puts the comment in front of the statement. It names it by its GTID where it has one: its place is another
 * one when another host's relay log, of another server, goes on with it. */
void ddl_job_mark(
	const struct apply *a, const struct trx *t, const struct ddl_place *place, struct buf *text);
/* 1: its newest job was executed; 0: there was none, or it was cancelled; waits for one that still runs. -1
 * with e. */
int ddl_job_was_executed(struct apply *a, const struct trx *t, const struct ddl_place *place, struct err *e);
