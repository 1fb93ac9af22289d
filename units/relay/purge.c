/*
 * Which relay log files go: over the quota, too old, too little room on the disk, or named by purge-relay;
 * the oldest first, and never what a task still needs (T21). What tasks need is told by their pins, and by
 * the agent, which names those that have not pinned yet: then everything stays, as a copy may be under way
 * whose end it begins with. Called by main.c in the main thread.
 */
#include "units/relay/purge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/config/json.h"
#include "units/relay/relay.h"

enum { FIRST_LOOK_MS = 60000, KEPT_FOR = 256, GROW_STEP = 16 << 20 };

static const uint64_t MOST = UINT64_C(1) << 62;

/* 0 to MOST; absent: as it was. */
static int read_number(const json_t *o, const char *key, uint64_t unit, uint64_t *out, struct err *e)
{
	int64_t n = json_num(o, key, -1);

	if (!json_object_get(o, key))
		return 0;
	if (n < 0 || (uint64_t)n > MOST / unit)
		return err_set(e, ERR_config_bad, "relay: %s is out of range", key);
	*out = (uint64_t)n * unit;
	return 0;
}

int purge_change_rules(struct purge *p, const json_t *o, struct err *e)
{
	uint64_t interval = p->rules.interval_ms;

	if (purge_read_rules(&p->rules, o, e) < 0)
		return -1;
	if (p->rules.interval_ms != interval)
		p->due_ms = 0;
	return 0;
}

int purge_read_rules(struct purge_rules *rules, const json_t *o, struct err *e)
{
	struct purge_rules new = *rules;
	uint64_t expires = (uint64_t) new.expires_s;

	if (read_number(o, "quota_bytes", 1, &new.quota, e) < 0 ||
		read_number(o, "purge_interval_s", 1000, &new.interval_ms, e) < 0 ||
		read_number(o, "purge_expires_s", 1, &expires, e) < 0 ||
		read_number(o, "purge_remain_bytes", 1, &new.remain, e) < 0)
		return -1;
	if (new.quota == 0)
		return err_set(e, ERR_config_bad, "relay: quota_bytes is 0");
	new.expires_s = (int64_t)expires;
	*rules = new;
	return 0;
}

/* A reader that the agent names and that has not pinned anything yet; NULL: none. Borrowed. */
static const char *unpinned(const struct relay *r)
{
	json_t *v;
	size_t i;

	json_array_foreach(r->purge.needed, i, v)
		if (json_is_string(v) && !pins_has(&r->pins, str_of(json_string_value(v))))
			return json_string_value(v);
	return NULL;
}

/* From where on everything stays, and for whom ("": for nobody yet known). Nowhere: nothing is needed. */
static struct position kept(const struct relay *r, char who[KEPT_FOR])
{
	const struct position everything = {0, 0, 1};
	const char *reader = unpinned(r), *slowest = "";
	struct position at = pins_slowest(&r->pins, &slowest);

	snprintf(who, KEPT_FOR, "%s", reader ? reader : slowest);
	/* A pin says nothing of a task that has none yet. */
	if (reader || (!r->purge.needed && (r->o.needed_comes || position_is_zero(at))))
		return everything;
	return at;
}

static int run(struct relay *r, const struct store_limits *l, struct store_purged *p, struct err *e)
{
	int rc = store_purge(&r->store, l, p, e);

	r->purge.files += p->files;
	r->purge.bytes += p->bytes;
	return rc;
}

static void set_full(struct relay *r, bool full)
{
	pthread_mutex_lock(&r->shared.lock);
	if (r->shared.full != full)
		pthread_cond_broadcast(&r->shared.changed);
	r->shared.full = full;
	r->shared.quota = r->purge.rules.quota;
	pthread_mutex_unlock(&r->shared.lock);
}

/*
 * Over the quota, and nothing can go. Where all that keep it have read all there is and wait for more, it is
 * not that they are slow: an XA transaction that is prepared and not decided keeps the log from there on, and
 * what decides it comes only where pulling goes on. So it does, by a piece each time that they have come
 * along.
 */
static bool may_grow(struct relay *r, const char *who)
{
	if (!unpinned(r) && serve_all_wait(r)) {
		if (!r->purge.grown)
			log_warn("the relay log grows beyond its quota of %" PRIu64
				 " bytes: task %s has read all of it, and still needs what is old (an XA "
				 "transaction that is not decided?)",
				r->purge.rules.quota, who);
		r->purge.grown = store_bytes(&r->store) + GROW_STEP;
	}
	return store_bytes(&r->store) < r->purge.grown;
}

