/* Writing the relay log: byte for byte, nothing damaged, nothing missing, nothing doubled; and what a crash
 * leaves behind. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/io.h"
#include "common/base/log.h"
#include "units/relay/evfile.h"
#include "units/relay/synthetic.h"
#include "units/relay/writer.h"

#define PATH "uuid-a.000001/mysql-bin.000003"
#define NEXT "uuid-a.000001/mysql-bin.000004"

enum { EVENTS = 12 };

/* In the C library's place: the disk is found full only when it is to hold what was written. */
static int sync_error;

int fdatasync(int fd)
{
	errno = sync_error;
	return sync_error ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	errno = sync_error;
	return sync_error ? -1 : (int)syscall(SYS_fsync, fd);
}

struct fixture {
	char path[64];
	int dir;
	struct store s;
	struct writer w;
	pthread_mutex_t lock;
	struct err e;
	/* A file of the upstream: its bytes, and where each event begins. */
	struct buf file;
	size_t at[EVENTS + 1];
};

static void add(struct fixture *f, unsigned i, uint8_t type, struct buf *body)
{
	f->at[i] = f->file.n;
	synthetic_event(&f->file, type, buf_str(body), f->file.n + synthetic_size(body->n), 0);
	f->at[i + 1] = f->file.n;
	buf_clear(body);
}

/* FORMAT, PREVIOUS_GTIDS (1-4), then GTID, QUERY, XID three times, and a ROTATE. */
static void make_upstream(struct fixture *f)
{
	struct buf b = {0};
	unsigned i = 0, t;

	buf_put(&f->file, BINLOG_MAGIC, BINLOG_MAGIC_SIZE);
	synthetic_format(&b, "9.7.0", 7);
	add(f, i++, BINLOG_FORMAT, &b);
	synthetic_previous(&b, 4);
	add(f, i++, BINLOG_PREVIOUS_GTIDS, &b);
	for (t = 0; t < 3; t++) {
		synthetic_gtid(&b, 5 + t);
		add(f, i++, BINLOG_GTID, &b);
		buf_putf(&b, "whatever a query event holds, %u", t);
		add(f, i++, BINLOG_QUERY, &b);
		buf_put_u64(&b, t);
		add(f, i++, BINLOG_XID, &b);
	}
	buf_put_u64(&b, 4);
	buf_puts(&b, "mysql-bin.000004");
	add(f, i++, BINLOG_ROTATE, &b);
	assert_int_equal(i, EVENTS);
	buf_free(&b);
}

static void begin(struct fixture *f)
{
	assert_int_equal(store_open(&f->s, f->dir, &f->e), 0);
	if (store_empty(&f->s))
		assert_int_equal(store_add_generation(&f->s, "uuid-a", "mysql-bin", 3, 0, &f->e), 0);
	writer_init(&f->w, &f->s, false, &f->lock);
	if (writer_recover(&f->w, &f->e) < 0)
		fail_msg("%s", f->e.text);
}

static void end(struct fixture *f)
{
	writer_fini(&f->w);
	store_close(&f->s);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = synthetic_folder(f->path, sizeof(f->path));
	pthread_mutex_init(&f->lock, NULL);
	make_upstream(f);
	begin(f);
	*state = f;
	return writer_resume(&f->w, 4, &f->e);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	end(f);
	buf_free(&f->file);
	synthetic_remove(f->path, f->dir);
	free(f);
	return 0;
}

static int give(struct fixture *f, struct str event)
{
	struct binlog_header h;

	assert_int_equal(binlog_read_header(event, &h, &f->e), 0);
	return writer_event(&f->w, event, &h, &f->e);
}

static struct str event_of(const struct fixture *f, unsigned i)
{
	return (struct str){f->file.p + f->at[i], f->at[i + 1] - f->at[i]};
}

static void give_all(struct fixture *f, unsigned from, unsigned to)
{
	unsigned i;

	for (i = from; i < to; i++)
		if (give(f, event_of(f, i)) < 0)
			fail_msg("event %u: %s", i, f->e.text);
}

static void flush(struct fixture *f)
{
	if (writer_flush(&f->w, &f->e) < 0)
		fail_msg("%s", f->e.text);
}

/* The file holds the upstream's first n bytes, no more and no less. */
static void disk_is(struct fixture *f, size_t n)
{
	struct buf b = {0};

	assert_int_equal(io_read_file(f->dir, PATH, 1 << 20, &b, &f->e), 0);
	assert_int_equal(b.n, n);
	assert_memory_equal(b.p, f->file.p, n);
	buf_free(&b);
}

