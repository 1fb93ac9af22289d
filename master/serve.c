/*
 * The master's socket: agents' hello, next and report, and commands. Called by the loop through link.c. Time
 * enters here and nowhere below. Answers that must wait (long polls, checks) are kept with their request.
 */
#include "master/serve.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/config/json.h"
#include "master/answer.h"
#include "master/bind.h"
#include "master/check.h"
#include "master/command.h"
#include "master/masters.h"
#include "master/reply.h"
#include "master/report.h"
#include "master/valid.h"

enum {
	CONTEXTS = MASTER_AGENTS + MASTER_CHECKS + 8,
	REFUSED_MS = 5000, /* until a write that the store refused is tried again */
	/* What one report may take, as json_cost has it: one of 16 MiB as agents write them, and a good deal
	 * less than the master's box. */
	REPORT_MEMORY = 192 << 20,
};

static void set_clock(struct master *m)
{
	master_set_clock(m, clock_ms(), clock_wall_us() / 1000000);
}

/* Nobody is told anything by an older copy: whoever waits learns of it now. */
static void refuse_polls(struct master *m)
{
	struct err e = {0};

	bind_refuse_old(m, &e);
	for (unsigned i = 0; i < m->nagents; i++)
		if (m->agents[i].poll)
			link_fail(&m->agents[i].poll, &e);
}

/* Wakes the polls for which there is something, or whose time is up. */
static void answer_polls(struct master *m)
{
	if (m->newer) {
		refuse_polls(m);
		return;
	}
	for (unsigned i = 0; i < m->nagents; i++) {
		struct agent *a = &m->agents[i];

		if (a->poll && (m->model.revision > a->poll_revision || m->now_ms >= a->poll_until_ms))
			reply_poll(m, a);
	}
}

static const char *cluster_of(const struct serve *s)
{
	return s->store ? store_cluster(s->store) : "";
}

static struct refusal *find_refusal(struct serve *s, const char *agent)
{
	for (unsigned i = 0; i < MASTER_AGENTS; i++)
		if (s->told[i].agent[0] && strcmp(s->told[i].agent, agent) == 0)
			return &s->told[i];
	return NULL;
}

/* An agent asks again twice a second, for as long as it takes: its refusal is logged once for each reason. */
static void log_refusal(struct serve *s, const char *agent, const struct err *e)
{
	struct refusal *r = find_refusal(s, agent);

	if (r && r->code == e->code)
		return;
	if (!r)
		r = &s->told[s->ntold++ % MASTER_AGENTS];
	snprintf(r->agent, sizeof(r->agent), "%s", agent);
	r->code = e->code;
	log_err(e);
}

static void forget_refusal(struct serve *s, const char *agent)
{
	struct refusal *r = find_refusal(s, agent);

	if (r)
		*r = (struct refusal){0};
}

/* Without the port, which is another one with each connection: nobody dials an agent. */
static void note_host(struct agent *a, const struct link_req *req)
{
	const char *colon = req->via == ADDRESS_IPC ? NULL : strrchr(req->from, ':');

	snprintf(a->host, sizeof(a->host), "%.*s", colon ? (int)(colon - req->from) : 0, req->from);
}

