/*
 * The asker: a thread with a plain connection of its own that asks the upstream how far its binlog goes, and
 * what time it is there, for the status that tells how far behind we are. Knows nothing else; its trouble is
 * the puller's too, so it is not reported twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/db/status.h"
#include "units/relay/relay.h"
#include "units/relay/upstream.h"

enum { PAUSE_FIRST_MS = 500, PAUSE_MAX_MS = 10000 };

static const struct relay_ask_pauses pauses = {.busy_ms = 500, .rest_ms = 10000};

/* What its clock shows, and when that was by ours: half-way between question and answer. */
static int ask_clock(struct db *d, uint64_t *clock, uint64_t *asked, struct err *e)
{
	uint64_t before = clock_us();
	char text[40];
	bool found;

	if (db_value(d, "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS UNSIGNED)", text, sizeof(text),
		    &found, e) < 0)
		return -1;
	*asked = before + (clock_us() - before) / 2;
	*clock = found ? strtoull(text, NULL, 10) : 0;
	return 0;
}

/* Whoever waits for its answer gets what there is. */
static void ask_ended(struct relay *r)
{
	struct relay_shared *s = &r->shared;
	bool wake;

	pthread_mutex_lock(&s->lock);
	s->asks++;
	wake = s->ask_wanted || s->resting;
	s->ask_wanted = false;
	pthread_mutex_unlock(&s->lock);
	if (wake)
		unit_wake(r->env);
}

static int ask(struct relay *r, struct db *d, const char *server, struct err *e)
{
	struct relay_shared *s = &r->shared;
	struct db_master_status m;
	uint64_t clock, asked;

	/* The clock first: everything from before that moment lies before the end that comes then. */
	if (ask_clock(d, &clock, &asked, e) < 0 || db_master_status(d, &m, e) < 0)
		return -1;
	pthread_mutex_lock(&s->lock);
	free(s->master.gtid);
	s->master = m;
	s->master_asked_us = asked;
	s->master_clock_us = clock;
	snprintf(s->master_server, sizeof(s->master_server), "%s", server);
	pthread_mutex_unlock(&s->lock);
	ask_ended(r);
	return 0;
}

static void talk(struct relay *r, bool *answered)
{
	struct err e = {0};
	struct db *d = relay_connect(r, DB_PLAIN, &r->shared.asker_db, &e);
	char server[STORE_NAME];

	while (d && upstream_server(d, server, sizeof(server), &e) == 0 && ask(r, d, server, &e) == 0) {
		*answered = true;
		if (relay_ask_pause(r, &pauses))
			break;
	}
	if (d)
		relay_disconnect(r, &r->shared.asker_db);
	if (e.code)
		ask_ended(r);
	if (e.code && !relay_leaving(r))
		log_debug("asking the upstream how far it is: %s", e.text);
}

void *relay_ask(void *relay)
{
	uint64_t pause = PAUSE_FIRST_MS;
	struct relay *r = relay;

	log_context(" thread=asker");
	do {
		bool answered = false;

		talk(r, &answered);
		pause = answered ? PAUSE_FIRST_MS : pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
	} while (!relay_pause(r, pause));
	return NULL;
}
