#pragma once
#include "common/base/str.h"
#include "master/master.h"

/* Which agent serves which source; which numbers sources and subtasks have. Changes go into the model's open
 * change set. */

struct agent *bind_find(struct master *m, const char *name);
struct agent *bind_session(struct master *m, uint64_t session); /* NULL: not (any more) a valid one */
bool bind_online(const struct master *m, const struct agent *a);
/* How many sources are that agent's. */
size_t bind_count(const struct master *m, const char *agent);
bool bind_any_online(const struct master *m);
/*
 * An agent tells by which cluster's revision it worked last. One of ours that is still to come means that the
 * store is an older copy: refused (ERR_store_old), now and for all agents and changing commands after it. One
 * that no copy can be behind by is this agent's alone (ERR_proto).
 */
int bind_check_store(
	struct master *m, const char *agent, struct str cluster, uint64_t revision, struct err *e);
/* That refusal, where one is due. */
int bind_refuse_old(const struct master *m, struct err *e);
/*
 * An operator takes the store as it is: a revision beyond what any agent has seen, and epochs beyond what any
 * owner can have had; tasks that were paused for theirs go on. Into the open change set; *revision is that of
 * its commit.
 */
void bind_accept_store(struct master *m, uint64_t *revision);
/* Where no agent remembers more, but the source's task was told so by its downstream (60501): the same for
 * this source. True: it was. */
bool bind_accept_fenced(struct master *m, const char *source);
/* Who says hello. instance: of its process, "" for unknown. */
struct hello {
	const char *name, *version, *instance;
	unsigned slots; /* how many sources it takes */
	bool standby;   /* only what no other agent has room for */
};

/*
 * An agent registers: it gets a new session. Each source that it has gets a new epoch, unless it is the same
 * process as before (the master was away, not the agent): then its units just go on (T31). NULL with e.
 */
struct agent *bind_hello(struct master *m, const struct hello *h, struct err *e);
/*
 * The key that an agent has proved its name with ("": none): the first one counts for it from then on, until
 * an operator says otherwise (ERR_member_key). Checked before its hello, kept in the same change set.
 */
int bind_check_key(const struct master *m, const char *agent, const char *key, struct err *e);
void bind_keep_key(struct master *m, const char *agent, const char *key);
/* Gives each source without a living agent to one that may take it, ends moves, empties agents that are being
 * drained (place.h). True where anything was changed (not yet committed). */
bool bind_sources(struct master *m);
/* The smallest free number, 0 where there is none. */
unsigned bind_free_slot(const struct master *m);
unsigned bind_free_sub(const struct master *m, const char *source);
/* An epoch that no earlier owner of this source can have had, also where a store was lost. */
uint64_t bind_first_epoch(const struct master *m);
/* The source is about to go; its epoch stays known, in the same change set. */
void bind_keep_epoch(struct master *m, const char *source);
/* The numbers of what is being deleted stay taken until the agent says that it is gone. task NULL: the
 * source's slot. */
void bind_retire(struct master *m, const char *source, const char *task);
/* Is what an agent tells of the subtask with this number? One that tells no number is known by its name
 * alone. */
bool bind_same_sub(const json_t *told, int64_t sub);
/* After a report: what it no longer lists is free again. */
void bind_reap(struct master *m, const struct agent *a, uint64_t report_revision);
