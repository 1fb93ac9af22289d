/*
 * Election: one key in etcd, held by the lease of whoever made it. Who finds it missing makes a lease and,
 * by a transaction that wants the key not to be there, the key; the others watch it. The leader keeps the
 * lease alive; its silence for one lease, or its key's end, lets another one lead. That two never both write
 * is not this file's work but that of each write's comparison (store_etcd.c): here it is decided only when to
 * stop and when to begin. A thread of its own, so that neither a slow commit nor a slow etcd lets a lease run
 * out unseen; its etcd connection is its alone.
 */
#include "master/store_lead.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "master/store_present.h"

enum {
	ASK_MS = 2000,  /* one question to etcd, over all its hosts */
	AGAIN_MS = 300, /* after one that got no answer */
	END_MS = 1500,  /* giving the lease back at the end */
	LOOK_MS = 1500, /* to see who is there, and a fifth of the lease at most while we lead */
	UNKNOWN_LEASES = 2,
};

struct lead {
	const struct etcd_conf *conf;
	struct etcd *etcd; /* this thread's */
	pthread_t thread;
	_Atomic bool stop;
	char key[160], *value;
	uint64_t lease;    /* the thread's alone: its number, 0: none */
	uint64_t asked_ms; /* when the lease was asked for last, with success */
	uint64_t lease_ms; /* as etcd grants it */
	uint64_t seen;     /* etcd's revision when the key was looked at */
	bool told_away;
	uint64_t hurried; /* the term whose first look around was not waited for */
	struct present *present;
	void (*changed)(void *arg);
	void *arg;
	pthread_mutex_t mtx; /* guards what follows */
	pthread_cond_t wake;
	uint64_t term, until_ms, resigned;
	bool evicted;
	struct store_leader who;
	struct err trouble;                /* of the last turn; code 0: none */
	json_t *masters;                   /* those that are there, as read in the term masters_term */
	uint64_t masters_term, masters_ms; /* and when */
};

void lead_key(const struct etcd_conf *conf, char *out, size_t size)
{
	snprintf(out, size, "%s/leader", conf->prefix);
}

/* ---- what others see ---- */

/* Tells the main thread, where there is something new. */
static void publish(struct lead *l, uint64_t term, uint64_t until_ms, const struct store_leader *who)
{
	bool news;

	pthread_mutex_lock(&l->mtx);
	news = term != l->term || strcmp(who->name, l->who.name) != 0 ||
	       strcmp(who->address, l->who.address) != 0;
	l->term = term;
	l->until_ms = until_ms;
	l->who = *who;
	pthread_mutex_unlock(&l->mtx);
	if (news && l->changed)
		l->changed(l->arg);
}

static void publish_nobody(struct lead *l)
{
	publish(l, 0, 0, &(struct store_leader){0});
}

uint64_t lead_term(struct lead *l)
{
	uint64_t term;

	pthread_mutex_lock(&l->mtx);
	term = l->term != l->resigned && clock_ms() < l->until_ms ? l->term : 0;
	pthread_mutex_unlock(&l->mtx);
	return term;
}

void lead_resign(struct lead *l, uint64_t term)
{
	pthread_mutex_lock(&l->mtx);
	l->resigned = term;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->mtx);
}

void lead_evict(struct lead *l, bool away)
{
	pthread_mutex_lock(&l->mtx);
	l->evicted = away;
	if (away)
		l->resigned = l->term;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->mtx);
}

static bool evicted(struct lead *l)
{
	bool r;

	pthread_mutex_lock(&l->mtx);
	r = l->evicted;
	pthread_mutex_unlock(&l->mtx);
	return r;
}

void lead_who(struct lead *l, struct store_leader *out)
{
	pthread_mutex_lock(&l->mtx);
	*out = l->who;
	/* Our own term is over, and the thread has not come to say so: nobody, as far as is known. */
	if (l->term != 0 && (l->term == l->resigned || clock_ms() >= l->until_ms))
		*out = (struct store_leader){0};
	pthread_mutex_unlock(&l->mtx);
}

