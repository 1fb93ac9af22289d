/* Which logs from before a source went to another host are kept, and which are thrown away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/io.h"
#include "common/base/log.h"
#include "units/relay/relay.h"
#include "units/relay/synthetic.h"

struct fixture {
	char path[64];
	int dir;
	struct unit_env env;
	struct relay r;
	struct err e;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = synthetic_folder(f->path, sizeof(f->path));
	f->env.config = json_pack("{s:s}", "source", "s");
	f->r.env = &f->env;
	snprintf(f->r.ep.host, sizeof(f->r.ep.host), "127.0.0.1");
	*state = f;
	if (store_open(&f->r.store, f->dir, &f->e) < 0)
		return -1;
	return pins_load(&f->r.pins, f->dir, &f->e);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	store_close(&f->r.store);
	pins_fini(&f->r.pins);
	json_decref(f->r.o.needs);
	json_decref(f->env.config);
	synthetic_remove(f->path, f->dir);
	free(f);
	return 0;
}

static void event(struct buf *b, uint8_t type, struct buf *body)
{
	synthetic_event(b, type, buf_str(body), b->n + synthetic_size(body->n), 0);
	buf_clear(body);
}

/* A file of the last generation, "bin.<number>"; ends: BINLOG_ROTATE, BINLOG_STOP, 0: anywhere. Its id. */
static uint64_t file(struct fixture *f, uint64_t number, uint8_t ends)
{
	struct store_generation g;
	struct store_file last;
	struct buf b = {0}, body = {0};
	char server[STORE_NAME], path[STORE_PATH];
	uint64_t id;

	buf_put(&b, BINLOG_MAGIC, BINLOG_MAGIC_SIZE);
	synthetic_format(&body, "9.7.0", (uint32_t)number);
	event(&b, BINLOG_FORMAT, &body);
	id = binlog_format_id((struct str){b.p + BINLOG_MAGIC_SIZE, b.n - BINLOG_MAGIC_SIZE});
	synthetic_previous(&body, 4);
	event(&b, BINLOG_PREVIOUS_GTIDS, &body);
	if (ends == BINLOG_ROTATE) {
		buf_put_u64(&body, 4);
		buf_putf(&body, "bin.%06u", (unsigned)number + 1);
	}
	if (ends)
		event(&b, ends, &body);
	assert_true(store_last(&f->r.store, &g, &last, server, sizeof(server)));
	store_path(&f->r.store, g.number, number, path, sizeof(path));
	assert_int_equal(io_replace_file(f->dir, path, b.p, b.n, 0600, &f->e), 0);
	store_add_file(&f->r.store, number);
	store_set_size(&f->r.store, b.n);
	buf_free(&b);
	buf_free(&body);
	return id;
}

static void generation(struct fixture *f, const char *server, uint64_t first)
{
	assert_int_equal(store_add_generation(&f->r.store, server, "bin", first, 0, &f->e), 0);
}

/* Is the log kept where that is known best of another host? */
static bool is_kept(struct fixture *f, uint32_t number, const char *proof)
{
	f->r.o.start_generation = number;
	snprintf(f->r.o.proof_file, sizeof(f->r.o.proof_file), "%s", proof);
	assert_int_equal(stale_drop(&f->r, &f->e), 0);
	return !store_empty(&f->r.store);
}

/* The host was lost in a file that another one has read to its end: it can't be gone on with for certain. */
static void a_log_without_the_end_of_its_file_goes(void **state)
{
	struct fixture *f = *state;

	generation(f, "u", 6);
	file(f, 6, BINLOG_ROTATE);
	file(f, 7, BINLOG_ROTATE);
	assert_true(is_kept(f, 1, "bin.000007"));
	assert_true(is_kept(f, 1, "bin.000008"));
	file(f, 8, BINLOG_STOP);
	assert_true(is_kept(f, 1, "bin.000009"));
	file(f, 9, 0);
	assert_true(is_kept(f, 1, "bin.000009"));
	assert_false(is_kept(f, 1, "bin.000010"));
}

