/*
 * PREFIX/master/LEASE: {"name":…,"address":…,"stands":true}, one for each master that is there, gone with its
 * lease. So the leader can say who else there is, and whether anybody would lead if it did not. The lease is
 * not the leadership's: what is slow here costs no lead. Written once, then only kept: etcd's history does
 * not grow by it. Called by store_lead.c, in its thread.
 */
#include "master/store_present.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"

enum {
	ASK_MS = 500, /* one question */
	LEASES = 2,   /* of the election's: as long a master counts as there that says nothing */
	MOST = 64,
};

struct present {
	const struct etcd_conf *conf;
	char name[STORE_NAME], address[STORE_NAME];
	uint64_t lease; /* 0: none */
	uint64_t due_ms;
	uint64_t until_ms; /* of the turn under way */
	bool told, stands; /* our key says this */
};

/* A question's time: 0 where the turn's is over. */
static unsigned left_ms(const struct present *p)
{
	uint64_t now = clock_ms(), left = p->until_ms > now ? p->until_ms - now : 0;

	return left < ASK_MS ? (unsigned)left : ASK_MS;
}

static int out_of_time(struct err *e)
{
	return err_set(e, ERR_store_away, "etcd was too slow to say who is there");
}

struct present *present_new(const struct etcd_conf *conf, const struct store_self *self)
{
	struct present *p = xcalloc(1, sizeof(*p));

	p->conf = conf;
	snprintf(p->name, sizeof(p->name), "%s", self->name);
	snprintf(p->address, sizeof(p->address), "%s", self->address ? self->address : "");
	return p;
}

void present_free(struct present **p)
{
	free(*p);
	*p = NULL;
}

void present_hurry(struct present *p)
{
	p->due_ms = 0;
}

static int new_lease(struct present *p, struct etcd *etcd, struct err *e)
{
	unsigned ttl = p->conf->lease_s * LEASES;
	uint64_t id = 0;

	while (id == 0) {
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			return err_sys(e, ERR_internal, "getrandom");
		id &= INT64_MAX;
	}
	p->told = false;
	p->lease = 0;
	if (left_ms(p) == 0)
		return out_of_time(e);
	if (etcd_lease_grant(etcd, id, &ttl, left_ms(p), e) < 0)
		return -1;
	p->lease = id;
	return 0;
}

static int keep_lease(struct present *p, struct etcd *etcd, struct err *e)
{
	unsigned ttl = 0;

	if (p->lease && left_ms(p) == 0)
		return out_of_time(e);
	if (p->lease && etcd_lease_keep(etcd, p->lease, &ttl, left_ms(p), e) < 0)
		return -1;
	return ttl > 0 ? 0 : new_lease(p, etcd, e);
}

static int put_key(struct present *p, struct etcd *etcd, bool stands, struct err *e)
{
	json_t *o = json_pack("{s:s, s:s, s:b}", "name", p->name, "address", p->address, "stands", stands);
	char *text = json_dumps(o, JSON_COMPACT), key[200];
	json_t *request, *answer = NULL;
	int r;

	snprintf(key, sizeof(key), "%s/master/%016" PRIx64, p->conf->prefix, p->lease);
	request = etcd_txn(
		json_array(), json_pack("[o]", etcd_op_put(key, str_of(text), p->lease)), json_array());
	p->told = false; /* without an answer it says the one or the other */
	r = etcd_post(etcd, "/v3/kv/txn", request, left_ms(p), &answer, e);
	json_decref(request);
	json_decref(answer);
	json_decref(o);
	free(text);
	if (r == 0) {
		p->told = true;
		p->stands = stands;
	}
	return r;
}

static int tell(struct present *p, struct etcd *etcd, bool stands, struct err *e)
{
	if (p->told && p->stands == stands)
		return 0;
	if (FAILPOINT_HIT(present_tell))
		return err_set(e, ERR_store_away, "made up");
	if (!p->lease && new_lease(p, etcd, e) < 0)
		return -1;
	return left_ms(p) == 0 ? out_of_time(e) : put_key(p, etcd, stands, e);
}

