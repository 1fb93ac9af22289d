/*
 * Two masters in one process, by TCP on loopback and with certificates made here: commands that are passed on
 * at the same time share a connection and its proof, and none of them may break another's.
 */
#include "master/follow.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "master/gate.h"

enum { CALLS = 8 };

struct world {
	struct loop *loop;
	struct link *link;
	struct control control; /* of both */
	struct identity *id;
	struct gate gate; /* of the one that leads */
	struct follow follow;
	struct store_leader leader;
	struct link_peer *asker;
	unsigned proofs, forwarded, answers, failures;
	unsigned hold;    /* so many are not answered before all are there */
	unsigned cancels; /* behind them there are only these, and the last one is heard */
	struct link_req *held[CALLS];
	struct err failed;
};

static char folder[] = "/tmp/tidegate-follow-XXXXXX";
static struct world w;

static void answer(struct link_req **req)
{
	struct buf b = {0};

	msg_put_ok(&b, (*req)->head.request, &(struct msg_ok){0});
	link_reply(req, &b);
	buf_free(&b);
}

/* The first ones are not heard. */
static void on_cancel(struct link_req **req)
{
	struct msg_forwarded m;
	struct buf b = {0};
	struct err e = {0};

	assert_int_equal(msg_get_forwarded((*req)->body, &m, &e), 0);
	assert_true(str_is(m.word, "cancel"));
	assert_int_not_equal((*req)->head.request, w.held[0]->head.request);
	w.forwarded++;
	if (w.forwarded - w.hold < w.cancels) {
		link_fail_with(req, ERR_unproved, "not proved");
		return;
	}
	msg_put_answer(&b, (*req)->head.request, &(struct msg_answer){.json = STR_LIT("{}")});
	link_reply(req, &b);
	buf_free(&b);
}

/* As serve.c. */
static void on_leader(void *arg, struct link_req *req)
{
	struct err e = {0};

	(void)arg;
	if (gate_check(&w.gate, req, clock_ms(), &e) < 0) {
		link_fail(&req, &e);
	} else if (req->head.type == MSG_challenge) {
		gate_challenge(&w.gate, &req, clock_ms());
	} else if (req->head.type == MSG_prove) {
		w.proofs++;
		gate_prove(&w.gate, &req, clock_ms());
	} else if (w.forwarded >= w.hold && w.cancels) {
		on_cancel(&req);
	} else if (w.forwarded < w.hold) {
		w.held[w.forwarded++] = req;
	} else {
		w.forwarded++;
		answer(&req);
	}
}

static void on_follower(void *arg, struct link_req *req)
{
	(void)arg;
	follow_command(&w.follow, &w.leader, &req);
}

static void on_done(void *arg, const struct err *failed, struct str reply)
{
	struct str body;
	struct err e = {0};

	(void)arg;
	if (failed)
		e = *failed;
	else
		msg_expect(reply, MSG_ok, &body, &e);
	w.answers++;
	w.failures += e.code != 0;
	if (e.code)
		w.failed = e;
}

static void ask(void)
{
	struct buf b = {0};

	msg_put_command(&b, link_request_id(),
		&(struct msg_command){.word = STR_LIT("list-member"), .args = STR_LIT("{}")});
	link_call(w.asker, &b, 20000, on_done, NULL);
	buf_free(&b);
}

static void run(const unsigned *n, unsigned want)
{
	uint64_t end = clock_ms() + 20000;

	while (*n < want && clock_ms() < end)
		loop_once(w.loop, 20);
	if (w.failures)
		fail_msg("%s", w.failed.text);
	assert_int_equal(*n, want);
}

static void at_once(void **state)
{
	(void)state;
	for (int i = 0; i < CALLS; i++)
		ask();
	run(&w.answers, CALLS);
	assert_int_equal(w.forwarded, CALLS);
	assert_in_range(w.proofs, 1, CALLS);
}

/* Another proof on the connection while the leader is still at work for the first. */
static void one_after_the_other(void **state)
{
	(void)state;
	w.hold = 3;
	for (unsigned i = 1; i <= w.hold; i++) {
		ask();
		run(&w.forwarded, i);
	}
	assert_int_equal(w.proofs, 3);
	for (unsigned i = 0; i < w.hold; i++)
		answer(&w.held[i]);
	run(&w.answers, w.hold);
}

/* What it has proved holds while it is asked for the next proof. */
static void a_challenge_takes_nothing_away(void **state)
{
	struct gate_entry *at = w.gate.entries;
	struct buf b = {0};

	(void)state;
	ask();
	run(&w.answers, 1);
	assert_int_equal(at->role, ROLE_MASTER);
	msg_put_challenge(&b, link_request_id(), &(struct msg_challenge){0});
	link_call(w.follow.peer, &b, 20000, on_done, NULL);
	buf_free(&b);
	while (w.answers < 2)
		loop_once(w.loop, 20);
	assert_int_equal(w.failures, 1); /* `challenged` is no `ok` */
	assert_int_equal(at->role, ROLE_MASTER);
	assert_int_equal(at->pipe != 0 && at->nonce[0] != '\0', true);
}

