/* After a switch of the upstream: what was handed on before is known by its GTID and emptied, what is new is
 * not; and a history that is another one stops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/xalloc.h"
#include "units/sync/overlap.h"

struct fixture {
	struct overlap o;
	uint32_t generation;
	struct err e;
};

static int setup(void **state)
{
	*state = xcalloc(1, sizeof(struct fixture));
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	overlap_fini(&f->o);
	free(f);
	return 0;
}

static void begin(struct fixture *f, uint32_t generation, enum flavor flavor, const char *set)
{
	struct gtid_set *s = set ? gtid_set_parse(flavor, str_of(set), &f->e) : NULL;

	f->generation = generation;
	overlap_begin(&f->o, (struct position){generation, 3, 4}, s, false);
	gtid_set_free(&s);
}

/* One transaction; 1: it came out empty, 0: as it was, else -1. */
static int pass_gtid(struct fixture *f, const struct binlog_gtid_event *g)
{
	struct trx t = {
		.kind = TRX_ROWS, .start = {f->generation, 3, 100}, .has_gtid = g != NULL, .events = 1};
	int r;

	if (g)
		t.gtid = *g;
	buf_puts(&t.raw, "rows");
	r = overlap_pass(&f->o, &t, &f->e);
	if (r == 0 && t.raw.n == 0) {
		assert_int_equal(t.events, 0);
		assert_false(t.has_gtid);
		r = 1;
	}
	buf_free(&t.raw);
	return r;
}

static int maria(struct fixture *f, uint32_t domain, uint32_t server, uint64_t seq)
{
	return pass_gtid(f, &(struct binlog_gtid_event){
				    .mariadb = true, .domain = domain, .server_id = server, .seq = seq});
}

static int mysql(struct fixture *f, uint8_t uuid, uint64_t gno)
{
	struct binlog_gtid_event g = {.gno = gno};

	memset(g.uuid, uuid, sizeof(g.uuid));
	return pass_gtid(f, &g);
}

#define A "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"

static void mysql_is_known_by_each(void **state)
{
	struct fixture *f = *state;

	begin(f, 1, FLAVOR_MYSQL, A ":1-5");
	assert_int_equal(mysql(f, 0xaa, 6), 0);
	assert_int_equal(mysql(f, 0xaa, 9), 0);
	f->generation = 2;
	assert_int_equal(mysql(f, 0xaa, 5), 1);
	assert_int_equal(mysql(f, 0xaa, 9), 1);
	assert_int_equal(mysql(f, 0xaa, 7), 0); /* it was a hole */
	assert_int_equal(mysql(f, 0xaa, 6), 1);
	assert_int_equal(mysql(f, 0xbb, 1), 0);
	f->generation = 3;
	assert_int_equal(mysql(f, 0xbb, 1), 1);
	assert_int_equal(mysql(f, 0xaa, 7), 1);
	assert_int_equal(mysql(f, 0xaa, 8), 0);
}

static void mariadb_has_domains(void **state)
{
	struct fixture *f = *state;

	begin(f, 1, FLAVOR_MARIADB, "0-1-10,7-1-4");
	assert_int_equal(maria(f, 0, 1, 11), 0);
	f->generation = 2;
	/* The domains come in another order than before. */
	assert_int_equal(maria(f, 7, 1, 4), 1);
	assert_int_equal(maria(f, 7, 1, 5), 0);
	assert_int_equal(maria(f, 0, 1, 10), 1);
	assert_int_equal(maria(f, 0, 1, 11), 1);
	assert_int_equal(maria(f, 0, 2, 12), 0);
	assert_int_equal(maria(f, 9, 2, 1), 0);
	/* Behind it numbers need not ascend. */
	assert_int_equal(maria(f, 0, 5, 3), 0);
}

static void within_a_generation_only_the_position_counts(void **state)
{
	struct fixture *f = *state;

	begin(f, 1, FLAVOR_MARIADB, "0-1-10");
	assert_int_equal(maria(f, 0, 2, 5), 0);
	assert_int_equal(maria(f, 0, 1, 11), 0);
}

/* A restart in the middle of what comes twice. */
static void it_goes_on_after_a_restart(void **state)
{
	struct fixture *f = *state;

	begin(f, 2, FLAVOR_MARIADB, "0-1-10,7-1-5");
	assert_int_equal(maria(f, 0, 1, 9), 1);
	assert_int_equal(maria(f, 0, 1, 10), 1);
	assert_int_equal(maria(f, 7, 1, 6), 0);
}

static void another_history_stops(void **state)
{
	struct fixture *f = *state;

	begin(f, 2, FLAVOR_MARIADB, "0-1-10");
	assert_int_equal(maria(f, 0, 2, 10), -1);
	assert_int_equal(f->e.code, ERR_relay_ahead);
	assert_non_null(strstr(f->e.text, "0-2-10"));
	overlap_fini(&f->o);
	begin(f, 2, FLAVOR_MARIADB, "0-1-10");
	assert_int_equal(maria(f, 0, 1, 9), 1);
	assert_int_equal(maria(f, 0, 2, 11), -1); /* and 10 never came */
	assert_int_equal(f->e.code, ERR_relay_ahead);
}

static void without_gtids_nobody_can_tell(void **state)
{
	struct fixture *f = *state;

	begin(f, 1, FLAVOR_MYSQL, NULL);
	assert_int_equal(pass_gtid(f, NULL), 0);
	f->generation = 2;
	assert_int_equal(mysql(f, 0xaa, 1), -1);
	assert_int_equal(f->e.code, ERR_relay_gone);
	overlap_fini(&f->o);
	begin(f, 1, FLAVOR_MYSQL, A ":1-5");
	f->generation = 2;
	assert_int_equal(pass_gtid(f, NULL), -1);
	assert_int_equal(f->e.code, ERR_relay_gone);
}

