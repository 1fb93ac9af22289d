/* The control plane's own metrics; what units tell is on their agents' pages. Called for each scrape, changes
 * nothing. */
#include "master/metrics.h"

#include <string.h>

#include "common/config/json.h"
#include "master/bind.h"

static json_t *member(struct master *m, const char *name)
{
	return json_pack("{s:b, s:I}", "online", bind_online(m, bind_find(m, name)), "sources",
		(json_int_t)bind_count(m, name));
}

void master_metrics(struct master *m, struct metrics *out)
{
	const char *key;
	json_t *doc;

	model_foreach(&m->model, STORE_AGENT, key, doc)
		metrics_add(out, METRIC_MEMBER, key, NULL, member(m, key));
	model_foreach(&m->model, STORE_SOURCE, key, doc)
		metrics_add(out, METRIC_SOURCE, key, NULL,
			json_pack(
				"{s:b}", "bound", bind_online(m, bind_find(m, json_text(doc, "agent", "")))));
	model_foreach(&m->model, STORE_SUBTASK, key, doc)
		metrics_add(out, METRIC_TASK, json_text(doc, "task", ""), json_text(doc, "source", ""),
			json_incref(doc));
}
