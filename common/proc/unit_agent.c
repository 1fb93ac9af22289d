/*
 * A unit's conversation with its agent: hello, then one long poll after the other that carries status and
 * progress out and orders in, and bye. Called by unit.c; runs in the main thread, from the loop. It decides
 * nothing but what an order says: the agent alone knows what comes next.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/config/json.h"
#include "common/proc/unit_run.h"

enum {
	AGENT_HELLO_MS = 10000, /* an agent that just started the unit listens already */
	AGENT_RETRY_MS = 200,
	AGENT_WAIT_MS = 1000, /* the beat of the heart … */
	AGENT_FIRST_MS = 200, /* … and of a young one: somebody may wait for what it comes to */
	AGENT_YOUNG_MS = 20000,
	AGENT_ANSWER_MS = 10000,
	AGENT_LOST_MS = 30000,
	AGENT_MISS_MS = 15000, /* what one call counts for at most */
	AGENT_BYE_MS = 2000,
};

#define AGENT_SOCKET "agent.sock"

static int order_args(struct str text, json_t **out, struct err *e)
{
	*out = NULL;
	if (text.n == 0)
		return 0;
	*out = json_parse(text, "the agent's order", e);
	if (*out && json_is_object(*out))
		return 0;
	if (*out)
		err_set(e, ERR_proto, "the agent's order: its arguments are no JSON object");
	json_decref(*out);
	*out = NULL;
	return -1;
}

/* The log level is the skeleton's to take over, the unit does not see it. */
static void order_level(json_t *args)
{
	int level = log_level_of(json_text(args, "log_level", ""));

	if (level >= 0) {
		log_set_level((enum log_level)level);
		log_info("the log level is %s", log_level_name((enum log_level)level));
	}
	json_object_del(args, "log_level");
}

static int order_take(struct unit_run *r, uint64_t revision, uint32_t order, struct str text)
{
	json_t *args;

	if (order_args(text, &args, &r->error) < 0)
		return -1;
	r->revision = revision;
	switch (order) {
	case 0: /* nothing yet */
		break;
	case ORDER_STOP:
		watch_leave(r->watch, (uint64_t)json_num(args, "deadline_ms", WATCH_LEAVE_MS));
		break;
	case ORDER_RUN:
	case ORDER_ARGS:
		r->run = true;
		if (json_object_get(args, "log_level")) {
			order_level(args);
			if (json_object_size(args) == 0)
				break;
		}
		json_decref(r->args); /* of an older order that was not taken up yet */
		r->args = args;
		return 0;
	default:
		json_decref(args);
		return err_set(&r->error, ERR_proto, "the agent gave order %u, which is not known", order);
	}
	json_decref(args);
	return 0;
}

/* ---- hello ---- */

static void hello_put(const struct unit_run *r, struct buf *b)
{
	struct msg_unit_hello m = {.kind = (uint32_t)r->in.kind,
		.slot = r->in.slot,
		.sub = r->in.sub,
		.pid = (uint32_t)getpid(),
		.version = STR_LIT(TIDEGATE_VERSION)};

	buf_clear(b);
	msg_put_unit_hello(b, link_request_id(), &m);
}

static void heard(struct unit_run *r)
{
	r->heard_ms = clock_ms();
	r->missed_ms = r->silent_ms = 0;
}

static int hello_welcome(struct unit_run *r, struct str reply, struct err *e)
{
	struct msg_unit_welcome m;
	struct str body;

	if (msg_expect(reply, MSG_unit_welcome, &body, e) < 0 || msg_get_unit_welcome(body, &m, e) < 0)
		return err_add(e, "the agent's answer to hello");
	if (order_take(r, m.revision, m.order, m.args) < 0) {
		*e = r->error;
		return -1;
	}
	heard(r);
	r->welcome_ms = r->heard_ms;
	return 0;
}

struct hello {
	struct unit_run *r;
	bool answered;
	int rc;
	struct err e;
};

