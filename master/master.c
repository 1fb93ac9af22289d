/* The process's one struct: made out of the store, given back at the end. Called by main.c and the tests. */
#include "master/master.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/config/json.h"
#include "master/check.h"
#include "master/command.h"

/* Their sessions go on, so that a restart of the master disturbs nobody (T31). */
void master_know_agents(struct master *m)
{
	const char *name;
	json_t *doc;

	model_foreach(&m->model, STORE_AGENT, name, doc) {
		struct agent *a;

		if (m->nagents == MASTER_AGENTS)
			return;
		a = &m->agents[m->nagents++];
		snprintf(a->name, sizeof(a->name), "%s", name);
		a->session = (uint64_t)json_num(doc, "session", 0);
		a->seen_ms = m->now_ms;
	}
}

/* What waits for somebody to speak up waits as much longer. */
static void stood_still(struct master *m, uint64_t ms)
{
	log_warn("this process stood still for %llu ms: agents are not held to their leases for that time",
		(unsigned long long)ms);
	for (unsigned i = 0; i < m->nagents; i++)
		m->agents[i].seen_ms += ms;
	for (int i = 0; i < MASTER_CHECKS; i++)
		if (m->checks[i]) {
			m->checks[i]->agent_by_ms += ms;
			m->checks[i]->until_ms += ms;
		}
}

void master_set_clock(struct master *m, uint64_t now_ms, uint64_t wall_s)
{
	if (m->now_ms && now_ms > m->now_ms + MASTER_STILL_MS)
		stood_still(m, now_ms - m->now_ms);
	m->now_ms = now_ms;
	m->wall_s = wall_s;
}

void master_forget_pieces(struct agent *a)
{
	paged_free(&a->orders);
	paged_free(&a->coming.text);
}

void master_forget_agent(struct agent *a)
{
	json_decref(a->report);
	master_forget_pieces(a);
	*a = (struct agent){0};
}

int master_init(struct master *m, struct store *store, struct err *e)
{
	m->speeds = map_new();
	if (m->lease_ms == 0)
		m->lease_ms = MASTER_LEASE_MS;
	return model_open(&m->model, store, e);
}

void master_fini(struct master *m)
{
	for (unsigned i = 0; i < m->nagents; i++)
		master_forget_agent(&m->agents[i]);
	check_free_all(m);
	pages_clear(&m->pages);
	free(m->retired);
	map_free(&m->speeds, free);
	model_close(&m->model);
}
