/*
 * The conversation with the master: hello, orders by long poll, reports. Agents dial, masters listen (T38). A
 * master that is gone changes nothing for the units: their work goes on and it is dialled again, for ever
 * (T31).
 */
#include "agent/master.h"

#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/orders.h"
#include "agent/report.h"
#include "agent/seen.h"
#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "common/config/json.h"

enum {
	HELLO_MS = 3000,
	HELLO_OTHER_MS = 1500, /* where there is another master to ask */
	AGAIN_MS = 500,
	LEASE_MS = 10000, /* until a master has told its own */
	/*
	 * A master that is frozen answers nothing. The hello to another one waits for the end of all calls,
	 * and must come well before a lease is over there: the calls last hardly longer than a report does.
	 */
	WAIT_PERCENT = 30, /* of a lease */
	NEXT_PERCENT = 70,
	REPORT_PERCENT = 50,
	CALL_MAX_MS = 7000, /* of a long lease too */
	REPORT_EVERY_MS = 1000,
	REPORT_SOON_MS = 200,
	REPORT_REST_MS = 10000,
};

static uint32_t of_lease(const struct master *m, unsigned percent)
{
	uint64_t ms = m->lease_ms * percent / 100, most = CALL_MAX_MS * percent / NEXT_PERCENT;

	return (uint32_t)(ms < most ? ms : most);
}

/* Registered no more: everything that was under way with the old session is of no use. */
static void lost(struct agent *a, const struct err *e)
{
	struct master *m = &a->master;

	if (m->session != 0 || !m->told_lost)
		log_warn("the master does not answer, work goes on without it: %s", e->text);
	m->told_lost = true;
	m->session = 0;
	paged_free(&m->orders.text);
	paged_free(&m->report);
	/* A host that was cut off leaves connections behind that say nothing, for many minutes. */
	if (e->code == ERR_link && address_is_remote(m->addresses[m->at]))
		link_peer_again(m->peer);
	/* One of several: the next one, at once, and a pause when all were asked. */
	m->move = m->naddresses > 1;
	m->hello_at = clock_ms() + (m->at + 1 < m->naddresses ? 0 : AGAIN_MS);
}

static void on_welcome(void *arg, const struct err *failed, struct str reply)
{
	struct agent *a = arg;
	struct msg_agent_welcome w;
	struct str body;
	struct err e = {0};

	a->master.helloing = false;
	if (failed)
		e = *failed;
	else if (msg_expect(reply, MSG_agent_welcome, &body, &e) == 0)
		msg_get_agent_welcome(body, &w, &e);
	if (e.code == 0 && w.session == 0)
		err_set(&e, ERR_proto, "the master gave session 0");
	if (e.code) {
		lost(a, &e);
		return;
	}
	a->master.session = w.session;
	a->master.lease_ms = w.lease_ms ? w.lease_ms : LEASE_MS;
	/* Another cluster counts for itself. */
	if (!str_is(w.cluster, a->master.cluster))
		a->master.seen = 0;
	snprintf(a->master.cluster, sizeof(a->master.cluster), "%.*s", STR_ARG(w.cluster));
	a->master.revision = 0; /* the whole state once more: it may be another master */
	a->master.told_lost = false;
	a->changed = true;
	log_info("registered with the master at %s", a->master.addresses[a->master.at]);
	if (FAILPOINT_HIT(agent_after_hello))
		log_warn("failpoint agent_after_hello");
}

/* No call is under way: master_tick sees to that. */
static void move_on(struct master *m, struct link *link)
{
	if (!m->move)
		return;
	m->move = false;
	m->at = (m->at + 1) % m->naddresses;
	link_peer_free(&m->peer);
	m->peer = link_dial(link, m->addresses[m->at]);
}

static unsigned hello_ms(const struct agent *a)
{
	return a->master.naddresses > 1 ? HELLO_OTHER_MS : HELLO_MS;
}

static void send_hello(struct agent *a)
{
	struct msg_agent_hello m = {.name = str_of(a->name),
		.version = STR_LIT(TIDEGATE_VERSION),
		.slots = a->capacity,
		.standby = a->standby,
		.instance = str_of(a->master.instance),
		.cluster = str_of(a->master.cluster),
		.revision = a->master.seen};
	struct buf b = {0};

	msg_put_agent_hello(&b, link_request_id(), &m);
	link_call(a->master.peer, &b, hello_ms(a), on_welcome, a);
	buf_free(&b);
}

static void on_proved(void *arg, const struct err *failed)
{
	struct agent *a = arg;

	if (!failed) {
		send_hello(a);
		return;
	}
	a->master.helloing = false;
	lost(a, failed);
}