json_t *lead_masters(struct lead *l, bool *known)
{
	json_t *all;

	pthread_mutex_lock(&l->mtx);
	all = json_deep_copy(l->masters);
	*known = l->term != 0 && l->masters_term == l->term &&
		 clock_ms() - l->masters_ms < UINT64_C(1000) * l->conf->lease_s * UNKNOWN_LEASES;
	pthread_mutex_unlock(&l->mtx);
	return all;
}

int lead_trouble(struct lead *l, struct err *e)
{
	int r;

	pthread_mutex_lock(&l->mtx);
	r = l->trouble.code ? -1 : 0;
	if (r < 0)
		*e = l->trouble;
	pthread_mutex_unlock(&l->mtx);
	return r;
}

/* ---- the thread ---- */

/* What only the process's end mends is news too. */
static void keep_trouble(struct lead *l, const struct err *e)
{
	pthread_mutex_lock(&l->mtx);
	l->trouble = *e;
	pthread_mutex_unlock(&l->mtx);
	if (e->code == ERR_config_bad && l->changed)
		l->changed(l->arg);
}

static bool resigned(struct lead *l)
{
	bool r;

	pthread_mutex_lock(&l->mtx);
	r = l->term != 0 && l->term == l->resigned;
	pthread_mutex_unlock(&l->mtx);
	return r;
}

/* Until ms are over, or somebody wants something of the thread. */
static void pause_ms(struct lead *l, uint64_t ms)
{
	struct timespec t = clock_deadline(ms);

	pthread_mutex_lock(&l->mtx);
	while (!atomic_load(&l->stop) && !(l->term != 0 && l->term == l->resigned))
		if (pthread_cond_timedwait(&l->wake, &l->mtx, &t) != 0)
			break;
	pthread_mutex_unlock(&l->mtx);
}

/* An etcd that does not answer is said once, and once that it does again. */
static void tell(struct lead *l, const struct err *e)
{
	if (e && !l->told_away)
		log_warn("the election: %s", e->text);
	if (!e && l->told_away)
		log_info("etcd answers again");
	l->told_away = e != NULL;
}

/* {"name":…,"address":…} of the key's value; what can't be read is somebody without a name. */
static void read_leader(const json_t *row, struct store_leader *out)
{
	struct buf b = {0};
	json_t *o;

	etcd_row_bytes(row, "value", &b);
	o = json_loadb(b.p ? b.p : "", b.n, 0, NULL);
	snprintf(out->name, sizeof(out->name), "%s", json_text(o, "name", "?"));
	snprintf(out->address, sizeof(out->address), "%s", json_text(o, "address", ""));
	json_decref(o);
	buf_free(&b);
}

static void drop_lease(struct lead *l, unsigned ms)
{
	struct err e = {0};

	if (l->lease)
		etcd_lease_revoke(l->etcd, l->lease, ms, &e); /* else it runs out by itself */
	l->lease = 0;
}

/* Numbers of our own: a repeated request for the same lease makes no second one. Positive as etcd wants it.
 */
static int new_lease(struct lead *l, struct err *e)
{
	uint64_t id = 0, asked = clock_ms();
	unsigned ttl = l->conf->lease_s;

	while (id == 0) {
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			return err_sys(e, ERR_internal, "getrandom");
		id &= INT64_MAX;
	}
	if (etcd_lease_grant(l->etcd, id, &ttl, ASK_MS, e) < 0)
		return -1;
	l->lease = id;
	l->asked_ms = asked;
	l->lease_ms = (uint64_t)ttl * 1000;
	return 0;
}

/* A tenth of the lease is the margin for the other clock. */
static uint64_t good_until(const struct lead *l)
{
	return l->asked_ms + l->lease_ms - l->lease_ms / 10;
}

static void begin_term(struct lead *l, uint64_t term)
{
	struct store_leader self = {0};
	json_t *o = json_loads(l->value, 0, NULL);

	snprintf(self.name, sizeof(self.name), "%s", json_text(o, "name", ""));
	snprintf(self.address, sizeof(self.address), "%s", json_text(o, "address", ""));
	json_decref(o);
	publish(l, term, good_until(l), &self);
}