static void gtid_is(struct fixture *f, uint64_t last)
{
	struct buf b = {0}, want = {0};

	track_text(&f->w.track, &b);
	buf_putf(&want, "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1-%llu", (unsigned long long)last);
	assert_string_equal(buf_cstr(&b), buf_cstr(&want));
	buf_free(&b);
	buf_free(&want);
}

static void test_bytes(void **state)
{
	struct fixture *f = *state;
	char base[256];

	give_all(f, 0, 4);
	/* Readers see whole batches, and only what is on disk. */
	assert_int_equal(store_end(&f->s, base, sizeof(base)).offset, 4);
	flush(f);
	assert_int_equal(store_end(&f->s, base, sizeof(base)).offset, f->at[4]);
	disk_is(f, f->at[4]);
	gtid_is(f, 4); /* its XID has not come */
	give_all(f, 4, EVENTS);
	flush(f);
	disk_is(f, f->file.n);
	gtid_is(f, 7);
}

/* One more GTID event, then QUERY events; how many transactions are counted. */
/* What fsync could not keep may be lost, and its next call hides that: no full disk that one waits out. */
static void test_sync_fails(void **state)
{
	struct fixture *f = *state;

	f->w.sync_batches = true;
	give_all(f, 0, 2);
	flush(f);
	give_all(f, 2, 5);
	sync_error = ENOSPC;
	assert_int_equal(writer_flush(&f->w, &f->e), -1);
	assert_int_equal(f->e.code, ERR_io);
	disk_is(f, f->at[2]);
	assert_int_equal(writer_flush(&f->w, &f->e), 0); /* nothing left to be written twice */
	assert_int_equal(writer_save(&f->w, &f->e), -1);
	sync_error = 0;
	assert_int_equal(f->e.code, ERR_io);
	disk_is(f, f->at[2]);
}

static void query_counts(struct track *t, const struct binlog_format *f, const char *sql, const char *set)
{
	struct buf body = {0}, event = {0}, text = {0};
	struct err e = {0};

	buf_put_u32(&body, 5);
	buf_put_u32(&body, 0);
	buf_put_u8(&body, 1);
	buf_put_u16(&body, 0);
	buf_put_u16(&body, 0);
	buf_put(&body, "d", 2);
	buf_puts(&body, sql);
	synthetic_event(&event, BINLOG_QUERY, buf_str(&body), 0, 0);
	assert_int_equal(track_event(t, buf_str(&event), f, &e), 0);
	track_text(t, &text);
	assert_string_equal(buf_cstr(&text), set);
	buf_free(&body);
	buf_free(&event);
	buf_free(&text);
}

static void next_gtid(struct track *t, const struct binlog_format *f, uint64_t gno)
{
	struct buf body = {0}, event = {0};
	struct err e = {0};

	synthetic_gtid(&body, gno);
	synthetic_event(&event, BINLOG_GTID, buf_str(&body), 0, 0);
	assert_int_equal(track_event(t, buf_str(&event), f, &e), 0);
	buf_free(&body);
	buf_free(&event);
}

/* A DDL at the very end counts: after a switch it must be known that it was read (T20). */
static void test_query_is_an_end(void **state)
{
	static const char uuid[] = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";
	struct binlog_format f = {0};
	struct buf body = {0}, event = {0};
	struct track t = {.set = gtid_set_new(FLAVOR_MYSQL)};
	struct err e = {0};
	char one[64], two[64], four[64];

	(void)state;
	snprintf(one, sizeof(one), "%s:1", uuid);
	snprintf(two, sizeof(two), "%s:1-2", uuid);
	snprintf(four, sizeof(four), "%s:1-4", uuid);
	synthetic_format(&body, "9.7.0", 7);
	synthetic_event(&event, BINLOG_FORMAT, buf_str(&body), 0, 0);
	assert_int_equal(binlog_read_format(buf_str(&event), &f, &e), 0);
	next_gtid(&t, &f, 1);
	query_counts(&t, &f, "ALTER TABLE t ADD c INT", one);
	next_gtid(&t, &f, 2);
	query_counts(&t, &f, "BEGIN", one);
	query_counts(&t, &f, "SAVEPOINT a", one);
	query_counts(&t, &f, "COMMIT", two);
	next_gtid(&t, &f, 3);
	query_counts(&t, &f, "CREATE TABLE t (a INT) START TRANSACTION", two);
	next_gtid(&t, &f, 4); /* whatever ended the one before: it is over */
	query_counts(&t, &f, "XA COMMIT X'78',X'',1", four);
	buf_free(&body);
	buf_free(&event);
	track_fini(&t);
}

