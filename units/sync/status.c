/*
 * The unit's status object (docs/protocol.md): position, counters, rates, lag. Reads what the other threads
 * do, asks the relay twice a second, at rest each ten seconds, what it heard of the upstream; changes
 * nothing.
 */
#include "units/sync/status.h"

#include <stdlib.h>

#include "common/base/clock.h"

enum { ASK_MS = 500, ASK_REST_MS = 10000, ASK_TIMEOUT_MS = 2000 };

static void read_counts(struct apply *a, uint64_t out[PACE_COUNT])
{
	struct apply_counts *c = &a->counts;

	out[PACE_ROWS] = atomic_load(&c->inserts) + atomic_load(&c->updates) + atomic_load(&c->deletes);
	out[PACE_BYTES] = atomic_load(&c->bytes);
	out[PACE_TRANSACTIONS] = atomic_load(&c->transactions);
}

static struct lag_at now(struct status *s)
{
	struct lag_at at = {.now_us = clock_us(),
		.wall_us = clock_wall_us(),
		.watermark = apply_watermark(s->apply, NULL),
		.commit_us = atomic_load(&s->apply->counts.commit_us)};

	at.all = position_cmp(at.watermark, s->fetch->end) >= 0;
	at.rare = s->rare;
	return at;
}

void status_begin(struct status *s, struct apply *a, struct fetch *f, struct link_peer *relay)
{
	*s = (struct status){.apply = a, .fetch = f, .relay = relay};
	lag_begin(&s->lag, clock_us());
}

static void on_upstream(void *arg, const struct err *e, struct str reply)
{
	struct status *s = arg;
	struct msg_upstream_at m;
	struct err ignored;
	struct lag_at at;
	struct str body;

	s->asking = false;
	s->silent = s->asked_at_rest;
	unit_wake(s->fetch->env);
	if (e || msg_expect(reply, MSG_upstream_at, &body, &ignored) < 0 ||
		msg_get_upstream_at(body, &m, &ignored) < 0 || m.asked_us == s->lag.asked_us)
		return; /* the next one may be answered; meanwhile the lag grows */
	s->silent = false;
	s->rare = s->asked_at_rest;
	at = now(s);
	s->heard = true;
	lag_heard(&s->lag, &m, &at);
}

bool status_idle(struct status *s, uint64_t after_ms)
{
	uint64_t count[PACE_COUNT], now_ms = clock_ms();
	struct lag_at at = now(s);
	unsigned busy;
	size_t bytes;

	read_counts(s->apply, count);
	apply_load(s->apply, &bytes, &busy);
	if (s->still.ms == 0 || busy > 0 || bytes > 0 || s->fetch->bytes != s->still.bytes ||
		count[PACE_TRANSACTIONS] != s->still.transactions)
		s->still.ms = now_ms;
	s->still.bytes = s->fetch->bytes;
	s->still.transactions = count[PACE_TRANSACTIONS];
	return now_ms - s->still.ms >= after_ms && !s->silent &&
	       position_cmp(apply_durable(s->apply), at.watermark) >= 0 && lag_is_live(&s->lag, &at);
}

/* What ends the rest wants to know at once how far the upstream is. */
static bool is_due(struct status *s)
{
	uint64_t now_ms = clock_ms();

	if (!s->rests && s->next_ms > now_ms + ASK_MS)
		s->next_ms = now_ms;
	return now_ms >= s->next_ms;
}

void status_step(struct status *s)
{
	uint64_t count[PACE_COUNT];
	struct buf out = {0};

	read_counts(s->apply, count);
	pace_take(&s->pace, clock_us(), count);
	if (s->asking)
		return;
	if (!is_due(s)) {
		fetch_again_at(s->fetch, s->next_ms);
		return;
	}
	s->asking = true;
	s->asked_at_rest = s->rests;
	s->next_ms = clock_ms() + (s->rests ? ASK_REST_MS : ASK_MS);
	msg_put_upstream(&out, link_request_id(), &(struct msg_upstream){0});
	link_call(s->relay, &out, ASK_TIMEOUT_MS, on_upstream, s);
	buf_free(&out);
}

static void put_num(json_t *out, const char *key, uint64_t v)
{
	json_object_set_new(out, key, json_integer((json_int_t)v));
}

