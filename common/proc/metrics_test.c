/* The text of /metrics: forms of values, labels, what is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/config/json.h"
#include "common/proc/metrics.h"

static void has(const struct buf *text, const char *line)
{
	if (!strstr(text->p, line))
		fail_msg("no %s in:\n%s", line, text->p);
}

static json_t *object(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	assert_non_null(o);
	return o;
}

static void test_forms(void **state)
{
	struct metrics *m = metrics_new("agent");
	struct buf b = {0};

	(void)state;
	metrics_add(m, METRIC_PROCESS, NULL, NULL, object("{\"connected\":true,\"uptime_ms\":1500}"));
	metrics_add(m, METRIC_SOURCE, "a \"b\" \\ c", NULL,
		object("{\"relay\":{\"stage\":\"Paused\",\"restarts\":3,\"status\":{\"position\":\"2:7:"
		       "18446744073709551615\",\"bytes\":9007199254740993,\"connected\":false}}}"));
	metrics_add(m, METRIC_SOURCE, "empty", NULL, object("{}"));
	metrics_add(m, METRIC_TASK, "t\nx", "s", object("{\"stage\":\"Running\",\"sync\":{\"lag_ms\":250}}"));
	metrics_text(m, &b);
	buf_putc(&b, '\0');
	has(&b, "tidegate_agent_master_connected 1\n");
	has(&b, "tidegate_agent_uptime_seconds 1.500\n");
	has(&b, "# TYPE tidegate_relay_restarts_total counter\n");
	has(&b, "tidegate_relay_restarts_total{source=\"a \\\"b\\\" \\\\ c\"} 3\n");
	has(&b, "tidegate_relay_stage{source=\"a \\\"b\\\" \\\\ c\"} 3\n");
	has(&b, "} 18446744073709551615\n");
	has(&b, "tidegate_relay_file{source=\"a \\\"b\\\" \\\\ c\"} 7\n");
	has(&b, "tidegate_relay_pulled_bytes_total{source=\"a \\\"b\\\" \\\\ c\"} 9007199254740993\n");
	has(&b, "tidegate_relay_connected{source=\"a \\\"b\\\" \\\\ c\"} 0\n");
	has(&b, "tidegate_task_stage{task=\"t\\nx\",source=\"s\"} 2\n");
	has(&b, "tidegate_sync_lag_seconds{task=\"t\\nx\",source=\"s\"} 0.250\n");
	assert_null(strstr(b.p, "empty"));
	assert_null(strstr(b.p, "sync_rows"));
	assert_null(strstr(b.p, "master_leader"));
	buf_free(&b);
	metrics_free(&m);
}

/* A head is there once, whatever is told, and not without a sample. */
static void test_heads(void **state)
{
	struct metrics *m = metrics_new("master");
	struct buf b = {0};
	const char *first;

	(void)state;
	metrics_add(m, METRIC_MEMBER, "one", NULL, object("{\"online\":true,\"sources\":2}"));
	metrics_add(m, METRIC_MEMBER, "two", NULL, object("{\"online\":false,\"sources\":0}"));
	metrics_text(m, &b);
	buf_putc(&b, '\0');
	has(&b, "# TYPE tidegate_master_member_online gauge\ntidegate_master_member_online{agent=\"one\"} 1\n"
		"tidegate_master_member_online{agent=\"two\"} 0\n");
	first = strstr(b.p, "# TYPE tidegate_master_member_sources");
	assert_non_null(first);
	assert_null(strstr(first + 1, "# TYPE tidegate_master_member_sources"));
	assert_null(strstr(b.p, "task_stage"));
	buf_free(&b);
	metrics_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
