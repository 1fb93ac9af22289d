/* Findings that need no server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/config/json.h"
#include "units/check/items.h"

/* free: MiB; state: what is found, "": nothing. */
static const struct {
	const char *mode;
	uint64_t free;
	const char *dump, *state, *what;
} rows[] = {
	{"all", 5000, "{}", "success", "ok"}, {"all", 1024, "{}", "success", "ok"},
	{"all", 1023, "{}", "warn", "1023 MiB are free"},
	{"all", 1023, "{\"spool_bytes\":1024}", "warn", " and the relay log may want 1024 MiB"},
	{"full", 1, "{}", "success", "ok"}, /* no relay log, and no tables */
	{"all", 0, "{}", "", ""},           /* not known */
	{"dump", 1, "{}", "", ""},          /* files for others: elsewhere */
};

static void room_on_the_disk(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *dump = json_loads(rows[i].dump, 0, NULL);
		struct check c = {.findings = json_array(),
			.tables = tables_new(),
			.dump = dump,
			.free_bytes = rows[i].free << 20};
		const json_t *f;

		snprintf(c.mode, sizeof(c.mode), "%s", rows[i].mode);
		check_space(&c, "free_space");
		f = json_array_get(c.findings, 0);
		if (strcmp(json_text(f, "state", ""), rows[i].state) != 0 ||
			!strstr(json_text(f, "what", ""), rows[i].what))
			fail_msg("row %zu: %s: %s", i, json_text(f, "state", "-"), json_text(f, "what", "-"));
		if (f)
			assert_string_equal(json_text(f, "item", ""), "free_space");
		json_decref(c.findings);
		json_decref(dump);
		tables_free(&c.tables);
	}
}

/* Without connections nothing is asked of a server. */
static void nobody_is_there(void **state)
{
	struct check c = {.mode = "all", .findings = json_array(), .tables = tables_new()};

	(void)state;
	check_items(&c);
	assert_int_equal(json_array_size(c.findings), 0);
	json_decref(c.findings);
	tables_free(&c.tables);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(room_on_the_disk),
		cmocka_unit_test(nobody_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