static void on_hello(struct serve *s, struct link_req *req)
{
	struct msg_agent_hello hello;
	char name[MODEL_NAME + 2], version[64], instance[64];
	const char *key;
	struct agent *a = NULL;
	struct buf b = {0};
	struct err e = {0};

	if (msg_get_agent_hello(req->body, &hello, &e) < 0) {
		link_fail(&req, &e);
		return;
	}
	snprintf(name, sizeof(name), "%.*s", STR_ARG(hello.name));
	snprintf(version, sizeof(version), "%.*s", STR_ARG(hello.version));
	snprintf(instance, sizeof(instance), "%.*s", STR_ARG(hello.instance));
	if (valid_name(name, MODEL_NAME, "agent", &e) == 0 &&
		gate_agent(&s->gate, req, name, &key, &e) == 0 && bind_check_key(s->m, name, key, &e) == 0 &&
		bind_check_store(s->m, name, hello.cluster, hello.revision, &e) == 0)
		a = bind_hello(
			s->m, &(struct hello){name, version, instance, hello.slots, hello.standby != 0}, &e);
	if (a)
		bind_keep_key(s->m, name, key);
	if (!a || model_commit(&s->m->model, &e) < 0) {
		if (a)
			a->session = 0; /* it was never given out */
		model_abort(&s->m->model);
		log_refusal(s, name, &e);
		link_fail(&req, &e);
		return;
	}
	forget_refusal(s, name);
	note_host(a, req);
	master_forget_pieces(a);
	/* A poll of the session before is nobody's any more. */
	if (a->poll)
		link_fail_with(&a->poll, ERR_request_stale, "the agent has said hello again since");
	log_info("agent %s is here, version %s", name, version);
	msg_put_agent_welcome(&b, req->head.request,
		&(struct msg_agent_welcome){.session = a->session,
			.lease_ms = (uint32_t)s->m->lease_ms,
			.cluster = str_of(cluster_of(s))});
	link_reply(&req, &b);
	buf_free(&b);
}

/* The agent of a session, seen just now; NULL: the request was refused. */
static struct agent *known(struct serve *s, uint64_t session, struct link_req **req)
{
	struct agent *a = bind_session(s->m, session);
	const char *key;
	struct err e = {0};

	if (!a)
		link_fail_with(req, ERR_request_stale, "the master does not know this session: say hello");
	else if (gate_agent(&s->gate, *req, a->name, &key, &e) < 0) {
		gate_tell(&s->gate, *req, &e, s->m->now_ms);
		link_fail(req, &e);
		a = NULL;
	} else {
		a->seen_ms = s->m->now_ms;
		note_host(a, *req);
	}
	return a;
}

static void on_next(struct serve *s, struct link_req *req)
{
	/* A poll is a sign of life too, so it may not be held for a whole lease. */
	uint64_t poll_max = s->m->lease_ms / 3;
	struct msg_agent_next next;
	struct err e = {0};
	struct agent *a;

	if (msg_get_agent_next(req->body, &next, &e) < 0) {
		link_fail(&req, &e);
		return;
	}
	a = known(s, next.session, &req);
	if (!a)
		return;
	/* Its session is of a time that this store has not seen. */
	if (bind_check_store(s->m, a->name, str_of(cluster_of(s)), next.revision, &e) < 0) {
		link_fail(&req, &e);
		return;
	}
	/* An agent asks one thing at a time: an older poll was given up by it. */
	if (a->poll)
		link_fail_with(&a->poll, ERR_request_stale, "asked again since");
	a->poll = req;
	a->poll_revision = next.revision;
	a->poll_until_ms = s->m->now_ms + (next.wait_ms < poll_max ? next.wait_ms : poll_max);
}

static void send_ok(struct link_req **req)
{
	struct buf b = {0};

	msg_put_ok(&b, (*req)->head.request, &(struct msg_ok){0});
	link_reply(req, &b);
	buf_free(&b);
}

/* Not one whose few bytes are a large tree: no agent must be able to use up the master's memory. */
static json_t *read_report(struct agent *a, struct str text, struct err *e)
{
	size_t cost = json_cost(text);

	if (cost > REPORT_MEMORY) {
		err_set(e, ERR_proto, "a report of agent %s would take %zu MiB of memory, %d at most",
			a->name, cost >> 20, REPORT_MEMORY >> 20);
		return NULL;
	}
	/* Two large ones at the same time are too much. */
	if (cost > REPORT_MEMORY / 4) {
		json_decref(a->report);
		a->report = NULL;
	}
	return json_parse(text, "an agent's report", e);
}

/* Takes req. */
static void take_report(struct serve *s, struct agent *a, struct link_req *req, struct str text)
{
	struct err e = {0};
	json_t *o;

	if (bind_refuse_old(s->m, &e) < 0) {
		link_fail(&req, &e); /* it would be written; the agent logs it, once */
		return;
	}
	o = read_report(a, text, &e);
	if (!o || report_take(s->m, a, o, reply_answer, &e) < 0) {
		log_err(&e);
		link_fail(&req, &e);
		return;
	}
	send_ok(&req);
}