static void needs(struct fixture *f, const char *file, uint64_t offset, uint64_t head)
{
	char id[20];

	snprintf(id, sizeof(id), "%016llx", (unsigned long long)head);
	json_decref(f->r.o.needs);
	f->r.o.needs =
		json_pack("[{s:i, s:s, s:i}, {s:i, s:s, s:I, s:s}]", "generation", 2, "file", "bin.000001",
			"offset", 4, "generation", 1, "file", file, "offset", (json_int_t)offset, "head", id);
}

/* A task that stood still while another one went on elsewhere, behind a switch. */
static void a_log_that_a_task_needs_is_kept(void **state)
{
	struct fixture *f = *state;
	uint64_t id;

	generation(f, "u", 6);
	id = file(f, 6, BINLOG_ROTATE);
	file(f, 7, 0);
	needs(f, "bin.000006", 4, id);
	assert_true(is_kept(f, 2, "bin.000001"));
	needs(f, "bin.000006", 4, 0); /* not known */
	assert_true(is_kept(f, 2, "bin.000001"));
	needs(f, "bin.000007", 1000, 0); /* behind the end */
	assert_false(is_kept(f, 2, "bin.000001"));
	generation(f, "u", 6);
	file(f, 6, 0);
	needs(f, "bin.000006", 4, id + 1); /* another server's */
	assert_false(is_kept(f, 2, "bin.000001"));
	generation(f, "u", 6);
	file(f, 6, 0);
	json_decref(f->r.o.needs);
	f->r.o.needs = NULL;
	assert_false(is_kept(f, 2, "bin.000001"));
}

/* Behind the needed place it is one that was purged, as what is told may be old: unless a task says that the
 * log is of others. */
static void a_log_behind_what_is_needed_goes_where_a_task_said_so(void **state)
{
	struct fixture *f = *state;
	json_t *lost;

	generation(f, "u", 6);
	file(f, 6, 0);
	needs(f, "bin.000002", 4, 0);
	lost = json_array_get(f->r.o.needs, 1);
	assert_true(is_kept(f, 1, "bin.000002"));
	json_object_set_new(lost, "lost", json_true());
	assert_true(is_kept(f, 1, "bin.000003")); /* it has another place now */
	assert_false(is_kept(f, 1, "bin.000002"));
	/* But not from under another task. */
	generation(f, "u", 6);
	file(f, 6, 0);
	json_array_append_new(f->r.o.needs,
		json_pack("{s:i, s:s, s:i}", "generation", 1, "file", "bin.000006", "offset", 4));
	assert_true(is_kept(f, 1, "bin.000002"));
}

/* A folder whose number is used again, for another source or for another server under the same name. */
static void a_log_of_another_source_goes(void **state)
{
	struct fixture *f = *state;

	assert_false(is_kept(f, 0, "")); /* says whose it will be */
	generation(f, "u", 6);
	file(f, 6, 0);
	assert_true(is_kept(f, 0, ""));
	f->r.ep.port = 3307;
	assert_false(is_kept(f, 0, ""));
	generation(f, "u", 6);
	file(f, 6, 0);
	assert_true(is_kept(f, 0, ""));
	json_object_set_new(f->env.config, "source", json_string("other"));
	assert_false(is_kept(f, 0, ""));
}

/* The file that another host has read has this name here, too: its head tells whether it is the same. */
static void a_log_with_another_file_of_that_name_goes(void **state)
{
	struct fixture *f = *state;

	generation(f, "u", 6);
	f->r.o.proof_id = file(f, 6, BINLOG_ROTATE);
	assert_true(is_kept(f, 1, "bin.000006"));
	f->r.o.proof_id++;
	needs(f, "bin.000006", 4, f->r.o.proof_id - 1); /* of a task that follows by this log */
	assert_true(is_kept(f, 1, "bin.000006"));
	needs(f, "bin.000006", 4, f->r.o.proof_id); /* only of those of the other history */
	assert_false(is_kept(f, 1, "bin.000006"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_log_without_the_end_of_its_file_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_log_that_a_task_needs_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_log_behind_what_is_needed_goes_where_a_task_said_so, setup, teardown),
		cmocka_unit_test_setup_teardown(a_log_of_another_source_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_log_with_another_file_of_that_name_goes, setup, teardown),
	};

	log_set_level(LOG_ERROR_);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
