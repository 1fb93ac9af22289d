#pragma once
#include "units/load/folder.h"

/* The rows of tidegate_file: how far each data file is loaded. */

/* What is recorded of this copy, into the folder's files; the sums into l->recorded. */
int filerec_read_all(struct load *l, struct db *c, struct err *e);
/* Of one file, after a failure. */
int filerec_read(struct load *l, struct db *c, struct data_file *f, struct err *e);

struct file_step {
	uint64_t at, rows; /* the new ones */
	bool done;
};
/*
 * Within the transaction that brings the rows: the owner's row is seen to be ours and stays locked, shared;
 * the record moves from where it was to the step. Where either is not as expected nothing of the transaction
 * may be committed: -1.
 */
int filerec_put(
	struct load *l, struct db *c, const struct data_file *f, const struct file_step *to, struct err *e);
