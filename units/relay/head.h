#pragma once
#include <stdbool.h>

#include "common/base/buf.h"
#include "common/binlog/gtid.h"

/* The head of a binlog file: its FORMAT_DESCRIPTION event, and the GTID set before its first transaction. */
struct relay;
struct head {
	struct buf format;
	struct gtid_set *set; /* empty where the file names none */
	/* The set is known, or that there is none; false: the file ends before that, as one does that has
	 * just been begun. */
	bool complete;
};

/* Both: h is empty before, and empty again where it fails. */
int head_of_file(int dir, const char *path, struct head *h, struct err *e);
/* By a connection of its own; the puller's stream must not be open. */
int head_of_upstream(struct relay *r, const char *file, struct head *h, struct err *e);
/* Do both describe the same file? The flag "in use", and with it the checksum, may differ. */
bool head_same(const struct head *a, const struct head *b);
void head_fini(struct head *h);