/* Whoever waits for a proof, or behind one, hears that this leader is no more. */
static void the_leader_goes(void **state)
{
	(void)state;
	snprintf(w.leader.address, sizeof(w.leader.address), "tcp://127.0.0.1:1");
	ask();
	ask();
	for (int i = 0; i < 20; i++)
		loop_once(w.loop, 20);
	assert_true(w.follow.proving);
	follow_end(&w.follow);
	while (w.answers < 2)
		loop_once(w.loop, 20);
	assert_int_equal(w.failures, 2);
	assert_int_equal(w.failed.code, ERR_not_leader);
}

/* operate-leader evict: what the old leader has done is told as done; what it does not answer ends soon. */
static void answers_of_an_old_leader(void **state)
{
	uint64_t now;

	(void)state;
	w.hold = 2;
	for (unsigned i = 1; i <= w.hold; i++) {
		ask();
		run(&w.forwarded, i);
	}
	now = clock_ms();
	follow_leave(&w.follow, now);
	follow_tick(&w.follow, now);
	answer(&w.held[0]);
	run(&w.answers, 1);
	follow_leave(&w.follow, now + 1900); /* said again: no later for it */
	follow_tick(&w.follow, now + 1999);
	assert_non_null(w.follow.calls);
	follow_tick(&w.follow, now + 2000);
	assert_null(w.follow.calls);
	while (w.answers < 2)
		loop_once(w.loop, 20);
	assert_int_equal(w.failures, 1);
	assert_int_equal(w.failed.code, ERR_not_leader);
	assert_int_equal(w.follow.end_ms, 0);
	answer(&w.held[1]);
}

/* The leader is told, by a connection that was proved anew, until it has heard it; then no more. */
static void whoever_asked_goes(void **state)
{
	uint64_t end = clock_ms() + 20000;

	(void)state;
	w.hold = 1;
	w.cancels = 3;
	ask();
	run(&w.forwarded, 1);
	link_peer_free(&w.asker);
	while (w.forwarded < 1 + w.cancels && clock_ms() < end) {
		loop_once(w.loop, 20);
		follow_tick(&w.follow, clock_ms());
	}
	for (int i = 0; i < 20; i++) {
		loop_once(w.loop, 20);
		follow_tick(&w.follow, clock_ms());
	}
	assert_int_equal(w.forwarded, 1 + w.cancels);
	assert_int_equal(w.proofs, 1 + w.cancels);
	answer(&w.held[0]);
	while (w.follow.calls && clock_ms() < end)
		loop_once(w.loop, 20);
	assert_null(w.follow.calls);
}

static unsigned free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static int set_up(void **state)
{
	struct err e = {0};

	(void)state;
	w = (struct world){.loop = loop_new()};
	w.link = link_new(w.loop);
	assert_int_equal(control_read_files(&w.control, "ca.pem", "m.pem", "m.key", &e), 0);
	w.id = identity_of_pem(w.control.cert, w.control.key, &e);
	assert_non_null(w.id);
	w.gate.control = w.follow.control = &w.control;
	w.follow.link = w.link;
	w.follow.id = w.id;
	snprintf(w.leader.address, sizeof(w.leader.address), "tcp://127.0.0.1:%u", free_port());
	assert_int_equal(link_listen(w.link, w.leader.address, 16, 0, on_leader, NULL, &e), 0);
	assert_int_equal(link_listen(w.link, "f.sock", 16, 0600, on_follower, NULL, &e), 0);
	w.asker = link_dial(w.link, "f.sock");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	follow_end(&w.follow);
	link_free(&w.link);
	loop_free(&w.loop);
	identity_free(&w.id);
	control_fini(&w.control);
	return 0;
}

static int make_certificates(void **state)
{
	static const char ca[] = "openssl req -x509 -batch -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
				 "-nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem 2>openssl.log";
	static const char one[] =
		"openssl req -batch -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout m.key "
		"-subj /CN=m1/OU=tidegate-master -out m.csr 2>openssl.log && "
		"echo extendedKeyUsage=serverAuth,clientAuth >ext && "
		"openssl x509 -req -in m.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext "
		"-out m.pem 2>openssl.log && chmod 600 m.key";

	(void)state;
	return mkdtemp(folder) && chdir(folder) == 0 && system(ca) == 0 && system(one) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[sizeof(folder) + 16];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return chdir("/") < 0 || system(command) != 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_after_the_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_challenge_takes_nothing_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_leader_goes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_of_an_old_leader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(whoever_asked_goes, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, make_certificates, remove_folder);
}
