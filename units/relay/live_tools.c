/*
 * The tools of relay_live_test: somebody who writes to the upstream, somebody who reads from the relay, and
 * the byte-for-byte comparison of the upstream's files with the relay's and the reader's.
 */
#include <fcntl.h>
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

struct db *connect_to(const struct endpoint *ep, enum db_session session)
{
	struct db_options o = {.session = session, .upstream = true};
	struct err e = {0};
	struct db *d = db_open(ep, &o, &e);

	if (!d)
		fail_msg("%s", e.text);
	return d;
}

void exec(struct db *d, const char *sql)
{
	struct err e = {0};

	if (db_exec(d, str_of(sql), &e) < 0)
		fail_msg("%s", e.text);
}

void one_value(struct db *d, const char *sql, char *out, size_t size)
{
	struct err e = {0};
	bool found;

	if (db_value(d, sql, out, size, &found, &e) < 0 || !found)
		fail_msg("%s: %s", sql, e.text);
}

/* --- the load --- */

/* Small rows, rows of up to 3 MB, DDL, rotations. */
static void *run_load(void *arg)
{
	struct load *l = arg;
	struct db *d = connect_to(l->ep, DB_DDL);
	struct err e = {0};
	unsigned i;

	for (i = 1; !l->stop; i++) {
		db_execf(
			d, &e, "INSERT INTO " DATA ".t (v) VALUES (REPEAT('x', %u)), ('a'), ('b')", i % 3000);
		if (i % 40 == 0)
			db_execf(d, &e, "INSERT INTO " DATA ".t (v) VALUES (REPEAT('y', %u))",
				1000000 + i % 7 * 300000);
		if (i % 60 == 0)
			db_execf(d, &e, "CREATE TABLE " DATA ".n%u (a INT PRIMARY KEY)", i);
		if (i % 150 == 0)
			db_execf(d, &e, "FLUSH BINARY LOGS");
		if (e.code)
			fail_msg("%s", e.text);
		clock_sleep_ms(2);
	}
	l->rounds = i;
	db_close(&d);
	return NULL;
}

void start_load(struct load *l, const struct endpoint *ep, struct position *first)
{
	struct db *d = connect_to(ep, DB_DDL);
	struct db_master_status s;
	struct err e = {0};

	exec(d, "DROP DATABASE IF EXISTS " DATA);
	exec(d, "CREATE DATABASE " DATA);
	exec(d, "CREATE TABLE " DATA ".t (id INT AUTO_INCREMENT PRIMARY KEY, v LONGTEXT)");
	exec(d, "FLUSH BINARY LOGS");
	*l = (struct load){.ep = ep};
	assert_int_equal(db_master_status(d, &s, &e), 0);
	assert_int_equal(binlog_name_split(str_of(s.file), l->base, sizeof(l->base), &first->file, &e), 0);
	free(s.gtid);
	db_close(&d);
	assert_int_equal(pthread_create(&l->thread, NULL, run_load, l), 0);
}

void end_load(struct load *l)
{
	struct db *d;

	if (!l->ep)
		return;
	l->stop = true;
	pthread_join(l->thread, NULL);
	d = connect_to(l->ep, DB_DDL);
	exec(d, "DROP DATABASE " DATA);
	exec(d, "FLUSH BINARY LOGS");
	db_close(&d);
	l->ep = NULL;
}

/* --- the reader --- */

static int file_of(struct reader *r, struct position p)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "%u-%llu", p.generation, (unsigned long long)p.file);
	fd = openat(r->dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	if (p.offset == 4)
		assert_int_equal(pwrite(fd,
					 "\xfe"
					 "bin",
					 4, 0),
			4);
	return fd;
}

static void take(struct reader *r, const struct msg_events *m)
{
	bool next_file = position_cmp(m->at, r->at) != 0;
	int fd;

	if (next_file)
		assert_true(m->at.offset == 4 && position_cmp(m->at, r->at) > 0);
	snprintf(r->base, sizeof(r->base), "%.*s", STR_ARG(m->base));
	if (m->data.n) {
		fd = file_of(r, m->at);
		assert_int_equal(pwrite(fd, m->data.p, m->data.n, (off_t)m->at.offset), m->data.n);
		close(fd);
		assert_true(m->data.n <= 3 << 20);
	} else
		r->empty++;
	r->pieces += m->piece != 0;
	r->bytes += m->data.n;
	r->at = m->next;
}

/* One fetch; false where the relay did not answer. */
bool fetch(struct host *h, struct reader *r, struct err *e)
{
	struct msg_fetch f = {.at = r->at,
		.max_bytes = 512 * 1024,
		.wait_ms = 200,
		.reader = STR_LIT("task"),
		.durable = position_is_zero(r->durable) ? r->at : r->durable};
	struct buf b = {0}, reply = {0};
	struct msg_events m;
	struct str body;
	int rc;

	msg_put_fetch(&b, link_request_id(), &f);
	rc = host_ask(h, &b, MSG_events, &reply, &body, e);
	if (rc == 0) {
		assert_int_equal(msg_get_events(body, &m, e), 0);
		take(r, &m);
	}
	buf_free(&b);
	buf_free(&reply);
	return rc == 0;
}

int resolve(struct host *h, const char *file, uint64_t offset, struct position *at, char *gtid, size_t size,
	struct err *e)
{
	struct msg_resolve q = {.file = str_of(file), .offset = offset};
	struct buf b = {0}, reply = {0};
	struct msg_located m;
	struct str body;
	int rc;

	msg_put_resolve(&b, link_request_id(), &q);
	rc = host_ask(h, &b, MSG_located, &reply, &body, e);
	if (rc == 0) {
		assert_int_equal(msg_get_located(body, &m, e), 0);
		*at = m.at;
		snprintf(gtid, size, "%.*s", STR_ARG(m.gtid));
	}
	buf_free(&b);
	buf_free(&reply);
	return rc;
}