static void put_counts(struct status *s, json_t *out)
{
	struct apply_counts *c = &s->apply->counts;
	uint64_t count[PACE_COUNT], rate[PACE_COUNT];

	read_counts(s->apply, count);
	pace_rates(&s->pace, clock_us(), count, rate);
	put_num(out, "transactions", count[PACE_TRANSACTIONS]);
	put_num(out, "inserts", atomic_load(&c->inserts));
	put_num(out, "updates", atomic_load(&c->updates));
	put_num(out, "deletes", atomic_load(&c->deletes));
	put_num(out, "rows", count[PACE_ROWS]);
	put_num(out, "ddls", atomic_load(&c->ddls));
	put_num(out, "bytes", count[PACE_BYTES]);
	put_num(out, "batches", atomic_load(&c->batches));
	put_num(out, "waits", atomic_load(&c->waits));
	put_num(out, "retries", atomic_load(&c->retries));
	put_num(out, "split", atomic_load(&c->split));
	put_num(out, "parts", atomic_load(&c->parts));
	put_num(out, "filtered_rows", atomic_load(&c->filtered_rows));
	put_num(out, "filtered_ddls", atomic_load(&c->filtered_ddls));
	put_num(out, "missing_rows", missing_rows(&s->apply->missing));
	put_num(out, "filtered_by_expression", row_filters_rows(rules_row_filters(s->apply->rules)));
	put_num(out, "transactions_s", rate[PACE_TRANSACTIONS]);
	put_num(out, "rows_s", rate[PACE_ROWS]);
	put_num(out, "bytes_s", rate[PACE_BYTES]);
}

static void put_load(struct status *s, json_t *out)
{
	unsigned busy;
	size_t bytes;

	apply_load(s->apply, &bytes, &busy);
	put_num(out, "appliers", s->apply->workers);
	put_num(out, "busy", busy);
	put_num(out, "queue_bytes", bytes + queue_bytes(s->apply->queue));
}

static void put_lag(struct status *s, json_t *out)
{
	struct lag_at at = now(s);
	struct lag_now lag = lag_of(&s->lag, &at);

	put_num(out, "lag_ms", lag.ms);
	json_object_set_new(out, "lag_known", json_boolean(lag.known));
	if (lag.heard)
		put_num(out, "upstream_ms", lag.heard_ms);
}

/* Where the DDL statement stands that it is paused on: what `binlog skip` without a position means. */
static void put_failed_ddl(struct apply *a, json_t *out)
{
	struct position at;
	char file[300];

	pthread_mutex_lock(&a->lock);
	at = a->failed_ddl;
	pthread_mutex_unlock(&a->lock);
	if (position_is_zero(at))
		return;
	binlog_name_make(file, sizeof(file), a->base, at.file);
	json_object_set_new(out, "failed_ddl",
		json_pack("{s:i, s:s, s:I}", "generation", (int)at.generation, "file", file, "offset",
			(json_int_t)at.offset));
}

/* A task that was DM's, or a copy of several moments: rows may be there already, up to here. */
static void put_safe(struct apply *a, struct position at, json_t *out)
{
	const struct copied *c = &a->copied;
	struct position until = c->n > 0 ? c->snapshots[c->n - 1].at : a->takeover.until;
	char file[300];

	if ((c->n == 0 && !a->takeover.on) || position_cmp(at, until) >= 0)
		return;
	binlog_name_make(file, sizeof(file), a->base, until.file);
	json_object_set_new(
		out, "safe_until", json_sprintf("%s:%llu", file, (unsigned long long)until.offset));
}

/* What a relay on another host must have: the agent reports it, the master keeps it. Before its file is known
 * it is not said: by its name alone it could be taken for another server's, and what was said before holds.
 */
static void put_need(struct status *s, json_t *out)
{
	char *gtid, file[300];
	uint64_t head;
	struct position at = fetch_need(s->fetch, &head, &gtid);

	binlog_name_make(file, sizeof(file), s->apply->base, at.file);
	if (at.generation && head && s->apply->base[0])
		json_object_set_new(out, "need",
			json_pack("{s:i, s:s, s:I, s:s, s:o, s:o*}", "generation", (int)at.generation, "file",
				file, "offset", (json_int_t)at.offset, "gtid", gtid, "head",
				json_sprintf("%016llx", (unsigned long long)head), "lost",
				fetch_is_lost(s->fetch) ? json_true() : NULL));
	free(gtid);
}

void status_put_start(uint64_t since_us, json_t *out)
{
	json_object_set_new(out, "phase", json_string("start"));
	put_num(out, "lag_ms", (clock_us() - since_us) / 1000);
	json_object_set_new(out, "lag_known", json_false());
}

void status_put(struct status *s, json_t *out)
{
	char *gtid, position[64], fetched[64], file[300] = "";
	struct position at = apply_watermark(s->apply, &gtid);
	bool live = position_cmp(at, s->fetch->end) >= 0;

	position_store(at, position, sizeof(position));
	position_store(s->fetch->end, fetched, sizeof(fetched));
	binlog_name_make(file, sizeof(file), s->apply->base, at.file);
	json_object_set_new(out, "phase", json_string(live ? "live" : "catch-up"));
	json_object_set_new(out, "position", json_string(position));
	json_object_set_new(out, "base", json_string(s->apply->base));
	json_object_set_new(out, "file", json_string(file));
	put_num(out, "offset", at.offset);
	json_object_set_new(out, "gtid", json_string(gtid));
	json_object_set_new(out, "fetched", json_string(fetched));
	put_counts(s, out);
	put_load(s, out);
	put_lag(s, out);
	put_safe(s->apply, at, out);
	put_failed_ddl(s->apply, out);
	put_need(s, out);
	json_object_set_new(out, "rests", json_boolean(s->rests));
	free(gtid);
}