static void on_report(struct serve *s, struct link_req *req)
{
	struct msg_agent_report report;
	struct err e = {0};
	struct agent *a;

	if (msg_get_agent_report(req->body, &report, &e) < 0) {
		link_fail(&req, &e);
		return;
	}
	a = known(s, report.session, &req);
	if (!a)
		return;
	paged_free(&a->coming.text);
	take_report(s, a, req, report.report);
}

static void on_report_part(struct serve *s, struct link_req *req)
{
	struct msg_agent_report_part part;
	struct err e = {0};
	struct agent *a;
	int r;

	if (msg_get_agent_report_part(req->body, &part, &e) < 0) {
		link_fail(&req, &e);
		return;
	}
	a = known(s, part.session, &req);
	if (!a)
		return;
	r = paged_add(&a->coming, &(struct paged){part.from, part.total, part.text}, &e);
	if (r > 0)
		take_report(s, a, req, buf_str(&a->coming.text));
	else if (r == 0)
		send_ok(&req);
	else
		link_fail(&req, &e);
	if (r != 0)
		paged_free(&a->coming.text);
}

static void on_more(struct serve *s, struct link_req *req)
{
	struct msg_agent_more more;
	struct err e = {0};
	struct agent *a;

	if (msg_get_agent_more(req->body, &more, &e) < 0) {
		link_fail(&req, &e);
		return;
	}
	a = known(s, more.session, &req);
	if (a)
		reply_more(a, &req, &more);
}

/* Its answer was lost on the way, and it is asked again: it is not done again. */
static bool answer_again(struct serve *s, struct link_req **req, struct str name, struct str text)
{
	const char *was = once_find(&s->once, (*req)->head.request, name, text);
	struct buf b = {0};

	if (!was)
		return false;
	log_info("%.*s was asked again, and is done already", (int)(name.n > 60 ? 60 : name.n), name.p);
	msg_put_answer(&b, (*req)->head.request, &(struct msg_answer){.json = str_of(was)});
	link_reply(req, &b);
	buf_free(&b);
	return true;
}

static void keep_answer(
	struct serve *s, const struct link_req *req, struct str name, struct str text, const json_t *answer)
{
	struct buf b = {0};

	json_write(answer, &b);
	once_keep(&s->once, req->head.request, name, text, buf_str(&b));
	buf_free(&b);
}

/* What is about a request, and no command of an operator's. Takes *req where it is such a word. */
static void run_word(struct serve *s, struct link_req **req, struct str name, struct str text)
{
	json_t *args;

	if (str_is(name, "answer-page")) {
		reply_page(s->m, req, text);
	} else if (str_is(name, "cancel")) {
		args = json_parse(text, "cancel", NULL);
		s->m->dirty |=
			check_cancel_request(s->m, (uint64_t)json_num(args, "request", 0), reply_answer);
		json_decref(args);
		reply_answer(s->m, req, answer_ok());
	}
}

/* Takes req. */
static void run_command(struct serve *s, struct link_req *req, struct str name, struct str text)
{
	char word[64];
	struct err e = {0};
	bool changed;
	json_t *args, *answer;

	snprintf(word, sizeof(word), "%.*s", STR_ARG(name));
	run_word(s, &req, name, text);
	if (!req || answer_again(s, &req, name, text))
		return;
	args = json_parse(text, "a command's arguments", &e);
	if (!args) {
		reply_answer(s->m, &req, answer_error(&e));
		return;
	}
	answer = command_run(s->m, word, args, &req, &changed);
	if (answer && changed)
		keep_answer(s, req, name, text, answer);
	if (answer && !json_flag(answer, "result", true))
		log_info("%s refused: %s", word, json_text(answer, "msg", ""));
	else if (changed)
		log_info("%s, revision %llu", word, (unsigned long long)s->m->model.revision);
	if (answer)
		reply_answer(s->m, &req, answer);
	else if (req) /* none that could be made: whoever asked must not wait for it */
		link_fail_with(&req, ERR_internal, "the answer can't be told");
	json_decref(args);
}

