#pragma once
#include <pthread.h>

#include "common/base/position.h"

/*
 * The files of the relay log that were read, each with its binlog_format_id: which file a position is in,
 * whatever the file's name. Generations and names are given out anew on other hosts and by other servers.
 * Any thread; the lock is taken last.
 */
struct heads {
	pthread_mutex_t lock;
	struct head_seen *list;
	size_t n, room;
};

void heads_init(struct heads *h);
/* The file that `at` is in; those that end before `oldest` go. id 0: not known, nothing is noted. */
void heads_note(struct heads *h, struct position at, uint64_t id, struct position oldest);
/* 0: its file was not read. */
uint64_t heads_of(struct heads *h, struct position at);
void heads_fini(struct heads *h);