static void test_rotate(void **state)
{
	struct fixture *f = *state;
	struct store_span span;
	char base[256];

	give_all(f, 0, EVENTS);
	assert_int_equal(writer_rotate(&f->w, 5, &f->e), -1);
	assert_int_equal(f->e.code, ERR_relay_hole);
	assert_int_equal(writer_rotate(&f->w, 4, &f->e), 0);
	disk_is(f, f->file.n);
	assert_int_equal(store_end(&f->s, base, sizeof(base)).file, 3);
	give_all(f, 0, 3);
	flush(f);
	assert_int_equal(store_end(&f->s, base, sizeof(base)).file, 4);
	assert_int_equal(store_find(&f->s, (struct position){1, 3, f->file.n}, &span), STORE_DATA);
	assert_string_equal(span.path, NEXT);
}

static void refused(struct fixture *f, struct str event, enum err_code code)
{
	uint64_t at = f->w.at;

	assert_int_equal(give(f, event), -1);
	if (f->e.code != code)
		fail_msg("%u: %s", f->e.code, f->e.text);
	assert_int_equal(f->w.at, at);
	flush(f);
	disk_is(f, at);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	struct buf body = {0}, b = {0};

	give_all(f, 0, 3);
	flush(f);
	/* One bit of the body; then the event as it should be. */
	f->file.p[f->at[3] + 30] ^= 4;
	assert_int_equal(give(f, event_of(f, 3)), -1);
	assert_int_equal(f->e.code, ERR_relay_checksum);
	f->file.p[f->at[3] + 30] ^= 4;
	disk_is(f, f->at[3]);
	refused(f, event_of(f, 4), ERR_relay_hole);
	refused(f, event_of(f, 2), ERR_relay_hole); /* once more */
	buf_puts(&body, "ends elsewhere");
	refused(f, synthetic_event(&b, BINLOG_QUERY, buf_str(&body), f->w.at + 5, 0), ERR_relay_hole);
	buf_clear(&b);
	refused(f, synthetic_event(&b, BINLOG_QUERY, buf_str(&body), 0, 0), ERR_relay_hole);
	buf_free(&body);
	buf_free(&b);
}

/* MariaDB 11.4 and later: no end inside a transaction; but elsewhere there is one. */
static void test_no_end(void **state)
{
	struct fixture *f = *state;
	struct buf body = {0}, b = {0};

	synthetic_format(&body, "11.8.9-MariaDB", 7);
	assert_int_equal(
		give(f, synthetic_event(&b, BINLOG_FORMAT, buf_str(&body), 4 + synthetic_size(body.n), 0)),
		0);
	buf_clear(&b);
	buf_clear(&body);
	buf_puts(&body, "inside a transaction");
	assert_int_equal(give(f, synthetic_event(&b, BINLOG_QUERY, buf_str(&body), 0, 0)), 0);
	assert_int_equal(give(f, synthetic_event(&b, BINLOG_MARIA_CHECKPOINT, buf_str(&body), 0, 0)), -1);
	assert_int_equal(f->e.code, ERR_relay_hole);
	buf_free(&body);
	buf_free(&b);
}

/* A server with encrypted files sends the key's event ahead of each stream. */
static void test_start_encryption(void **state)
{
	struct fixture *f = *state;
	struct buf body = {0}, b = {0};
	struct str ahead;

	give_all(f, 0, 4);
	flush(f);
	buf_puts(&body, "scheme, key version, nonce");
	ahead = synthetic_event(&b, BINLOG_MARIA_START_ENCRYPTION, buf_str(&body), 0, 0);
	assert_int_equal(give(f, ahead), -1);
	assert_int_equal(writer_resume(&f->w, f->w.written, &f->e), 0);
	give_all(f, 0, 1);
	assert_int_equal(give(f, ahead), 0);
	give_all(f, 4, EVENTS);
	flush(f);
	disk_is(f, f->file.n);
	buf_free(&body);
	buf_free(&b);
}

static void test_head_missing(void **state)
{
	struct fixture *f = *state;
	char base[256];

	assert_int_equal(give(f, event_of(f, 1)), -1);
	assert_int_equal(f->e.code, ERR_relay_stream);
	assert_int_equal(store_end(&f->s, base, sizeof(base)).offset, 4);
}

/* A stream that starts before our end (behind 4 GiB it must): what we have is stepped over, to the byte. */
static void test_catch_up(void **state)
{
	struct fixture *f = *state;

	give_all(f, 0, 6);
	flush(f);
	assert_int_equal(writer_resume(&f->w, f->at[2], &f->e), 0);
	give_all(f, 0, 1); /* sent ahead, not of the file there */
	give_all(f, 2, EVENTS);
	flush(f);
	disk_is(f, f->file.n);
	gtid_is(f, 7);
}