static void hello_done(void *arg, const struct err *e, struct str reply)
{
	struct hello *h = arg;

	h->answered = true;
	if (e)
		h->e = *e;
	h->rc = e ? -1 : hello_welcome(h->r, reply, &h->e);
}

/* One hello with all the time there is: a second one beside it would look like a second unit to the agent. */
static void hello_once(struct hello *h, uint64_t deadline)
{
	struct unit_run *r = h->r;
	struct buf b = {0};
	uint64_t now = clock_ms();

	h->answered = false;
	hello_put(r, &b);
	link_call(r->agent, &b, deadline > now ? deadline - now : 1, hello_done, h);
	buf_free(&b);
	while (!h->answered && !watch_leaving(r->watch))
		loop_once(r->env.loop, AGENT_RETRY_MS);
	if (!h->answered) {
		link_peer_free(&r->agent); /* the answer has no place to go to any more */
		h->rc = err_set(&h->e, ERR_link, AGENT_SOCKET ": asked to leave before hello was answered");
	}
}

int unit_agent_hello(struct unit_run *r, struct err *e)
{
	uint64_t deadline = clock_ms() + AGENT_HELLO_MS;
	struct hello h = {.r = r};

	r->agent = link_dial(r->env.link, AGENT_SOCKET);
	for (;;) {
		hello_once(&h, deadline);
		if (h.rc == 0 || h.e.code != ERR_link || watch_leaving(r->watch) || clock_ms() >= deadline)
			break;
		clock_sleep_ms(AGENT_RETRY_MS); /* the agent went away with our hello in its hands */
	}
	if (h.rc < 0)
		*e = h.e;
	return h.rc;
}

/* ---- next ---- */

/* {"phase":…} as the unit fills it; "" where it has none. */
static void status_put(struct unit_run *r, struct buf *b)
{
	if (!r->u->status || !r->opened)
		return;
	json_t *o = json_object();
	r->u->status(r->self, &r->env, o);
	json_write(o, b);
	json_decref(o);
}

static void next_put(struct unit_run *r, struct buf *b)
{
	struct buf status = {0};

	status_put(r, &status);
	struct msg_unit_next m = {.kind = (uint32_t)r->in.kind,
		.slot = r->in.slot,
		.sub = r->in.sub,
		.revision = r->revision,
		.wait_ms = (uint32_t)r->beats[r->last_beat].wait_ms,
		.stage = (uint32_t)r->stage,
		.progress = r->env.progress,
		.status = buf_str(&status),
		.error = r->error};
	msg_put_unit_next(b, link_request_id(), &m);
	buf_free(&status);
}

static void next_again(void *arg)
{
	struct unit_run *r = arg;

	r->next_timer = 0;
	unit_agent_ask(r);
}

static void next_in(struct unit_run *r, uint64_t ms)
{
	r->next_timer = loop_timer(r->env.loop, ms, next_again, r);
}

/* newer: than what was known when it was asked. */
static int next_order(struct unit_run *r, const struct unit_beat *beat, struct str reply, bool *newer)
{
	struct msg_unit_order m;
	struct str body;

	if (msg_expect(reply, MSG_unit_order, &body, &r->error) < 0 ||
		msg_get_unit_order(body, &m, &r->error) < 0)
		return err_add(&r->error, "the agent's answer to next");
	*newer = m.revision > beat->revision;
	return m.revision > r->revision ? order_take(r, m.revision, m.order, m.args) : 0;
}

/*
 * The agent did not answer: it may be starting anew; without it for long a unit has no business here. Of a
 * call that took longer than calls do, this process did not live through the rest: it was stopped, or its
 * machine asleep, and so perhaps the agent.
 */
bool unit_agent_missed(struct unit_run *r, uint64_t now)
{
	uint64_t took = now - (r->missed_ms ? r->missed_ms : r->heard_ms);

	r->missed_ms = now;
	r->silent_ms += took < AGENT_MISS_MS ? took : AGENT_MISS_MS;
	return r->silent_ms >= AGENT_LOST_MS;
}

