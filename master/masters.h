#pragma once
#include "master/master.h"

/*
 * Who is a master of this cluster: those that are there, by the store, and those that were, by the rows that
 * are kept of them (kept, "master/NAME").
 */

/*
 * In the tick: whoever is new, or has another address, gets its row, one for each name (our own, else the
 * newest). True: there is something to commit.
 */
bool masters_note(struct master *m);
/* [{name, address, alive (null: not known), leads, stands}], new reference; one without a store has itself.
 */
json_t *masters_list(struct master *m);
/* Forgets one that is gone: its row is taken out of the change set. ERR_member_unknown, ERR_member_online,
 * ERR_bad_stage: not known. */
int masters_forget(struct master *m, const char *name, struct err *e);
/* Of the one that leads: ourselves. addr: what may be dialled, be it a socket's path. */
void masters_leader(const struct master *m, struct store_leader *who);
/* "ipc://" before a path. */
void masters_url(const char *address, char out[STORE_NAME + 8]);