static void test_overlap(void **state)
{
	struct fixture *f = *state;
	struct buf body = {0}, b = {0};

	give_all(f, 0, 6);
	flush(f);
	assert_int_equal(writer_resume(&f->w, f->at[5], &f->e), 0);
	give_all(f, 0, 1);
	buf_puts(&body, "longer than the event that we have at this place, so it reaches behind our end");
	assert_int_equal(give(f, synthetic_event(&b, BINLOG_QUERY, buf_str(&body),
					 f->at[5] + synthetic_size(body.n), 0)),
		-1);
	assert_int_equal(f->e.code, ERR_relay_hole);
	disk_is(f, f->at[6]);
	buf_free(&body);
	buf_free(&b);
}

/* A broken stream: what was in memory only is forgotten, and comes again. */
static void test_broken_stream(void **state)
{
	struct fixture *f = *state;

	give_all(f, 0, 2);
	assert_int_equal(writer_resume(&f->w, 4, &f->e), 0); /* not even the head was written */
	give_all(f, 0, 4);
	flush(f);
	give_all(f, 4, 6); /* an XID and the next GTID */
	assert_int_equal(writer_resume(&f->w, f->w.written, &f->e), 0);
	give_all(f, 0, 1);
	give_all(f, 4, 6);
	flush(f);
	gtid_is(f, 5);
	give_all(f, 6, EVENTS);
	flush(f);
	disk_is(f, f->file.n);
	gtid_is(f, 7);
}

static void test_beyond_4g(void **state)
{
	const uint64_t near = 4294967290u;
	struct fixture *f = *state;
	struct buf body = {0}, b = {0};
	struct stat st;

	give_all(f, 0, 3);
	flush(f);
	assert_int_equal(ftruncate(f->w.fd, (off_t)near), 0);
	assert_true(lseek(f->w.fd, (off_t)near, SEEK_SET) > 0);
	f->w.written = f->w.at = near;
	buf_puts(&body, "ends behind 4 GiB");
	assert_int_equal(
		give(f, synthetic_event(&b, BINLOG_QUERY, buf_str(&body), near + synthetic_size(body.n), 0)),
		0);
	flush(f);
	assert_int_equal(writer_check_end(&f->w, (uint32_t)f->w.at, &f->e), 0);
	assert_int_equal(writer_check_end(&f->w, (uint32_t)f->w.at + 1, &f->e), -1);
	assert_int_equal(writer_check_end(&f->w, 0, &f->e), 0);
	assert_int_equal(fstatat(f->dir, PATH, &st, 0), 0);
	assert_true((uint64_t)st.st_size == near + b.n);
	buf_free(&body);
	buf_free(&b);
}

/* Its end is 0 in 32 bits, which else says that the event names none. */
static void test_ends_at_4g(void **state)
{
	struct fixture *f = *state;
	struct buf body = {0}, b = {0};
	uint64_t at;

	give_all(f, 0, 3);
	flush(f);
	buf_puts(&body, "ends at 4 GiB");
	at = (UINT64_C(1) << 32) - synthetic_size(body.n);
	assert_int_equal(ftruncate(f->w.fd, (off_t)at), 0);
	assert_true(lseek(f->w.fd, (off_t)at, SEEK_SET) > 0);
	f->w.written = f->w.at = at;
	synthetic_event(&b, BINLOG_QUERY, buf_str(&body), UINT64_C(1) << 32, 0);
	assert_int_equal(give(f, buf_str(&b)), 0);
	flush(f);
	assert_int_equal(f->w.written, UINT64_C(1) << 32);
	buf_free(&body);
	buf_free(&b);
}

/* Where events begin in a file whose offsets need more than 32 bits: a stream that starts by a number of 32
 * starts before the end that we have. */
