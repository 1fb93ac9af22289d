/*
 * The asker: a thread with a plain connection of its own that asks the upstream how far its binlog goes, for
 * the status that tells how far behind we are. Knows nothing else; its trouble is the puller's too, so it is
 * not reported twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "units/relay/relay.h"
#include "units/relay/upstream.h"

enum { ASK_MS = 500, PAUSE_FIRST_MS = 500, PAUSE_MAX_MS = 10000 };

static int ask(struct relay *r, struct db *d, const char *server, struct err *e)
{
	struct relay_shared *s = &r->shared;
	struct db_master_status m;
	uint64_t asked = clock_ms();

	if (db_master_status(d, &m, e) < 0)
		return -1;
	pthread_mutex_lock(&s->lock);
	free(s->master.gtid);
	s->master = m;
	s->master_asked_ms = asked;
	snprintf(s->master_server, sizeof(s->master_server), "%s", server);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static void talk(struct relay *r, bool *answered)
{
	struct err e = {0};
	struct db *d = relay_connect(r, DB_PLAIN, &r->shared.asker_db, &e);
	char server[STORE_NAME];

	while (d && upstream_server(d, server, sizeof(server), &e) == 0 && ask(r, d, server, &e) == 0) {
		*answered = true;
		if (relay_pause(r, ASK_MS))
			break;
	}
	if (d)
		relay_disconnect(r, &r->shared.asker_db);
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