/* Nobody leads: makes the key. Another one may be faster. */
static int stand(struct lead *l, struct err *e)
{
	json_t *request, *answer, *row;
	uint64_t revision;

	drop_lease(l, ASK_MS); /* of an attempt whose outcome was not known */
	if (new_lease(l, e) < 0)
		return -1;
	request = etcd_txn(json_pack("[o]", etcd_if_created(l->key, 0)),
		json_pack("[o]", etcd_op_put(l->key, str_of(l->value), l->lease)), json_array());
	int r = etcd_post(l->etcd, "/v3/kv/txn", request, ASK_MS, &answer, e);
	json_decref(request);
	if (r < 0)
		return -1;
	json_decref(answer);
	/* Asked again, not taken from the answer: where the first reply was lost, the second one says no. */
	if (etcd_get(l->etcd, l->key, ASK_MS, &row, &revision, e) < 0)
		return -1;
	if (row && etcd_u64(row, "lease") == l->lease)
		begin_term(l, etcd_u64(row, "create_revision"));
	else
		drop_lease(l, ASK_MS);
	json_decref(row);
	return 0;
}

/* How long looking around may take; 0: not now. The lease goes first: it is kept again behind this. */
static uint64_t time_to_look(const struct lead *l)
{
	uint64_t now = clock_ms(), until = good_until(l), most = l->lease_ms / 5;

	if (l->term == 0)
		return LOOK_MS;
	if (until < now + l->lease_ms / 2)
		return 0;
	return most < LOOK_MS ? most : LOOK_MS;
}

/*
 * Who is there is read anew in each term: whoever was evicted said so before it let this term begin. What
 * fails is tried again in a while; it is nobody's lead.
 */
static void look_around(struct lead *l)
{
	uint64_t ms = time_to_look(l);
	json_t *all, *old;
	struct err e = {0};

	if (ms == 0)
		return;
	if (l->term != l->hurried)
		present_hurry(l->present);
	l->hurried = l->term;
	present_turn(l->present, l->etcd, !evicted(l), ms, &all, &e);
	if (!all)
		return;
	pthread_mutex_lock(&l->mtx);
	old = l->masters;
	l->masters = all;
	l->masters_term = l->term;
	l->masters_ms = clock_ms();
	pthread_mutex_unlock(&l->mtx);
	if (!json_equal(old, all) && l->changed)
		l->changed(l->arg);
	json_decref(old);
}

/* Somebody leads, as far as is known: waits for the end of that. */
static int follow(struct lead *l, struct err *e)
{
	struct store_leader who;
	json_t *row;

	if (etcd_get(l->etcd, l->key, ASK_MS, &row, &l->seen, e) < 0)
		return -1;
	if (!row && evicted(l)) { /* until another one stands */
		publish_nobody(l);
		pause_ms(l, AGAIN_MS);
		return 0;
	}
	if (!row)
		return stand(l, e);
	if (l->lease != 0 && etcd_u64(row, "lease") == l->lease) {
		begin_term(l, etcd_u64(row, "create_revision")); /* the reply to our standing was lost */
		json_decref(row);
		return 0;
	}
	read_leader(row, &who);
	json_decref(row);
	publish(l, 0, 0, &who);
	return etcd_watch(l->etcd, l->key, l->seen, l->conf->lease_s * 1000 / 3, e);
}

static void lose(struct lead *l, const char *why)
{
	log_warn("leads no more: %s", why);
	publish_nobody(l);
	drop_lease(l, ASK_MS);
}

