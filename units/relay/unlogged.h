#pragma once
#include "common/db/db.h"
#include "units/relay/surplus.h"

/*
 * What another upstream has executed and not in its binlog, beyond `set`: it can't come from there, and
 * nobody would miss it. Nothing appended: there is none.
 */
int unlogged_beyond(
	struct relay *r, struct db *d, const struct gtid_set *set, struct buf *out, struct err *e);
/* The upstream that is followed has it so already: what of that is no loss behind a switch is kept in a file.
 * first: what its binlog begins behind, as a file's head says, or more; NULL: nothing. */
int unlogged_note(struct relay *r, struct db *d, const struct gtid_set *first, struct err *e);
/* MySQL: the set (NULL: none) with what is kept; of MariaDB a copy. NULL with e. */
struct gtid_set *unlogged_with(const struct relay *r, const struct gtid_set *set, struct err *e);
/* A log begins: what is there is another one's. */
int unlogged_forget(struct relay *r, struct err *e);
/* The set as it is in the file, as text, appended; nothing: there is none. Any thread's. */
int unlogged_text(const struct relay *r, struct buf *out, struct err *e);
