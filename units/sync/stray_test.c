/* Statements of databases that are not wanted: what is kept of them, what it weighs; which triggers, views
 * and functions lead out of their database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "common/base/xalloc.h"
#include "units/sync/queue.h"
#include "units/sync/stray.h"
#include "units/sync/stray_leave.h"
#include "units/sync/trx.h"

static const struct server mysql = {.flavor = FLAVOR_MYSQL, .version = 90700};

static void note(struct stray_notes **n, const char *schema, const char *sql)
{
	struct binlog_query q = {.schema = str_of(schema), .sql = str_of(sql)};

	stray_note(n, &q, &mysql);
}

static void each_name_is_kept_once(void **state)
{
	struct stray_notes *n = NULL;
	size_t weight;

	(void)state;
	assert_int_equal(stray_weight(n), 0);
	note(&n, "Logs", "INSERT INTO Ev VALUES (1)");
	weight = stray_weight(n);
	assert_true(weight > sizeof(*n));
	for (int i = 0; i < 1000; i++)
		note(&n, "Logs", "INSERT INTO eV VALUES (2)");
	assert_int_equal(stray_weight(n), weight);
	assert_int_equal(map_count(n->words), 4);
	/* The database is the upstream's to compare. */
	assert_string_equal(map_get(n->words, STR_LIT("Logs\0ev")), "INSERT INTO Ev VALUES (1)");
	note(&n, "logs", "INSERT INTO ev VALUES (3)");
	assert_string_equal(map_get(n->words, STR_LIT("logs\0ev")), "INSERT INTO ev VALUES (3)");
	assert_true(stray_weight(n) > weight);
	stray_notes_free(&n);
	assert_null(n);
}

static void too_many_names_are_any(void **state)
{
	struct stray_notes *n = NULL;
	char sql[64];
	size_t weight;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		snprintf(sql, sizeof(sql), "INSERT INTO t%d VALUES (1)", i);
		note(&n, "logs", sql);
		if (i == 0)
			assert_null(map_get(n->words, STR_LIT("logs\0*")));
	}
	assert_non_null(map_get(n->words, STR_LIT("logs\0*")));
	weight = stray_weight(n);
	assert_in_range(weight, STRAY_LIMIT, STRAY_LIMIT + 4096);
	note(&n, "other", "INSERT INTO t VALUES (1)");
	assert_non_null(map_get(n->words, STR_LIT("other\0*")));
	assert_null(map_get(n->words, STR_LIT("other\0t")));
	stray_notes_free(&n);
}

static void woken(void *arg)
{
	(void)arg;
}

static void names_fill_the_queue(void **state)
{
	struct position safe;
	struct queue q;
	unsigned n = 0;

	(void)state;
	queue_init(&q, woken, NULL);
	while (queue_has_room(&q, 0) && n < 100000) {
		struct trx *t = xcalloc(1, sizeof(*t));
		char sql[64];

		for (int i = 0; i < 300; i++) {
			snprintf(sql, sizeof(sql), "INSERT INTO t%d VALUES (1)", i);
			note(&t->notes, "logs", sql);
		}
		queue_put(&q, t);
		n++;
	}
	assert_in_range(n, QUEUE_BYTES / STRAY_LIMIT / 2, QUEUE_BYTES / STRAY_LIMIT * 4);
	while (n-- > 0) {
		struct trx *t = queue_take(&q, 0, &safe);

		assert_non_null(t);
		trx_free(&t);
	}
	assert_true(queue_has_room(&q, QUEUE_BYTES));
	queue_fini(&q);
}

struct text {
	enum stray_kind kind;
	const char *name, *text, *mode;
};

/* The database is Logs; there are app and logs, too. */
static struct map *leaving_of(const struct text *t, size_t n, bool exact)
{
	struct stray_objects *o = stray_objects_new(STR_LIT("Logs"), exact, &mysql);
	struct map *m;

	stray_objects_database(o, STR_LIT("app"));
	if (exact)
		stray_objects_database(o, STR_LIT("logs"));
	stray_objects_database(o, STR_LIT("Logs"));
	for (size_t i = 0; i < n; i++)
		stray_objects_add(o, t[i].kind, str_of(t[i].name), str_of(t[i].text),
			str_of(t[i].mode ? t[i].mode : ""));
	m = stray_objects_leaving(o);
	stray_objects_free(&o);
	return m;
}

static void one(const char *text, const char *mode, bool exact, bool leaves)
{
	struct text t = {STRAY_TRIGGER, "Ev", text, mode};
	struct map *m = leaving_of(&t, 1, exact);

	if (map_count(m) != (size_t)leaves)
		fail_msg("%s", text);
	if (leaves)
		assert_string_equal(map_get(m, STR_LIT("ev")), "a trigger of `Ev`");
	stray_leaving_free(&m);
}