static void next_missed(struct unit_run *r, const struct err *e)
{
	if (!unit_agent_missed(r, clock_ms())) {
		next_in(r, AGENT_RETRY_MS);
		return;
	}
	r->error = *e;
	err_add(&r->error, "the agent has been silent for %d s", AGENT_LOST_MS / 1000);
	loop_wake(r->env.loop);
}

static void next_done(void *arg, const struct err *e, struct str reply)
{
	struct unit_beat *beat = arg;
	struct unit_run *r = beat->run;
	bool last = beat == &r->beats[r->last_beat], newer = false;

	beat->under_way = false;
	if (e && e->code == ERR_link) {
		if (last)
			next_missed(r, e);
		return;
	}
	if (e)
		r->error = *e;
	if (e || next_order(r, beat, reply, &newer) < 0)
		return;
	heard(r);
	if (!last) /* another one has taken its place, and is under way or due */
		return;
	uint64_t took = r->heard_ms - beat->asked_ms;
	uint64_t due = beat->wait_ms < AGENT_WAIT_MS ? beat->wait_ms : AGENT_WAIT_MS;
	if (newer || took >= due)
		unit_agent_ask(r);
	else /* an agent that answers at once must not be asked in a circle */
		next_in(r, due - took);
}

/* The heart beats slowly where there is nothing to tell, but not while somebody may wait for what it comes
 * to.
 */
static uint64_t beat_wait(const struct unit_run *r, uint64_t now)
{
	if (now - r->welcome_ms < AGENT_YOUNG_MS)
		return AGENT_FIRST_MS;
	return r->env.rest_ms > AGENT_WAIT_MS ? r->env.rest_ms : AGENT_WAIT_MS;
}

void unit_agent_ask(struct unit_run *r)
{
	struct unit_beat *beat;
	struct buf b = {0};

	if (r->beats[r->last_beat].under_way)
		r->last_beat = !r->last_beat;
	if (r->next_timer)
		loop_timer_stop(r->env.loop, r->next_timer);
	r->next_timer = 0;
	r->env.tell = false;
	beat = &r->beats[r->last_beat];
	*beat = (struct unit_beat){
		.run = r, .under_way = true, .asked_ms = clock_ms(), .revision = r->revision};
	beat->wait_ms = beat_wait(r, beat->asked_ms);
	next_put(r, &b);
	link_call(r->agent, &b, beat->wait_ms + AGENT_ANSWER_MS, next_done, beat);
	buf_free(&b);
}

void unit_agent_stir(struct unit_run *r)
{
	const struct unit_beat *beat = &r->beats[r->last_beat];
	bool slow = beat->wait_ms > AGENT_WAIT_MS,
	     both = beat->under_way && r->beats[!r->last_beat].under_way;

	/* A second one that has not taken its place yet is answered at once: then this is called again. */
	if (beat->run && slow && !both && (r->env.tell || r->env.rest_ms == 0))
		unit_agent_ask(r);
}

/* ---- bye ---- */

void unit_agent_bye(struct unit_run *r, enum stage stage, const struct err *error)
{
	struct buf status = {0}, b = {0}, reply = {0};
	struct str body;
	struct err e;

	if (!r->heard_ms)
		return; /* never welcomed: nobody knows us */
	status_put(r, &status);
	struct msg_unit_bye m = {.kind = (uint32_t)r->in.kind,
		.slot = r->in.slot,
		.sub = r->in.sub,
		.stage = (uint32_t)stage,
		.status = buf_str(&status)};
	if (error)
		m.error = *error;
	msg_put_unit_bye(&b, link_request_id(), &m);
	if (link_call_wait(r->agent, &b, AGENT_BYE_MS, &reply, &e) < 0 ||
		msg_expect(buf_str(&reply), MSG_ok, &body, &e) < 0)
		log_warn("bye was not heard: %s", e.text);
	buf_free(&status);
	buf_free(&b);
	buf_free(&reply);
}
