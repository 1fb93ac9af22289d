/*
 * tidegate-relay against real servers: TIDEGATE_TEST_MYSQL and TIDEGATE_TEST_MARIADB hold URLs of accounts
 * with all rights. While a load runs, the relay is killed and started again, at failpoints and anywhere; a
 * reader fetches all the while. In the end the relay's files and what the reader got are the upstream's, byte
 * for byte. Without either URL: skipped (77). With TIDEGATE_TEST_MYSQL_2, TIDEGATE_TEST_MARIADB_2 (replicas
 * of the first, by GTID) a switch of the upstream too.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "common/config/json.h"
#include "common/db/binlog_stream.h"
#include "common/db/status.h"
#include "units/relay/live_tools.h"

#define OPTIONS "{\"heartbeat_ms\":500,\"fsync\":\"file\"}"

/* --- tests --- */

struct fixture {
	struct host h;
	struct load l;
	struct reader r;
	char options[600];
};

static const struct endpoint *ep_now, *second_now; /* second: a replica of the first */

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[100];

	host_init(&f->h);
	snprintf(path, sizeof(path), "%s/out", f->h.folder);
	mkdir(path, 0700);
	f->r.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	char path[100];

	end_load(&f->l);
	host_end(&f->h, SIGKILL);
	snprintf(path, sizeof(path), "%s/state", f->h.folder);
	host_as_nobody(false);
	umount2(path, MNT_DETACH); /* of test_disk_full */
	host_as_nobody(true);
	close(f->r.dir);
	host_fini(&f->h);
	free(f);
	return 0;
}

/* Reads up to the end, as long as it goes on. */
static void read_all(struct fixture *f, const struct position *end)
{
	uint64_t deadline = clock_ms() + 60000;
	struct err e = {0};

	while (position_cmp(f->r.at, *end) < 0) {
		struct position was = f->r.at;
		bool ok = fetch(&f->h, &f->r, &e);

		if (position_cmp(was, f->r.at) != 0)
			deadline = clock_ms() + 60000;

		if (!ok && e.code != ERR_link && e.code != ERR_relay_not_there)
			fail_msg("%u %s; its log: %s", e.code, e.text, log_text(&f->h));
		if (clock_ms() > deadline)
			fail_msg("at %llu:%llu: %s; its log: %s", (unsigned long long)f->r.at.file,
				(unsigned long long)f->r.at.offset, ok ? "no progress" : e.text,
				log_text(&f->h));
	}
}

/* When it stands still: MariaDB writes a checkpoint event into a new file some time later. */
static struct position upstream_end(const struct endpoint *ep, uint32_t generation)
{
	struct position p = {.generation = generation}, was;
	struct db *d = connect_to(ep, DB_PLAIN);
	struct db_master_status s;
	struct err e = {0};
	char base[256];

	do {
		was = p;
		if (was.file)
			clock_sleep_ms(2000);
		assert_int_equal(db_master_status(d, &s, &e), 0);
		assert_int_equal(binlog_name_split(str_of(s.file), base, sizeof(base), &p.file, &e), 0);
		p.offset = s.offset;
		free(s.gtid);
	} while (position_cmp(was, p) != 0);
	db_close(&d);
	return p;
}

/* The relay begins with the file where the load began; the load may have gone on to another one. */
static struct position begin_load(struct fixture *f, unsigned quota)
{
	struct position first;

	start_load(&f->l, ep_now, &first);
	snprintf(f->options, sizeof(f->options),
		"{\"heartbeat_ms\":500,\"quota_bytes\":%u,\"start_file\":\"%s.%06llu\"}", quota, f->l.base,
		(unsigned long long)first.file);
	f->r.at = (struct position){1, first.file, 4};
	return first;
}

static void run_and_kill(struct fixture *f, unsigned round)
{
	static const enum failpoint points[] = {FP_relay_mid_event, FP_relay_after_write, FP_relay_rotate};
	uint64_t end = clock_ms() + 400 + round * 131 % 500;
	enum failpoint fp = points[round % 3];
	struct err e = {0};
	int status = -1;

	host_start(&f->h, ep_now, f->options);
	wait_hello(&f->h);
	if (round % 4 != 3)
		host_arm(&f->h, fp, FP_ACT_KILL, fp == FP_relay_rotate ? 1 : 20 + round * 17);
	else
		host_arm(&f->h, fp, FP_ACT_NONE, 0);
	while (status < 0 && (round % 4 != 3 || clock_ms() < end)) {
		fetch(&f->h, &f->r, &e);
		status = host_poll(&f->h);
		if (clock_ms() > end + 30000)
			fail_msg("the failpoint was not passed; its log: %s", log_text(&f->h));
	}
	if (status < 0)
		status = host_end(&f->h, SIGKILL);
	if (status != 1000 + SIGKILL)
		fail_msg("it ended with %d; its log: %s", status, log_text(&f->h));
}