static void say_held(struct purge *p, bool held, const char *who)
{
	if (held && !p->held)
		log_warn("old relay log files can't go yet: %s%s still needs them", who[0] ? "task " : "",
			who[0] ? who : "a task that has not begun to read");
	p->held = held;
}

/* By age and space: each interval, the first time soon after the start. */
static bool is_due(struct purge *p, uint64_t now)
{
	uint64_t first = p->rules.interval_ms < FIRST_LOOK_MS ? p->rules.interval_ms : FIRST_LOOK_MS;

	if (p->rules.interval_ms == 0)
		return false;
	if (p->due_ms == 0)
		p->due_ms = now + first;
	if (now < p->due_ms)
		return false;
	p->due_ms = now + p->rules.interval_ms;
	return true;
}

int purge_step(struct relay *r, struct err *e)
{
	struct store_limits l = {.quota = r->purge.rules.quota};
	bool due = is_due(&r->purge, clock_ms());
	struct store_purged p;
	char who[KEPT_FOR];

	l.keep = kept(r, who);
	if (due) {
		l.free_bytes = r->purge.rules.remain;
		l.written_before =
			r->purge.rules.expires_s ? (int64_t)time(NULL) - r->purge.rules.expires_s : 0;
	}
	if (run(r, &l, &p, e) < 0)
		return -1;
	if (due)
		say_held(&r->purge, p.held, who);
	if (!p.stuck)
		r->purge.grown = 0;
	set_full(r, p.stuck && !may_grow(r, who));
	return 0;
}

/* --- purge-relay --- */

static void put_answer(struct relay *r, const struct err *e, const char *msg)
{
	json_decref(r->purge.answer);
	r->purge.answer = json_pack("{s:I, s:o, s:{s:I, s:o}}", "id", (json_int_t)r->purge.last_request,
		"msg", json_any_text(msg), "error", "code", (json_int_t)e->code, "text",
		json_any_text(e->text));
}

static void say_done(struct relay *r, const struct store_purged *p, const char *who)
{
	struct err none = {0};
	char msg[KEPT_FOR + 200];

	snprintf(msg, sizeof(msg), "%u files with %" PRIu64 " bytes are removed%s%s%s", p->files, p->bytes,
		p->held ? "; the others are still needed by " : "", p->held && who[0] ? "task " : "",
		!p->held ? ""
		: who[0] ? who
			 : "a task that has not begun to read");
	put_answer(r, &none, msg);
}

void purge_request(struct relay *r, const json_t *request)
{
	const char *sub_dir = json_text(request, "sub_dir", "");
	struct store_limits l = {.quota = UINT64_MAX};
	struct store_purged p;
	struct err e = {0};
	char who[KEPT_FOR];

	if (json_num(request, "id", 0) == 0 || json_num(request, "id", 0) == r->purge.last_request)
		return;
	r->purge.last_request = json_num(request, "id", 0);
	l.keep = kept(r, who);
	if (json_flag(request, "force", false)) {
		log_warn("purge-relay --force: what readers need may go");
		l.keep = (struct position){0};
	}
	if (store_file_at(&r->store, sub_dir[0] ? sub_dir : NULL, json_text(request, "file", ""), &l.before,
		    &e) < 0 ||
		run(r, &l, &p, &e) < 0)
		put_answer(r, &e, "");
	else
		say_done(r, &p, who);
}

/* --- what is told --- */

void purge_status(struct relay *r, json_t *out)
{
	uint64_t capacity, available;
	char who[KEPT_FOR];

	store_disk(&r->store, &capacity, &available);
	kept(r, who);
	json_object_set_new(out, "files", json_integer((json_int_t)store_count(&r->store)));
	json_object_set_new(out, "log_bytes", json_integer((json_int_t)store_bytes(&r->store)));
	json_object_set_new(out, "quota_bytes", json_integer((json_int_t)r->purge.rules.quota));
	json_object_set_new(out, "disk_bytes", json_integer((json_int_t)capacity));
	json_object_set_new(out, "disk_free_bytes", json_integer((json_int_t)available));
	json_object_set_new(out, "purged_files", json_integer((json_int_t)r->purge.files));
	json_object_set_new(out, "purged_bytes", json_integer((json_int_t)r->purge.bytes));
	json_object_set_new(out, "kept_for", json_string(who));
	if (r->purge.answer)
		json_object_set(out, "purge", r->purge.answer);
}

void purge_free(struct purge *p)
{
	json_decref(p->needed);
	json_decref(p->answer);
	p->needed = p->answer = NULL;
}
