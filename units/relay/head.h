#pragma once
#include <stdbool.h>

#include "common/base/buf.h"
#include "common/binlog/gtid.h"

/* The head of a binlog file: its FORMAT_DESCRIPTION event, and the GTID set before its first transaction. */
struct relay;
struct binlog_stream;
struct head {
	struct buf format;
	struct gtid_set *set; /* empty where the file names none */
	/* The set is known, or that there is none; false: the file ends before that, as one does that has
	 * just been begun. */
	bool complete;
};

/* head_of_…: h is empty before, and empty again where it fails. */
int head_of_file(int dir, const char *path, struct head *h, struct err *e);
/* By a connection of its own; the puller's stream must not be open. Of the upstream's binlog from that file's
 * head on, as far as it goes now: what read makes of it, or -1. */
int head_stream(struct relay *r, const char *file,
	int (*read)(struct binlog_stream *s, void *arg, struct err *e), void *arg, struct err *e);
int head_of_upstream(struct relay *r, const char *file, struct head *h, struct err *e);
/* Do both describe the same file? The flag "in use", and with it the checksum, may differ. */
bool head_same(const struct head *a, const struct head *b);
void head_fini(struct head *h);