static void test_kill(void **state)
{
	struct fixture *f = *state;
	struct position first, end;
	unsigned round;

	first = begin_load(f, 2000000000);
	for (round = 0; round < 12; round++)
		run_and_kill(f, round);
	assert_true(host_fired(&f->h, FP_relay_mid_event) >= 2);
	assert_true(host_fired(&f->h, FP_relay_after_write) >= 2);
	assert_true(host_fired(&f->h, FP_relay_rotate) >= 2);
	host_start(&f->h, ep_now, f->options);
	wait_hello(&f->h);
	end_load(&f->l);
	end = upstream_end(ep_now, 1);
	read_all(f, &end);
	wait_status(&f->h, "phase", "pull");
	host_turn(&f->h, 300);
	/* Asked to leave, it does so at once, with everything on disk. */
	assert_int_equal(host_end(&f->h, SIGTERM), 0);
	print_message("%u files, %llu bytes read, %llu pieces\n",
		compare(&f->h, &f->r, ep_now, first.file, end.file), (unsigned long long)f->r.bytes,
		(unsigned long long)f->r.pieces);
	assert_true(f->r.pieces > 0);
}

static void test_where(void **state)
{
	struct fixture *f = *state;
	struct position first, end, at;
	char file[300], gtid[1000], now[4000];
	struct err e = {0};
	uint64_t deadline;
	struct db *d;

	first = begin_load(f, 2000000000);
	host_start(&f->h, ep_now, f->options);
	wait_hello(&f->h);
	wait_status(&f->h, "phase", "pull");
	host_turn(&f->h, 1500);
	end_load(&f->l);
	end = upstream_end(ep_now, 1);
	read_all(f, &end);
	assert_true(end.file > first.file);
	binlog_name_make(file, sizeof(file), f->r.base, first.file);
	if (resolve(&f->h, file, 4, &at, gtid, sizeof(gtid), &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(at.file, first.file);
	assert_int_equal(at.offset, 4);
	assert_true(*gtid);
	/* The set at that file's head leads back to it. */
	if (locate(&f->h, gtid, &at, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(at.file, first.file);
	d = connect_to(ep_now, DB_PLAIN);
	one_value(d,
		db_server(d)->flavor == FLAVOR_MARIADB ? "SELECT @@gtid_binlog_pos"
						       : "SELECT @@gtid_executed",
		now, sizeof(now));
	db_close(&d);
	if (locate(&f->h, now, &at, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(at.file, end.file);
	assert_int_equal(locate(&f->h, "not a set", &at, &e), -1);
	binlog_name_make(file, sizeof(file), f->r.base, first.file - 1);
	assert_int_equal(resolve(&f->h, file, 4, &at, gtid, sizeof(gtid), &e), -1);
	assert_int_equal(e.code, ERR_relay_gone);
	binlog_name_make(file, sizeof(file), f->r.base, end.file);
	assert_int_equal(resolve(&f->h, file, end.offset + 100, &at, gtid, sizeof(gtid), &e), -1);
	assert_int_equal(e.code, ERR_relay_not_there);
	/* The live end: a long poll that comes back empty, and one that data ends at once. */
	f->r.empty = 0;
	assert_true(fetch(&f->h, &f->r, &e));
	assert_int_equal(f->r.empty, 1);
	deadline = clock_ms() + 60000;
	while (json_num(json_object_get(f->h.status, "master"), "offset", 0) < (int64_t)end.offset &&
		clock_ms() < deadline)
		host_turn(&f->h, 50);
	assert_true(json_num(json_object_get(f->h.status, "master"), "offset", 0) >= (int64_t)end.offset);
	assert_int_equal(host_end(&f->h, SIGTERM), 0);
	assert_int_equal(f->h.bye_stage, 4);
}

static void refused(struct fixture *f, const struct endpoint *ep, const char *options, enum err_code code)
{
	int status = -1;
	uint64_t end = clock_ms() + 60000;

	host_start(&f->h, ep, options);
	while ((status = host_poll(&f->h)) < 0 && clock_ms() < end)
		host_turn(&f->h, 20);
	if (status != 1 || f->h.bye_error.code != code)
		fail_msg("ended with %d, %u %s; its log: %s", status, f->h.bye_error.code,
			f->h.bye_error.text, log_text(&f->h));
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	struct endpoint ep = *ep_now;

	snprintf(ep.password, sizeof(ep.password), "wrong");
	refused(f, &ep, OPTIONS, ERR_check_login);
	refused(f, ep_now, "{\"start_file\":\"no-such-bin.000007\"}", ERR_relay_gone);
	/* Nobody there: it tries on, and says so. */
	ep = *ep_now;
	ep.port = 1;
	host_start(&f->h, &ep, OPTIONS);
	wait_hello(&f->h);
	wait_words(&f->h, "last_error", "nothing answers");
	assert_int_equal(host_poll(&f->h), -1);
	assert_string_equal(json_text(f->h.status, "phase", ""), "connect");
	assert_int_equal(host_end(&f->h, SIGTERM), 0);
}

/* A server that takes the connection and never says a word, as one that is stuck: asked to leave, or by an
 * error, the relay does not wait for it. */
static void test_silent_server(void **state)
{
	struct fixture *f = *state;
	struct endpoint ep = *ep_now;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t asked;

	assert_int_equal(bind(listener, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(listener, 8), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &n), 0);
	ep.port = ntohs(a.sin_port);
	host_start(&f->h, &ep, OPTIONS);
	wait_hello(&f->h);
	host_turn(&f->h, 500);
	asked = clock_ms();
	assert_int_equal(host_end(&f->h, SIGTERM), 0);
	assert_in_range(clock_ms() - asked, 0, 8000); /* it would be ten seconds */
	host_start(&f->h, &ep, OPTIONS);
	wait_hello(&f->h);
	host_turn(&f->h, 500);
	host_arm(&f->h, FP_unit_step, FP_ACT_ERROR, 1);
	asked = clock_ms();
	while (host_poll(&f->h) < 0)
		host_turn(&f->h, 20);
	assert_in_range(clock_ms() - asked, 0, 8000);
	assert_int_equal(f->h.bye_error.code, ERR_internal);
	close(listener);
}

/* An error at any moment of a relay at work: it says so and leaves, never stuck (exit 75).
 * TIDEGATE_TEST_ROUNDS: more of them. */
static void test_error(void **state)
{
	const char *rounds = getenv("TIDEGATE_TEST_ROUNDS");
	unsigned long n = rounds ? strtoul(rounds, NULL, 10) : 6, i;
	struct fixture *f = *state;
	struct err e = {0};
	uint64_t armed, worst = 0;
	int status;

	begin_load(f, 2000000000);
	for (i = 0; i < n; i++) {
		host_start(&f->h, ep_now, f->options);
		wait_hello(&f->h);
		fetch(&f->h, &f->r, &e);
		host_turn(&f->h, (int)(i * 173 % 700));
		f->h.byes = 0;
		host_arm(&f->h, FP_unit_step, i % 5 == 4 ? FP_ACT_KILL : FP_ACT_ERROR, 1);
		armed = clock_ms();
		while ((status = host_poll(&f->h)) < 0 && clock_ms() - armed < 30000)
			host_turn(&f->h, 20);
		if (clock_ms() - armed > worst)
			worst = clock_ms() - armed;
		if (status != (i % 5 == 4 ? 1000 + SIGKILL : 1) || (i % 5 != 4 && f->h.byes != 1))
			fail_msg("round %lu: it ended with %d after %llu ms, %u byes; its log: %s", i, status,
				(unsigned long long)(clock_ms() - armed), f->h.byes, log_text(&f->h));
	}
	print_message("%lu rounds, the slowest end took %llu ms\n", n, (unsigned long long)worst);
	assert_in_range(worst, 0, 20000);
}

/* Over the quota the slow reader's files stay and pulling stops; when the reader has moved on, they go and it
 * goes on. */
static void test_quota(void **state)
{
	struct fixture *f = *state;
	struct position first, end;
	uint64_t deadline = clock_ms() + 60000;
	struct err e = {0};

	first = begin_load(f, 3000000);
	host_start(&f->h, ep_now, f->options);
	wait_hello(&f->h);
	if (!fetch(&f->h, &f->r, &e))
		fail_msg("%u %s; its log: %s", e.code, e.text, log_text(&f->h));
	while (!strstr(json_text(f->h.status, "last_error", ""), "quota") && clock_ms() < deadline)
		host_turn(&f->h, 50);
	if (clock_ms() >= deadline)
		fail_msg("it was never full: %s", log_text(&f->h));
	assert_non_null(strstr(log_text(&f->h), "code=60204"));
	end_load(&f->l);
	end = upstream_end(ep_now, 1);
	read_all(f, &end);
	assert_true(fetch(&f->h, &f->r, &e)); /* tells where it is */
	wait_status(&f->h, "last_error", "");
	f->r.at = (struct position){1, first.file, 4};
	assert_false(fetch(&f->h, &f->r, &e));
	assert_int_equal(e.code, ERR_relay_gone);
	assert_int_equal(host_end(&f->h, SIGTERM), 0);
}

/* A reader that has all there is, and still needs what is old: what it waits for must come, quota or not. */
static void test_quota_undecided(void **state)
{
	struct fixture *f = *state;
	uint64_t deadline = clock_ms() + 60000;
	struct position end;
	struct err e = {0};

	begin_load(f, 3000000);
	f->r.durable = f->r.at;
	host_start(&f->h, ep_now, f->options);
	wait_hello(&f->h);
	if (!fetch(&f->h, &f->r, &e))
		fail_msg("%u %s; its log: %s", e.code, e.text, log_text(&f->h));
	while (f->r.bytes < 6000000 && clock_ms() < deadline)
		if (!fetch(&f->h, &f->r, &e) && e.code != ERR_link && e.code != ERR_relay_not_there)
			fail_msg("%u %s; its log: %s", e.code, e.text, log_text(&f->h));
	end_load(&f->l);
	end = upstream_end(ep_now, 1);
	read_all(f, &end);
	assert_true(f->r.bytes >= 6000000);
	while (!strstr(log_text(&f->h), "grows beyond its quota") && clock_ms() < deadline)
		host_turn(&f->h, 50);
	assert_true(clock_ms() < deadline);
	assert_int_equal(host_end(&f->h, SIGTERM), 0);
}

/* Makes the state folder a small file system with little room left; false where this can't be done. */
static bool small_disk(struct fixture *f, const char *path)
{
	int fd, r;

	host_as_nobody(false);
	r = mount("tmpfs", path, "tmpfs", 0, "size=600m,mode=700,uid=65534");
	host_as_nobody(true);
	if (r < 0)
		return false;
	io_close(&f->h.fds[FD_STATE]);
	f->h.fds[FD_STATE] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = openat(f->h.fds[FD_STATE], "filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(posix_fallocate(fd, 0, 590 << 20), 0);
	close(fd);
	return true;
}

/* The disk is full for a while: it waits, and not a byte is lost. */
static void test_disk_full(void **state)
{
	struct fixture *f = *state;
	struct position first, end;
	uint64_t deadline;
	char path[100];

	snprintf(path, sizeof(path), "%s/state", f->h.folder);
	if (!small_disk(f, path))
		skip();
	first = begin_load(f, 2000000000);
	host_start(&f->h, ep_now, f->options);
	wait_hello(&f->h);
	deadline = clock_ms() + 60000;
	while (!strstr(json_text(f->h.status, "last_error", ""), "No space") && clock_ms() < deadline)
		host_turn(&f->h, 50);
	if (clock_ms() >= deadline)
		fail_msg("the disk was never full: %s", log_text(&f->h));
	host_turn(&f->h, 2500);
	assert_int_equal(host_poll(&f->h), -1);
	assert_int_equal(unlinkat(f->h.fds[FD_STATE], "filler", 0), 0);
	end_load(&f->l);
	end = upstream_end(ep_now, 1);
	read_all(f, &end);
	wait_status(&f->h, "last_error", "");
	assert_int_equal(host_end(&f->h, SIGTERM), 0);
	compare(&f->h, &f->r, ep_now, first.file, end.file);
}

static uint64_t size_of(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, 0) < 0 ? 0 : (uint64_t)st.st_size;
}

static void same_files(int a, int b)
{
	static char x[1 << 20], y[1 << 20];
	uint64_t at = 0;
	ssize_t n;

	while ((n = pread(a, x, sizeof(x), (off_t)at)) > 0) {
		assert_int_equal(pread(b, y, sizeof(y), (off_t)at), n);
		assert_memory_equal(x, y, (size_t)n);
		at += (uint64_t)n;
	}
	assert_int_equal(pread(b, y, 1, (off_t)at), 0);
}

/* One transaction of more than 4 GiB; killed behind 4 GiB, where a stream can't be asked for.
 * TIDEGATE_TEST_HUGE=1: tests/b03-units-alone, with --long. */
static void test_huge(void **state)
{
	enum { ROWS = 92, ROW = 50000000 };
	struct fixture *f = *state;
	char datadir[512], file[300], path[1100];
	uint64_t four = 4ull << 30, deadline;
	struct position first;
	struct db *d;
	unsigned i;
	int ours, theirs;

	if (!getenv("TIDEGATE_TEST_HUGE"))
		skip();
	first = begin_load(f, 2000000000);
	end_load(&f->l);
	d = connect_to(ep_now, DB_DDL);
	one_value(d, "SELECT @@datadir", datadir, sizeof(datadir));
	exec(d, "CREATE DATABASE " DATA);
	exec(d, "CREATE TABLE " DATA ".t (id INT AUTO_INCREMENT PRIMARY KEY, v LONGTEXT)");
	exec(d, "FLUSH BINARY LOGS");
	first = upstream_end(ep_now, 1);
	exec(d, "BEGIN");
	for (i = 0; i < ROWS; i++)
		exec(d, "INSERT INTO " DATA ".t (v) VALUES (REPEAT('x', 50000000))");
	exec(d, "COMMIT");
	exec(d, "DROP DATABASE " DATA);
	exec(d, "FLUSH BINARY LOGS");
	db_close(&d);
	binlog_name_make(file, sizeof(file), f->l.base, first.file);
	snprintf(f->options, sizeof(f->options),
		"{\"heartbeat_ms\":5000,\"quota_bytes\":20000000000,\"start_file\":\"%.200s\"}", file);
	host_start(&f->h, ep_now, f->options);
	wait_hello(&f->h);
	wait_status(&f->h, "phase", "pull");
	host_turn(&f->h, 1500);
	snprintf(path, sizeof(path), "%s/%s", json_text(f->h.status, "sub_dir", ""), file);
	deadline = clock_ms() + 200000;
	while (size_of(f->h.fds[FD_STATE], path) < four + 20000000 && clock_ms() < deadline)
		host_turn(&f->h, 5);
	print_message("killed at %llu\n", (unsigned long long)size_of(f->h.fds[FD_STATE], path));
	assert_int_equal(host_end(&f->h, SIGKILL), 1000 + SIGKILL);
	host_start(&f->h, ep_now, f->options);
	wait_hello(&f->h);
	wait_status(&f->h, "phase", "pull");
	f->r.at = (struct position){1, first.file, 4};
	first.file++;
	read_all(f, &first);
	assert_int_equal(host_end(&f->h, SIGTERM), 0);
	host_as_nobody(false);
	ours = openat(f->h.fds[FD_STATE], path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/%s", datadir, file);
	theirs = open(path, O_RDONLY | O_CLOEXEC);
	host_as_nobody(true);
	same_files(ours, theirs);
	close(ours);
	snprintf(path, sizeof(path), "1-%llu", (unsigned long long)first.file - 1);
	ours = openat(f->r.dir, path, O_RDONLY | O_CLOEXEC);
	same_files(ours, theirs);
	close(ours);
	close(theirs);
}

static void gtid_now(const struct endpoint *ep, char *out, size_t size)
{
	struct db *d = connect_to(ep, DB_PLAIN);

	one_value(d,
		db_server(d)->flavor == FLAVOR_MARIADB ? "SELECT @@gtid_binlog_pos"
						       : "SELECT @@gtid_executed",
		out, size);
	db_close(&d);
}

static void wait_replica(void)
{
	uint64_t deadline = clock_ms() + 60000;
	char first[4000], second[4000];

	gtid_now(ep_now, first, sizeof(first));
	do {
		clock_sleep_ms(200);
		gtid_now(second_now, second, sizeof(second));
	} while (strcmp(first, second) != 0 && clock_ms() < deadline);
	assert_string_equal(first, second);
}

/* The second server has another port, but stands for one that has come behind the same address: of another
 * address the log would be another source's. */
static void same_address(const struct fixture *f)
{
	assert_int_equal(unlinkat(f->h.fds[FD_STATE], "source.json", 0), 0);
}

/* The upstream fails over to its replica: other files, other positions; nothing is missing for who reads on.
 */
static void test_switch(void **state)
{
	struct fixture *f = *state;
	struct position end, head, at;
	struct buf ours = {0}, theirs = {0};
	char path[700], file[300], gtid[1000];
	struct err e = {0};
	struct db *d;

	if (!second_now)
		skip();
	d = connect_to(second_now, DB_DDL);
	exec(d, "FLUSH BINARY LOGS");
	begin_load(f, 2000000000);
	host_start(&f->h, ep_now, f->options);
	wait_hello(&f->h);
	wait_status(&f->h, "phase", "pull");
	host_turn(&f->h, 1000);
	end_load(&f->l);
	end = upstream_end(ep_now, 1);
	read_all(f, &end);
	wait_replica();
	assert_int_equal(host_end(&f->h, SIGTERM), 0);
	exec(d, "FLUSH BINARY LOGS");
	exec(d, "CREATE DATABASE " DATA);
	exec(d, "DROP DATABASE " DATA);
	same_address(f);
	host_start(&f->h, second_now, f->options);
	wait_hello(&f->h);
	end = upstream_end(second_now, 2);
	read_all(f, &end);
	assert_int_equal(f->r.at.generation, 2);
	wait_status(&f->h, "phase", "pull");
	wait_words(&f->h, "sub_dir", ".000002");
	head = end;
	binlog_name_make(file, sizeof(file), f->r.base, head.file);
	snprintf(path, sizeof(path), "%s/%s", json_text(f->h.status, "sub_dir", ""), file);
	read_upstream(second_now, file, &theirs);
	assert_int_equal(io_read_file(f->h.fds[FD_STATE], path, 1 << 30, &ours, &e), 0);
	assert_int_equal(ours.n, theirs.n);
	assert_memory_equal(ours.p, theirs.p, ours.n);
	/* A file of that name was the first one's: of this one nobody can say what it held. */
	binlog_name_make(file, sizeof(file), f->r.base, 1);
	assert_int_equal(resolve(&f->h, file, 4, &at, gtid, sizeof(gtid), &e), -1);
	assert_int_equal(e.code, ERR_relay_gone);
	assert_non_null(strstr(e.text, "has been switched"));
	/* Back to the first, which never saw what the second wrote: that must not pass. */
	assert_int_equal(host_end(&f->h, SIGTERM), 0);
	same_address(f);
	refused(f, ep_now, f->options, ERR_relay_ahead);
	/* A reset gives old names to new files. */
	exec(d, db_server(d)->flavor == FLAVOR_MARIADB ? "RESET MASTER" : "RESET BINARY LOGS AND GTIDS");
	same_address(f);
	refused(f, second_now, f->options, ERR_relay_ahead);
	db_close(&d);
	buf_free(&ours);
	buf_free(&theirs);
}

static int run(const char *variable, const char *second)
{
	const char *url = getenv(variable), *url2 = getenv(second);
	static struct endpoint ep, ep2;
	struct err e = {0};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kill, setup, teardown),
		cmocka_unit_test_setup_teardown(test_where, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silent_server, setup, teardown),
		cmocka_unit_test_setup_teardown(test_quota, setup, teardown),
		cmocka_unit_test_setup_teardown(test_quota_undecided, setup, teardown),
		cmocka_unit_test_setup_teardown(test_disk_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_huge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_switch, setup, teardown),
	};

	if (!url || !*url)
		return -1;
	if (endpoint_parse_url(url, &ep, &e) < 0) {
		printf("%s: %s\n", variable, e.text);
		return 1;
	}
	if (url2 && *url2 && endpoint_parse_url(url2, &ep2, &e) < 0) {
		printf("%s: %s\n", second, e.text);
		return 1;
	}
	ep_now = &ep;
	second_now = url2 && *url2 ? &ep2 : NULL;
	return cmocka_run_group_tests_name(variable, tests, NULL, NULL);
}

static int not_run(void)
{
	printf("not run: neither TIDEGATE_TEST_MYSQL nor TIDEGATE_TEST_MARIADB is set\n");
	return 77;
}

int main(void)
{
	int mysql, mariadb;

	if (!getenv("TIDEGATE_TEST_MYSQL") && !getenv("TIDEGATE_TEST_MARIADB"))
		return not_run();
	log_set_level(LOG_WARN_);
	if (getenv("TIDEGATE_TEST_ONLY"))
		cmocka_set_test_filter(getenv("TIDEGATE_TEST_ONLY"));
	host_as_nobody(true);
	mysql = run("TIDEGATE_TEST_MYSQL", "TIDEGATE_TEST_MYSQL_2");
	mariadb = run("TIDEGATE_TEST_MARIADB", "TIDEGATE_TEST_MARIADB_2");
	if (mysql < 0 && mariadb < 0)
		return not_run();
	return mysql > 0 || mariadb > 0 ? 1 : 0;
}