static void texts_that_lead_out(void **state)
{
	(void)state;
	one("INSERT INTO audit VALUES (NEW.id, 'app.n', old . v, 1.5)", NULL, true, false);
	one("INSERT INTO `Logs` . audit (Logs.audit.id) VALUES (`new`.`id`)", NULL, true, false);
	one("SET @@session.x = 1, NEW.id = 2 /* app.n */", NULL, true, false);
	one("INSERT INTO audit SELECT a.id, ev.id FROM ev JOIN t AS a", NULL, true, false);
	one("INSERT INTO app.n VALUES (1)", NULL, true, true);
	one("INSERT INTO `app`/**/.`n` VALUES (1)", NULL, true, true);
	one("INSERT INTO app.1n VALUES (1)", NULL, true, true);
	one("INSERT INTO t(app) VALUES (1); INSERT INTO APP.n VALUES (1)", NULL, true, true);
	one("INSERT INTO hidden.n VALUES (1)", NULL, true, true);
	one("/*!50000 INSERT INTO app.n VALUES (1) */", NULL, true, true);
	one("INSERT INTO \"app\".\"n\" VALUES (1)", "STRICT_ALL_TABLES,ANSI_QUOTES", true, true);
	one("INSERT INTO t VALUES (\"a\\\", app.n, \"b\")", "ANSI_QUOTES", true, true);
	one("INSERT INTO t VALUES ('\\'); INSERT INTO app.n VALUES ('')", "NO_BACKSLASH_ESCAPES", true, true);
	one("INSERT INTO t VALUES ('x", NULL, true, true);
	one("", NULL, true, true);
	/* Two databases on a server that tells cases apart, else one. */
	one("INSERT INTO logs.audit VALUES (1)", NULL, true, true);
	one("INSERT INTO logs.audit VALUES (1)", NULL, false, false);
}

/* A trigger that writes a table with a trigger that calls a procedure. */
static void ways_over_other_objects(void **state)
{
	static const struct text t[] = {{STRAY_TRIGGER, "ev", "INSERT INTO audit VALUES (NEW.id)", NULL},
		{STRAY_TRIGGER, "audit", "CALL Logs.Tell(NEW.id)", NULL},
		{STRAY_TRIGGER, "quiet", "SET NEW.id = f(NEW.id)", NULL},
		{STRAY_VIEW, "v", "select `Logs`.`ev`.`id` AS `id` from `Logs`.`ev`", NULL},
		{STRAY_VIEW, "w", "select `Logs`.`quiet`.`id` AS `id` from `Logs`.`quiet`", NULL},
		{STRAY_FUNCTION, "f", "RETURN 1", NULL},
		{STRAY_ROUTINE, "tell", "INSERT INTO app.n VALUES (1)", NULL}};
	struct map *m = leaving_of(t, sizeof(t) / sizeof(t[0]), true);

	(void)state;
	assert_int_equal(map_count(m), 3);
	assert_non_null(map_get(m, STR_LIT("ev")));
	assert_non_null(map_get(m, STR_LIT("audit")));
	assert_string_equal(map_get(m, STR_LIT("v")), "the view `v`");
	stray_leaving_free(&m);
	m = leaving_of(t, 6, true);
	assert_int_equal(map_count(m), 0);
	stray_leaving_free(&m);
}

/* café() may be called as CAFE(). */
static void a_function_with_accents_is_named_by_any(void **state)
{
	static const struct text f = {STRAY_FUNCTION, "caf\xc3\xa9", "", NULL},
				 v = {STRAY_VIEW, "\xc3\x84", "", NULL};
	struct map *m = leaving_of(&f, 1, true);
	struct buf b = {0};

	(void)state;
	assert_non_null(map_get(m, STR_LIT("*")));
	stray_leaving_free(&m);
	m = leaving_of(&v, 1, true);
	assert_null(map_get(m, STR_LIT("*")));
	stray_fold(&b, STR_LIT("\xc3\xa4"));
	assert_string_equal(map_get(m, buf_str(&b)), "the view `\xc3\x84`");
	buf_free(&b);
	stray_leaving_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_name_is_kept_once),
		cmocka_unit_test(too_many_names_are_any),
		cmocka_unit_test(names_fill_the_queue),
		cmocka_unit_test(texts_that_lead_out),
		cmocka_unit_test(ways_over_other_objects),
		cmocka_unit_test(a_function_with_accents_is_named_by_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