/* A unix socket tells the master whose process we are; on another host the connection must prove it first. */
static void hello(struct agent *a)
{
	struct master *m = &a->master;

	if (FAILPOINT_HIT(agent_before_hello))
		log_warn("failpoint agent_before_hello");
	move_on(m, a->env->link);
	m->helloing = true;
	if (!address_is_remote(m->addresses[m->at])) {
		send_hello(a);
		return;
	}
	m->prove = (struct prove){.peer = m->peer,
		.id = m->id,
		.name = a->name,
		.timeout_ms = hello_ms(a),
		.done = on_proved,
		.arg = a};
	prove_start(&m->prove);
}

/* --- orders --- */

static int take_orders(struct agent *a, const struct msg_agent_orders *m, struct err *e)
{
	json_t *orders;

	if (m->orders.n == 0)
		return 0;
	orders = json_parse(m->orders, "the master's orders", e);
	if (!orders)
		return -1;
	if (!json_is_object(orders)) {
		json_decref(orders);
		return err_set(e, ERR_proto, "the master's orders are no JSON object");
	}
	log_debug("orders of revision %lld", (long long)json_num(orders, "revision", 0));
	a->master.seen = m->revision;
	seen_keep(a->env->state_fd, a->master.cluster, m->revision);
	orders_set(a, orders);
	a->master.revision = m->revision;
	return 0;
}

static void on_orders(void *arg, const struct err *failed, struct str reply);

/* The rest of orders that come in pieces: as the poll that they answer. */
static void ask_more(struct agent *a, uint64_t revision)
{
	struct msg_agent_more m = {
		.session = a->master.session, .revision = revision, .from = a->master.orders.text.n};
	struct buf b = {0};

	msg_put_agent_more(&b, link_request_id(), &m);
	a->master.asking = true;
	link_call(a->master.peer, &b, of_lease(&a->master, NEXT_PERCENT), on_orders, a);
	buf_free(&b);
}

static int take_part(struct agent *a, struct str reply, struct err *e)
{
	struct paged_text *whole = &a->master.orders;
	struct msg_agent_orders_part m;
	struct str body;
	int r;

	if (msg_expect(reply, MSG_agent_orders_part, &body, e) < 0 ||
		msg_get_agent_orders_part(body, &m, e) < 0)
		return -1;
	if (a->master.session == 0) /* lost meanwhile: nobody gives the rest */
		return 0;
	r = paged_add(whole, &(struct paged){m.from, m.total, m.text}, e);
	if (r == 0) {
		ask_more(a, m.revision);
		return 0;
	}
	if (r > 0)
		r = take_orders(a,
			&(struct msg_agent_orders){.revision = m.revision, .orders = buf_str(&whole->text)},
			e);
	paged_free(&whole->text);
	return r;
}

static int take_reply(struct agent *a, struct str reply, struct err *e)
{
	struct msg_agent_orders m;
	struct msg_head h;
	struct str body;

	if (msg_open(reply, &h, &body, e) == 0 && h.type == MSG_agent_orders_part)
		return take_part(a, reply, e);
	if (msg_expect(reply, MSG_agent_orders, &body, e) < 0 || msg_get_agent_orders(body, &m, e) < 0)
		return -1;
	return take_orders(a, &m, e);
}

static void on_orders(void *arg, const struct err *failed, struct str reply)
{
	struct agent *a = arg;
	struct err e = {0};

	a->master.asking = false;
	if (failed)
		e = *failed;
	else
		take_reply(a, reply, &e);
	if (e.code)
		lost(a, &e);
}

static void ask_next(struct agent *a)
{
	struct msg_agent_next m = {.session = a->master.session,
		.revision = a->master.revision,
		.wait_ms = of_lease(&a->master, WAIT_PERCENT)};
	struct buf b = {0};

	msg_put_agent_next(&b, link_request_id(), &m);
	a->master.asking = true;
	link_call(a->master.peer, &b, of_lease(&a->master, NEXT_PERCENT), on_orders, a);
	buf_free(&b);
}

/* --- reports --- */

static void on_reported(void *arg, const struct err *failed, struct str reply);

static void send_report(struct agent *a, const struct buf *b)
{
	a->master.reporting = true;
	link_call(a->master.peer, b, of_lease(&a->master, REPORT_PERCENT), on_reported, a);
}

/* The next piece of a report that is no message's. */
static void send_part(struct agent *a)
{
	struct paged p = paged_piece(buf_str(&a->master.report), a->master.sent);
	struct msg_agent_report_part m = {
		.session = a->master.session, .from = p.from, .total = p.total, .text = p.text};
	struct buf b = {0};

	msg_put_agent_report_part(&b, link_request_id(), &m);
	a->master.sent += p.text.n;
	send_report(a, &b);
	buf_free(&b);
}