int present_tell(struct present *p, struct etcd *etcd, bool stands, struct err *e)
{
	if (!p->address[0])
		return 0;
	p->until_ms = clock_ms() + ASK_MS;
	return tell(p, etcd, stands, e);
}

/* The row of that master in the list; NULL: none yet. */
static json_t *find_same(const json_t *all, const json_t *o)
{
	json_t *v;
	size_t i;

	json_array_foreach(all, i, v)
		if (strcmp(json_text(v, "name", ""), json_text(o, "name", "")) == 0 &&
			strcmp(json_text(v, "address", ""), json_text(o, "address", "")) == 0)
			return v;
	return NULL;
}

/*
 * One that was killed and is back has two keys until the old one's lease is over. It stands where both say
 * so: the old one tells nothing of an evict that it has not lived to see.
 */
static void add_master(json_t *all, const json_t *o, uint64_t since)
{
	bool stands = json_flag(o, "stands", true);
	json_t *same = find_same(all, o);

	if (!same) {
		json_array_append_new(all,
			json_pack("{s:s, s:s, s:b, s:I}", "name", json_text(o, "name", ""), "address",
				json_text(o, "address", ""), "stands", stands, "since", (json_int_t)since));
		return;
	}
	json_object_set_new(same, "stands", json_boolean(stands && json_flag(same, "stands", false)));
	if ((uint64_t)json_num(same, "since", 0) < since)
		json_object_set_new(same, "since", json_integer((json_int_t)since));
}

static void add_row(json_t *all, const json_t *row)
{
	struct buf b = {0};
	json_t *o;

	etcd_row_bytes(row, "value", &b);
	o = json_loadb(b.p ? b.p : "", b.n, 0, NULL);
	if (json_text(o, "name", "")[0])
		add_master(all, o, etcd_u64(row, "create_revision"));
	json_decref(o);
	buf_free(&b);
}

static int read_all(struct present *p, struct etcd *etcd, json_t **all, struct err *e)
{
	char from[160], end[160];
	int n = snprintf(from, sizeof(from), "%s/master/", p->conf->prefix);
	json_t *request, *answer, *row;
	size_t i;
	int r;

	if (left_ms(p) == 0)
		return out_of_time(e);
	snprintf(end, sizeof(end), "%s/master0", p->conf->prefix); /* '0' follows '/' */
	request = json_pack("{s:o, s:o, s:i}", "key", etcd_b64(from, (size_t)n), "range_end",
		etcd_b64(end, strlen(end)), "limit", MOST);
	r = etcd_post(etcd, "/v3/kv/range", request, left_ms(p), &answer, e);
	json_decref(request);
	if (r < 0)
		return -1;
	*all = json_array();
	json_array_foreach(json_object_get(answer, "kvs"), i, row)
		add_row(*all, row);
	json_decref(answer);
	return 0;
}

/* What our key says is not, or may not be, what it should: that is not put off. */
static bool is_due(const struct present *p, bool stands)
{
	return clock_ms() >= p->due_ms || (p->lease && (!p->told || p->stands != stands));
}

int present_turn(struct present *p, struct etcd *etcd, bool stands, uint64_t ms, json_t **all, struct err *e)
{
	struct err why = {0};
	int r;

	*all = NULL;
	if (!p->address[0] || !is_due(p, stands))
		return 0;
	p->due_ms = clock_ms() + p->conf->lease_s * UINT64_C(1000) / 3;
	p->until_ms = clock_ms() + ms;
	r = keep_lease(p, etcd, e) < 0 || tell(p, etcd, stands, e) < 0 ? -1 : 0;
	/* An etcd that is full takes no key, and says all the same who is there. */
	return read_all(p, etcd, all, r < 0 ? &why : e) < 0 ? -1 : r;
}

void present_leave(struct present *p, struct etcd *etcd, unsigned ms)
{
	struct err e = {0};

	if (p->lease)
		etcd_lease_revoke(etcd, p->lease, ms, &e); /* else it runs out by itself */
	p->lease = 0;
}