/* CREATE TABLE … SELECT: the DDL inside goes with its transaction. */
static void a_ddl_inside_goes_with_its_transaction(void **state)
{
	struct fixture *f = *state;
	struct trx t = {.kind = TRX_DDL, .start = {2, 3, 100}, .inside = true};

	begin(f, 2, FLAVOR_MYSQL, A ":1-5");
	memset(t.gtid.uuid, 0xaa, sizeof(t.gtid.uuid));
	t.gtid.gno = 5;
	buf_puts(&t.raw, "ddl");
	assert_int_equal(overlap_pass(&f->o, &t, &f->e), 0);
	assert_int_equal(t.kind, TRX_ROWS);
	assert_int_equal(t.raw.n, 0);
	t.kind = TRX_DDL;
	t.gtid.gno = 6;
	buf_puts(&t.raw, "ddl");
	assert_int_equal(overlap_pass(&f->o, &t, &f->e), 0);
	assert_int_equal(t.kind, TRX_DDL);
	buf_free(&t.raw);
	assert_int_equal(mysql(f, 0xaa, 6), 0);
}

/* MariaDB's last one of a domain is known by its number: both parts of it. */
static void a_ddl_inside_of_the_last_one(void **state)
{
	struct fixture *f = *state;
	struct binlog_gtid_event g = {.mariadb = true, .domain = 0, .server_id = 1, .seq = 10};
	struct trx t = {.kind = TRX_DDL, .start = {2, 3, 100}, .inside = true, .gtid = g};

	begin(f, 2, FLAVOR_MARIADB, "0-1-10");
	buf_puts(&t.raw, "ddl");
	assert_int_equal(overlap_pass(&f->o, &t, &f->e), 0);
	assert_int_equal(t.raw.n, 0);
	buf_free(&t.raw);
	assert_int_equal(pass_gtid(f, &g), 1);
	g.seq = 11;
	assert_int_equal(pass_gtid(f, &g), 0);
}

static void located(struct fixture *f, uint32_t generation, const char *head)
{
	overlap_located(&f->o, (struct position){generation, 1, 4},
		gtid_set_parse(FLAVOR_MARIADB, str_of(head), &f->e), NULL);
}

/* The task began with `start`, and goes on now. */
static void located_before(struct fixture *f, uint32_t generation, const char *head, const char *start)
{
	overlap_located(&f->o, (struct position){generation, 1, 4},
		gtid_set_parse(FLAVOR_MARIADB, str_of(head), &f->e),
		gtid_set_parse(FLAVOR_MARIADB, str_of(start), &f->e));
}

/* A server made from a copy: the head of its first file speaks of no domain, and the first number tells. */
static void what_lies_behind_a_gap_stops(void **state)
{
	struct fixture *f = *state;

	begin(f, 2, FLAVOR_MARIADB, "0-1-900,1-1-5");
	located(f, 2, "1-1-5");
	assert_int_equal(maria(f, 1, 1, 9), 0); /* the head has it: a hole in the numbers */
	assert_int_equal(maria(f, 2, 1, 9), 0); /* a domain that nobody knew */
	assert_int_equal(maria(f, 0, 1, 951), -1);
	assert_int_equal(f->e.code, ERR_relay_gone);
	assert_non_null(strstr(f->e.text, "0-1-951"));
	assert_non_null(strstr(f->e.text, "0-1-900"));
}

static void a_gap_stops_behind_a_restart(void **state)
{
	struct fixture *f = *state;

	begin(f, 2, FLAVOR_MARIADB, "0-1-900,1-1-8");
	located_before(f, 2, "", "0-1-900,1-1-5");
	assert_int_equal(maria(f, 1, 1, 12), 0); /* of this domain some came */
	assert_int_equal(maria(f, 0, 1, 951), -1);
	assert_int_equal(f->e.code, ERR_relay_gone);
}

static void what_goes_on_is_no_gap(void **state)
{
	struct fixture *f = *state;

	begin(f, 2, FLAVOR_MARIADB, "0-1-900,1-1-5");
	located(f, 2, "");
	assert_int_equal(maria(f, 0, 2, 901), 0);
	assert_int_equal(maria(f, 0, 2, 990), 0);
	assert_int_equal(maria(f, 1, 1, 4), 1);
	assert_int_equal(maria(f, 1, 1, 5), 1);
	assert_int_equal(maria(f, 1, 1, 9), 0);
}

/* What was said of one generation is not asked of the next: there the relay has looked. */
static void a_gap_of_another_generation(void **state)
{
	struct fixture *f = *state;

	begin(f, 2, FLAVOR_MARIADB, "0-1-900");
	located(f, 2, "");
	f->generation = 3;
	assert_int_equal(maria(f, 0, 1, 951), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(mysql_is_known_by_each, setup, teardown),
		cmocka_unit_test_setup_teardown(a_ddl_inside_of_the_last_one, setup, teardown),
		cmocka_unit_test_setup_teardown(mariadb_has_domains, setup, teardown),
		cmocka_unit_test_setup_teardown(
			within_a_generation_only_the_position_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(it_goes_on_after_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(another_history_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(without_gtids_nobody_can_tell, setup, teardown),
		cmocka_unit_test_setup_teardown(a_ddl_inside_goes_with_its_transaction, setup, teardown),
		cmocka_unit_test_setup_teardown(what_lies_behind_a_gap_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(a_gap_stops_behind_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(what_goes_on_is_no_gap, setup, teardown),
		cmocka_unit_test_setup_teardown(a_gap_of_another_generation, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