int locate(struct host *h, const char *gtid, struct position *at, struct err *e)
{
	struct msg_locate q = {.gtid = str_of(gtid)};
	struct buf b = {0}, reply = {0};
	struct msg_located m;
	struct str body;
	int rc;

	msg_put_locate(&b, link_request_id(), &q);
	rc = host_ask(h, &b, MSG_located, &reply, &body, e);
	if (rc == 0) {
		assert_int_equal(msg_get_located(body, &m, e), 0);
		*at = m.at;
	}
	buf_free(&b);
	buf_free(&reply);
	return rc;
}

const char *log_text(struct host *h)
{
	static char text[800]; /* its end */
	struct buf b = {0};
	struct err e;

	io_read_file(h->fds[FD_RUN], "log", 16 << 20, &b, &e);
	snprintf(text, sizeof(text), "%s", b.n > sizeof(text) ? b.p + b.n - sizeof(text) + 1 : buf_cstr(&b));
	buf_free(&b);
	return text;
}

void wait_hello(struct host *h)
{
	unsigned was = h->hellos;
	uint64_t end = clock_ms() + 60000;

	while (h->hellos == was && clock_ms() < end)
		host_turn(h, 20);
	if (h->hellos == was)
		fail_msg("no hello; its log: %s", log_text(h));
}

static bool is_equal(const char *text, const char *want)
{
	return strcmp(text, want) == 0;
}

static bool has(const char *text, const char *want)
{
	return strstr(text, want) != NULL;
}

static void wait_text(
	struct host *h, const char *key, const char *want, bool (*fits)(const char *text, const char *want))
{
	uint64_t end = clock_ms() + 60000;

	while (!fits(json_text(h->status, key, ""), want)) {
		host_turn(h, 20);
		if (clock_ms() > end || host_poll(h) >= 0)
			fail_msg("%s is %s, not %s; its log: %s", key, json_text(h->status, key, ""), want,
				log_text(h));
	}
}

void wait_status(struct host *h, const char *key, const char *want)
{
	wait_text(h, key, want, is_equal);
}

void wait_words(struct host *h, const char *key, const char *want)
{
	wait_text(h, key, want, has);
}

/* --- comparing --- */

/* The upstream's file by a stream of our own, as a whole. */
void read_upstream(const struct endpoint *ep, const char *file, struct buf *out)
{
	struct binlog_stream_options o = {4100000000u, file, 4, 1000, false, true};
	struct db *d = connect_to(ep, DB_BINLOG);
	struct err e = {0};
	struct binlog_stream *s = binlog_stream_open(&d, &o, &e);
	struct str ev;
	int n;

	assert_non_null(s);
	buf_clear(out);
	buf_put(out,
		"\xfe"
		"bin",
		4);
	while ((n = binlog_stream_next(s, &ev, &e)) > 0) {
		bool artificial = ((uint8_t)ev.p[17] & 0x20) != 0;

		if (artificial && ev.p[4] == 4 && !memmem(ev.p, ev.n, file, strlen(file)))
			break;
		if (!artificial && ev.p[4] != 27 && ev.p[4] != 41)
			buf_put(out, ev.p, ev.n);
	}
	if (n < 0)
		fail_msg("%s", e.text);
	binlog_stream_close(&s);
}

/* The server's own file, where this machine has it: but for the flag "in use" of the one that is written. */
static void compare_datadir(const char *datadir, const char *file, const struct buf *ours)
{
	struct buf b = {0};
	struct err e;
	int dir;

	host_as_nobody(false);
	dir = open(datadir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		assert_int_equal(io_read_file(dir, file, 1 << 30, &b, &e), 0);
	host_as_nobody(true);
	if (dir < 0)
		return;
	if (b.n > 261 && (uint8_t)b.p[256 + 4] == 164) { /* encrypted on the server's disk */
		buf_free(&b);
		close(dir);
		return;
	}
	b.p[4 + 17] &= ~1;
	assert_int_equal(b.n, ours->n);
	assert_memory_equal(b.p, ours->p, b.n);
	buf_free(&b);
	close(dir);
}

unsigned compare(struct host *h, struct reader *r, const struct endpoint *ep, uint64_t first, uint64_t last)
{
	const char *sub = json_text(h->status, "sub_dir", "");
	struct buf theirs = {0}, ours = {0}, read = {0};
	struct db *d = connect_to(ep, DB_PLAIN);
	char datadir[512], file[300], path[700], mine[64];
	uint64_t n;
	struct err e = {0};

	one_value(d, "SELECT @@datadir", datadir, sizeof(datadir));
	for (n = first; n <= last; n++) {
		binlog_name_make(file, sizeof(file), r->base, n);
		snprintf(path, sizeof(path), "%s/%s", sub, file);
		snprintf(mine, sizeof(mine), "1-%llu", (unsigned long long)n);
		read_upstream(ep, file, &theirs);
		buf_clear(&ours);
		if (io_read_file(h->fds[FD_STATE], path, 1 << 30, &ours, &e) < 0)
			fail_msg("%s", e.text);
		buf_clear(&read);
		assert_int_equal(io_read_file(r->dir, mine, 1 << 30, &read, &e), 0);
		assert_int_equal(ours.n, theirs.n);
		assert_memory_equal(ours.p, theirs.p, ours.n);
		assert_int_equal(read.n, theirs.n);
		assert_memory_equal(read.p, theirs.p, read.n);
		compare_datadir(datadir, file, &ours);
	}
	db_close(&d);
	buf_free(&ours);
	buf_free(&theirs);
	buf_free(&read);
	return (unsigned)(last - first + 1);
}