static void on_command(struct serve *s, struct link_req *req)
{
	struct msg_command m;
	struct err e = {0};

	if (msg_get_command(req->body, &m, &e) < 0)
		link_fail(&req, &e);
	else
		run_command(s, req, m.word, m.args);
}

static void on_forwarded(struct serve *s, struct link_req *req)
{
	struct msg_forwarded m;
	struct err e = {0};

	if (msg_get_forwarded(req->body, &m, &e) < 0)
		link_fail(&req, &e);
	else
		run_command(s, req, m.word, m.args);
}

/* As long as the term lasts that the model was loaded in: its end may be seen here before the next tick. */
static bool leads(const struct serve *s)
{
	return s->m && (!s->store || store_term(s->store) == s->term);
}

static void on_request_leading(struct serve *s, struct link_req *req)
{
	switch (req->head.type) {
	case MSG_agent_hello:
		on_hello(s, req);
		break;
	case MSG_agent_next:
		on_next(s, req);
		break;
	case MSG_agent_report:
		on_report(s, req);
		break;
	case MSG_agent_report_part:
		on_report_part(s, req);
		break;
	case MSG_agent_more:
		on_more(s, req);
		break;
	case MSG_command:
		on_command(s, req);
		break;
	case MSG_forwarded:
		on_forwarded(s, req);
		break;
	default:
		link_fail_with(&req, ERR_proto, "the master does not take this message");
	}
	if (leads(s))
		answer_polls(s->m);
}

/* Another one that leads. Our own name in its place is that of a term which has just ended. */
static void find_leader(const struct serve *s, struct store_leader *who)
{
	*who = (struct store_leader){0};
	if (s->store)
		store_leader(s->store, who);
	if (s->address && strcmp(who->address, s->address) == 0)
		*who = (struct store_leader){0};
}

/* The one word that is meant for this master itself, whoever leads: it may stand again. */
static bool is_for_us(struct str body)
{
	struct msg_command m;
	json_t *args;
	bool ours;

	if (msg_get_command(body, &m, NULL) < 0 || !str_is(m.word, "operate-leader"))
		return false;
	args = json_parse(m.args, "a command's arguments", NULL);
	ours = strcmp(json_text(args, "op", ""), "cancel-evict") == 0;
	json_decref(args);
	return ours;
}

static void stand_again(struct serve *s, struct link_req **req)
{
	struct err e = {0};

	if (store_evict(s->store, false, &e) == 0)
		log_info("operate-leader cancel-evict: may lead again");
	reply_answer(NULL, req, e.code ? answer_error(&e) : answer_ok());
}

/* Commands are passed on; agents are told whom to ask, and have the addresses of all. */
static void on_request_following(struct serve *s, struct link_req *req)
{
	struct store_leader who;
	char text[STORE_NAME * 2 + 80];

	find_leader(s, &who);
	if (req->head.type == MSG_command && s->store && is_for_us(req->body)) {
		stand_again(s, &req);
		return;
	}
	if (req->head.type == MSG_command) {
		follow_command(&s->follow, &who, &req);
		return;
	}
	if (who.name[0])
		snprintf(text, sizeof(text), "this master does not lead, %s at %s does", who.name,
			who.address);
	else
		snprintf(text, sizeof(text), "no master leads at the moment");
	link_fail_with(&req, ERR_not_leader, text);
}

static void on_request(void *arg, struct link_req *req)
{
	struct serve *s = arg;
	uint64_t now = clock_ms();
	struct err e = {0};

	if (gate_check(&s->gate, req, now, &e) < 0) {
		gate_tell(&s->gate, req, &e, now);
		link_fail(&req, &e);
		return;
	}
	if (req->head.type == MSG_challenge || req->head.type == MSG_prove) {
		if (req->head.type == MSG_challenge)
			gate_challenge(&s->gate, &req, now);
		else
			gate_prove(&s->gate, &req, now);
		return;
	}
	if (!leads(s)) {
		on_request_following(s, req);
		return;
	}
	set_clock(s->m);
	on_request_leading(s, req);
}

