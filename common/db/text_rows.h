#pragma once
#include "common/db/packets.h"

/*
 * Private to common/db. A SELECT's rows, taken apart where they arrive: for results of millions of rows,
 * where the client library's ways of copying cost more than the rest. For plain connections.
 */
struct text_rows {
	struct packets packets;
	unsigned columns;
	bool ended; /* the server has said so: the connection is free */
};

/* Sends the statement and reads the result's head. 0: it has no rows, nothing is open; 1; -1: why. */
int text_rows_open(
	struct text_rows *t, struct client *c, struct str sql, unsigned timeout_ms, struct client_error *why);
/* values: t->columns places, borrowed until the next call. 1, 0 at the end, -1: why. */
int text_rows_next(struct text_rows *t, struct str *values, struct client_error *why);
/* Reads what is left. */
void text_rows_close(struct text_rows *t);