static void test_boundaries_beyond_4g(void **state)
{
	const uint32_t sizes[] = {3221225472u, 1610612736u, 64};
	struct fixture *f = *state;
	uint64_t at = 4, begins[4], found;
	int fd = openat(f->dir, "big", O_RDWR | O_CREAT | O_TRUNC, 0600);
	uint32_t size;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, BINLOG_MAGIC, 4), 4);
	for (unsigned i = 0; i < 3; i++) {
		struct buf head = {0};

		buf_put_u32(&head, 1700000000);
		buf_put_u8(&head, BINLOG_QUERY);
		buf_put_u32(&head, 42);
		buf_put_u32(&head, sizes[i]);
		buf_put_u32(&head, (uint32_t)(at + sizes[i])); /* wraps */
		buf_put_u16(&head, 0);
		assert_int_equal(pwrite(fd, head.p, head.n, (off_t)at), head.n);
		buf_free(&head);
		begins[i] = at;
		at += sizes[i];
	}
	begins[3] = at;
	assert_int_equal(ftruncate(fd, (off_t)at), 0);
	close(fd);
	assert_true(begins[2] > UINT32_MAX);
	assert_int_equal(evfile_boundary(f->dir, "big", at, 0, UINT32_MAX, &found, &size, &f->e), 0);
	assert_true(found == begins[1] && size == sizes[1]);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(evfile_boundary(f->dir, "big", at, 0, begins[i], &found, &size, &f->e), 0);
		assert_true(found == begins[i] && size == sizes[i]);
		assert_int_equal(
			evfile_boundary(f->dir, "big", at, begins[i], begins[i] + 20, &found, &size, &f->e),
			0);
		assert_true(found == begins[i]);
	}
	assert_int_equal(unlinkat(f->dir, "big", 0), 0);
}

/* --- after a crash --- */

static void crash_with(struct fixture *f, size_t bytes, const char *tail, size_t n)
{
	int fd;

	end(f);
	fd = openat(f->dir, PATH, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, f->file.p, bytes), bytes);
	assert_int_equal(write(fd, tail, n), n);
	close(fd);
	begin(f);
}

static void test_torn_tail(void **state)
{
	struct fixture *f = *state;
	size_t n, whole;
	unsigned i;

	for (n = f->at[2]; n <= f->file.n; n++) {
		for (i = 0; i < EVENTS && f->at[i + 1] <= n; i++)
			;
		whole = f->at[i];
		crash_with(f, n, "", 0);
		assert_int_equal(f->w.written, whole);
		disk_is(f, whole);
	}
	/* And on it goes. */
	crash_with(f, f->at[7] + 3, "", 0);
	gtid_is(f, 5);
	assert_int_equal(writer_resume(&f->w, f->w.written, &f->e), 0);
	give_all(f, 0, 1);
	give_all(f, 7, EVENTS);
	flush(f);
	disk_is(f, f->file.n);
	gtid_is(f, 7);
}

static void test_garbage_tail(void **state)
{
	struct fixture *f = *state;
	char zeros[100] = {0}, ones[100];

	memset(ones, 0xff, sizeof(ones));
	crash_with(f, f->at[5], zeros, sizeof(zeros));
	disk_is(f, f->at[5]);
	crash_with(f, f->at[5], ones, sizeof(ones));
	disk_is(f, f->at[5]);
	/* An event whose end was never written by the disk: its size is right, its bytes are not. */
	crash_with(f, f->at[5] + 25, zeros, f->at[6] - f->at[5] - 25);
	disk_is(f, f->at[5]);
}

static void test_no_head(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	size_t n;

	for (n = 0; n < f->at[1]; n += 3) {
		crash_with(f, n, "", 0);
		assert_int_equal(f->w.written, 0);
		assert_int_equal(f->w.number, 3);
		assert_true(fstatat(f->dir, PATH, &st, 0) < 0);
	}
	assert_int_equal(writer_resume(&f->w, 4, &f->e), 0);
	give_all(f, 0, EVENTS);
	flush(f);
	disk_is(f, f->file.n);
}

static void test_boundary(void **state)
{
	struct fixture *f = *state;
	uint64_t begins;
	uint32_t size;
	size_t n;
	unsigned i;

	give_all(f, 0, EVENTS);
	flush(f);
	for (n = 4; n < f->file.n; n++) {
		for (i = 0; f->at[i + 1] <= n; i++)
			;
		assert_int_equal(evfile_boundary(f->dir, PATH, f->file.n, i > 2 ? f->at[2] : 0, n, &begins,
					 &size, &f->e),
			0);
		assert_int_equal(begins, f->at[i]);
		assert_int_equal(size, f->at[i + 1] - f->at[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sync_fails, setup, teardown),
		cmocka_unit_test(test_query_is_an_end),
		cmocka_unit_test_setup_teardown(test_rotate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_start_encryption, setup, teardown),
		cmocka_unit_test_setup_teardown(test_head_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_catch_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overlap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_beyond_4g, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends_at_4g, setup, teardown),
		cmocka_unit_test_setup_teardown(test_boundaries_beyond_4g, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn_tail, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage_tail, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_head, setup, teardown),
		cmocka_unit_test_setup_teardown(test_boundary, setup, teardown),
	};

	log_set_level(LOG_ERROR_);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
