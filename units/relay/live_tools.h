#pragma once
/* For relay_live_test only: a load on the upstream, a reader of the relay, and the comparison of both.
 * Failures end the test. */
#include <pthread.h>
#include <stdbool.h>

#include "common/db/binlog_stream.h"
#include "units/relay/live_host.h"

#define DATA "tidegate_live_relay"

struct load {
	const struct endpoint *ep;
	_Atomic bool stop;
	pthread_t thread;
	char base[256];
	unsigned rounds;
};

struct reader {
	struct position at, durable; /* durable nowhere: as far as it has read */
	int dir;
	uint64_t bytes, pieces, empty;
	char base[256];
};

struct db *connect_to(const struct endpoint *ep, enum db_session session);
void exec(struct db *d, const char *sql);
void one_value(struct db *d, const char *sql, char *out, size_t size);
void start_load(struct load *l, const struct endpoint *ep, struct position *first);
void end_load(struct load *l);
bool fetch(struct host *h, struct reader *r, struct err *e);
int resolve(struct host *h, const char *file, uint64_t offset, struct position *at, char *gtid, size_t size,
	struct err *e);
int locate(struct host *h, const char *gtid, struct position *at, struct err *e);
const char *log_text(struct host *h);
void wait_hello(struct host *h);
void wait_status(struct host *h, const char *key, const char *want);
void wait_words(struct host *h, const char *key, const char *want);
void read_upstream(const struct endpoint *ep, const char *file, struct buf *out);
unsigned compare(struct host *h, struct reader *r, const struct endpoint *ep, uint64_t first, uint64_t last);