int serve_start(struct serve *s, struct daemon_env *env, struct store *store, struct err *e)
{
	struct stat st;

	if (fstat(env->run_fd, &st) < 0)
		return err_sys(e, ERR_io, "the run folder");
	s->gate.run_owner = st.st_uid;
	s->gate.control = s->control;
	s->store = store;
	s->follow.link = env->link;
	s->follow.control = s->control;
	s->follow.id = s->id;
	if (link_listen(env->link, "master.sock", CONTEXTS, 0660, on_request, s, e) < 0)
		return -1;
	for (unsigned i = 0; i < s->nlisten; i++) {
		if (link_listen(env->link, s->listen[i], CONTEXTS, 0, on_request, s, e) < 0)
			return -1;
		log_info("listening at %s", s->listen[i]);
	}
	return 0;
}

/* Whoever waits: agents for orders, the command line for checks. */
static void fail_waiting(struct master *m, enum err_code code, const char *text)
{
	for (unsigned i = 0; i < m->nagents; i++)
		if (m->agents[i].poll)
			link_fail_with(&m->agents[i].poll, code, text);
	for (int i = 0; i < MASTER_CHECKS; i++)
		if (m->checks[i] && *check_waiting(m->checks[i]))
			link_fail_with(check_waiting(m->checks[i]), code, text);
}

void serve_lead(struct serve *s, struct master *m, uint64_t term)
{
	if (s->m)
		fail_waiting(s->m, ERR_not_leader, "this master leads no more");
	if (m)
		follow_leave(&s->follow, clock_ms());
	once_clear(&s->once);
	s->m = m;
	s->term = term;
	s->refused = false;
	s->again_ms = 0;
}

/* What was passed on to a leader that is no more gets no answer from it. */
static void drop_old_leader(struct serve *s)
{
	struct store_leader who;

	find_leader(s, &who);
	if (s->follow.peer && strcmp(who.address, s->follow.address) != 0)
		follow_leave(&s->follow, clock_ms());
	else
		s->follow.end_ms = 0; /* it was only out of sight */
}

/* An etcd that is full refuses for as long as it is: said once, and tried again. A file that can't be written
 * ends the process. */
static int tick_refused(struct serve *s, struct err *e)
{
	if (!leads(s)) {
		log_err(e); /* another one's to do, or ours in the next term */
		return 0;
	}
	if (!s->patient)
		return -1;
	if (!s->refused)
		log_err(e);
	s->refused = true;
	s->again_ms = s->m->now_ms + REFUSED_MS;
	return 0;
}

/* What time alone changes. */
static int tick_changes(struct serve *s, struct err *e)
{
	struct master *m = s->m;

	if (m->now_ms < s->again_ms)
		return 0;
	m->dirty |= check_tick(m, reply_answer) | check_cancel(m, link_req_there, reply_answer);
	pages_expire(&m->pages, m->now_ms);
	m->dirty |= m->newer == 0 && bind_sources(m);
	m->dirty |= m->newer == 0 && masters_note(m);
	/* A check that is over changes nothing that an older copy would have to keep. */
	if (!m->dirty || m->newer != 0)
		return 0;
	if (model_commit(&m->model, e) < 0)
		return tick_refused(s, e);
	m->dirty = false;
	if (s->refused)
		log_info("the store takes changes again");
	s->refused = false;
	return 0;
}

/* The rest of what was under way to or from it does not come. */
static void forget_lost(struct master *m)
{
	for (unsigned i = 0; i < m->nagents; i++)
		if (!bind_online(m, &m->agents[i]))
			master_forget_pieces(&m->agents[i]);
}

int serve_tick(struct serve *s, struct err *e)
{
	follow_tick(&s->follow, clock_ms());
	if (!leads(s)) {
		drop_old_leader(s);
		return 0;
	}
	set_clock(s->m);
	forget_lost(s->m);
	if (tick_changes(s, e) < 0)
		return -1;
	if (leads(s))
		answer_polls(s->m);
	return 0;
}

void serve_end(struct serve *s)
{
	if (s->m)
		fail_waiting(s->m, ERR_link, "the master is leaving");
	follow_end(&s->follow);
	once_clear(&s->once);
}