/* Keeps the lease, and looks whether the key is still ours. */
static int keep(struct lead *l, struct err *e)
{
	uint64_t asked = clock_ms(), revision;
	unsigned ttl;
	json_t *row;
	bool ours;

	if (etcd_lease_keep(l->etcd, l->lease, &ttl, ASK_MS, e) < 0 ||
		(ttl > 0 && etcd_get(l->etcd, l->key, ASK_MS, &row, &revision, e) < 0))
		return -1;
	tell(l, NULL);
	if (ttl == 0) {
		lose(l, "its lease has run out");
		return 0;
	}
	ours = row && etcd_u64(row, "create_revision") == l->term;
	json_decref(row);
	if (!ours) {
		lose(l, "its key is gone");
		return 0;
	}
	l->asked_ms = asked;
	l->lease_ms = (uint64_t)ttl * 1000;
	publish(l, l->term, good_until(l), &l->who);
	return 0;
}

/*
 * Evicted: our key says so before the next one looks around, or that one counts on us, is evicted too, and
 * nobody leads. Nothing is written any more meanwhile; the lease's end does not wait for us.
 */
static int leave(struct lead *l, struct err *e)
{
	if (present_tell(l->present, l->etcd, false, e) < 0 && clock_ms() < good_until(l)) {
		clock_sleep_ms(AGAIN_MS); /* who has resigned is not kept waiting by pause_ms */
		return -1;
	}
	err_clear(e);
	lose(l, "operate-leader evict");
	return 0;
}

/* A leader's turn: each third of the lease, sooner again where etcd did not answer. */
static int hold(struct lead *l, struct err *e)
{
	uint64_t due = l->asked_ms + l->lease_ms / 3, now = clock_ms();

	if (due > now)
		pause_ms(l, due - now);
	if (atomic_load(&l->stop))
		return 0;
	if (evicted(l))
		return leave(l, e);
	if (resigned(l)) {
		lose(l, "a write was not answered, or refused");
		return 0;
	}
	int r = keep(l, e);
	if (r < 0 && clock_ms() >= good_until(l))
		lose(l, "etcd does not answer");
	return r;
}

static void *run(void *arg)
{
	struct lead *l = arg;

	while (!atomic_load(&l->stop)) {
		struct err e = {0};
		bool leading = l->term != 0;
		int r;

		look_around(l);
		r = leading ? hold(l, &e) : follow(l, &e);

		/* A whole turn: an etcd that is full answers, and lets nobody stand. */
		if (r == 0 && !leading)
			tell(l, NULL);
		keep_trouble(l, r < 0 ? &e : &(struct err){0});
		if (r == 0 || atomic_load(&l->stop))
			continue;
		if (!l->term)
			publish_nobody(l);
		tell(l, &e);
		pause_ms(l, AGAIN_MS);
	}
	return NULL;
}

struct lead *lead_new(const struct etcd_conf *conf, const struct store_self *self)
{
	struct lead *l = xcalloc(1, sizeof(*l));
	json_t *o = json_pack("{s:s, s:s}", "name", self->name, "address", self->address);
	pthread_condattr_t attr;

	l->conf = conf;
	l->etcd = etcd_new(conf, &l->stop);
	l->present = present_new(conf, self);
	l->value = json_dumps(o, JSON_COMPACT);
	l->changed = self->changed;
	l->arg = self->arg;
	json_decref(o);
	lead_key(conf, l->key, sizeof(l->key));
	pthread_mutex_init(&l->mtx, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (!l->value || pthread_create(&l->thread, NULL, run, l) != 0)
		abort();
	return l;
}

void lead_free(struct lead **p)
{
	struct lead *l = *p;

	if (!l)
		return;
	pthread_mutex_lock(&l->mtx);
	atomic_store(&l->stop, true);
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->mtx);
	pthread_join(l->thread, NULL);
	etcd_free(&l->etcd);
	l->etcd = etcd_new(l->conf, NULL); /* the old one is told to end everything */
	drop_lease(l, END_MS);
	present_leave(l->present, l->etcd, END_MS / 3);
	present_free(&l->present);
	etcd_free(&l->etcd);
	json_decref(l->masters);
	pthread_mutex_destroy(&l->mtx);
	pthread_cond_destroy(&l->wake);
	free(l->value);
	free(l);
	*p = NULL;
}