static void on_reported(void *arg, const struct err *failed, struct str reply)
{
	struct agent *a = arg;
	struct str body;
	struct err e = {0};

	a->master.reporting = false;
	if (failed)
		e = *failed;
	else
		msg_expect(reply, MSG_ok, &body, &e);
	if (!e.code && a->master.session != 0 && a->master.sent < a->master.report.n) {
		send_part(a);
		return;
	}
	paged_free(&a->master.report);
	if (e.code == ERR_link || e.code == ERR_request_stale)
		lost(a, &e);
	else if (e.code &&
		 !a->master.told_refused) /* its disk is full, say: the next report comes in a second */
		log_warn("the master refused a report: %s", e.text);
	a->master.told_refused = e.code != 0;
}

void master_report(struct agent *a, uint64_t now)
{
	struct buf *text = &a->master.report, b = {0};

	if (a->master.session == 0 || a->master.reporting)
		return;
	buf_clear(text);
	report_write(a, text);
	a->master.sent = 0;
	a->master.reported_ms = now;
	a->changed = a->young = a->busy = false;
	if (text->n > MSG_TEXT_MAX) {
		log_debug("a report of %zu bytes goes in pieces", text->n);
		send_part(a);
		return;
	}
	msg_put_agent_report(&b, link_request_id(),
		&(struct msg_agent_report){.session = a->master.session, .report = buf_str(text)});
	paged_free(text);
	send_report(a, &b);
	buf_free(&b);
}

static int take_addresses(struct master *m, const json_t *list, struct err *e)
{
	const json_t *address;
	size_t i;

	json_array_foreach(list, i, address) {
		const char *text = json_is_string(address) ? json_string_value(address) : "";

		if (i == MASTERS || !text[0] || strlen(text) >= MASTER_ADDRESS)
			return err_set(e, ERR_config_bad,
				"the agent's slice: at most %d masters, each an address", MASTERS);
		snprintf(m->addresses[m->naddresses++], MASTER_ADDRESS, "%s", text);
	}
	if (m->naddresses == 0)
		snprintf(m->addresses[m->naddresses++], MASTER_ADDRESS, "master.sock");
	return 0;
}

int master_read(struct agent *a, struct err *e)
{
	struct master *m = &a->master;
	const json_t *list = json_object_get(a->env->config, "masters");

	if (take_addresses(m, list, e) < 0 || control_read(&m->control, a->env->settings, e) < 0)
		return -1;
	if (control_masters(&m->control, list, &a->env->needs, e) < 0)
		return -1;
	m->id = m->control.cert ? identity_of_pem(m->control.cert, m->control.key, e)
				: identity_of_file(a->env->state_fd, "identity.key", e);
	if (m->id && m->control.cert && strcmp(identity_name(m->id), a->name) != 0)
		return err_set(e, ERR_config_bad,
			"ssl-cert is of `%s`, this agent's name is `%s`: give it a certificate with that CN, "
			"or tidegated that name",
			identity_name(m->id), a->name);
	return m->id ? 0 : -1;
}

void master_close(struct agent *a)
{
	identity_free(&a->master.id);
	control_fini(&a->master.control);
	paged_free(&a->master.orders.text);
	paged_free(&a->master.report);
}

int master_open(struct agent *a, struct err *e)
{
	struct master *m = &a->master;

	m->lease_ms = LEASE_MS;
	if (control_use(&m->control, a->env->link, e) < 0 || io_random_hex(m->instance, 16, e) < 0)
		return -1;
	seen_read(a->env->state_fd, m->cluster, sizeof(m->cluster), &m->seen);
	m->peer = link_dial(a->env->link, m->addresses[0]);
	return 0;
}

/* Units that are at work for a while beat once a second; those that have just begun tell more, those at rest
 * less. */
static uint64_t report_due(const struct agent *a)
{
	if (a->young)
		return a->master.reported_ms + REPORT_SOON_MS;
	return a->master.reported_ms + (a->busy ? REPORT_EVERY_MS : REPORT_REST_MS);
}

void master_tick(struct agent *a, uint64_t now)
{
	struct master *m = &a->master;

	if (m->session == 0) {
		/* The calls of an old session must be over: their answers would be taken for those of the new
		 * one. */
		if (!m->helloing && !m->asking && !m->reporting && now >= m->hello_at)
			hello(a);
		return;
	}
	if (!m->asking)
		ask_next(a);
	if (a->changed || now >= report_due(a))
		master_report(a, now);
}

uint64_t master_due(const struct agent *a)
{
	const struct master *m = &a->master;

	if (m->session == 0)
		return m->helloing || m->asking || m->reporting ? 0 : (m->hello_at ? m->hello_at : 1);
	return m->reporting ? 0 : report_due(a);
}
