/*
 * purge-relay: from the master's orders to the relay, and its answer back. Only the relay itself knows which
 * files it has and who needs them. Called by orders.c, source.c and report.c.
 */
#include "agent/purge.h"

#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/source.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"

struct purge {
	struct purge *next;
	json_t *spec, *request; /* the check's order; what the relay gets */
	bool gone, done;
	struct err error;
	char *msg;
};

static const char *source_of(const struct purge *p)
{
	return json_text(p->spec, "source", "");
}

static int64_t id_of(const struct purge *p)
{
	return json_num(p->spec, "id", 0);
}

static struct purge *find(const struct agent *a, int64_t id)
{
	for (struct purge *p = a->purges; p; p = p->next)
		if (id_of(p) == id)
			return p;
	return NULL;
}

static void add(struct agent *a, json_t *spec)
{
	struct purge *p = xcalloc(1, sizeof(*p));

	*p = (struct purge){.spec = json_incref(spec), .next = a->purges};
	p->request = json_deep_copy(json_object_get(spec, "purge"));
	json_object_set_new(p->request, "id", json_integer(json_num(spec, "id", 0)));
	a->purges = p;
}

static void drop(struct purge **at)
{
	struct purge *p = *at;

	*at = p->next;
	json_decref(p->spec);
	json_decref(p->request);
	free(p->msg);
	free(p);
}

void purge_apply(struct agent *a)
{
	json_t *spec;
	size_t i;

	for (struct purge *p = a->purges; p; p = p->next)
		p->gone = true;
	json_array_foreach(json_object_get(a->orders, "checks"), i, spec) {
		struct purge *p = find(a, json_num(spec, "id", 0));

		if (p)
			p->gone = false;
		else if (json_is_object(json_object_get(spec, "purge")))
			add(a, spec);
	}
	for (struct purge **at = &a->purges; *at;)
		if ((*at)->gone)
			drop(at);
		else
			at = &(*at)->next;
}

static void take_answer(struct purge *p, const json_t *answer)
{
	const json_t *error = json_object_get(answer, "error");

	p->done = true;
	p->msg = xstrdup(json_text(answer, "msg", ""));
	if (json_num(error, "code", 0) != 0)
		err_set(&p->error, (enum err_code)json_num(error, "code", 0), "%s",
			json_text(error, "text", ""));
}

static void look(const struct agent *a, struct purge *p)
{
	const struct source *s = source_find(a, source_of(p));
	const json_t *answer = s ? json_object_get(s->relay->status, "purge") : NULL;

	if (answer && json_num(answer, "id", 0) == id_of(p)) {
		take_answer(p, answer);
	} else if (!s || !source_wants_relay(s) || s->stage == STAGE_Paused) {
		p->done = true;
		err_set(&p->error, ERR_bad_stage,
			"the relay of source `%s` does not run: resume-relay, start-relay or a task makes it",
			source_of(p));
	}
}

void purge_tick(struct agent *a)
{
	for (struct purge *p = a->purges; p; p = p->next) {
		if (p->done)
			continue;
		look(a, p);
		a->changed |= p->done;
		a->turn += p->done;
	}
}

const json_t *purge_wanted(const struct agent *a, const char *source)
{
	for (const struct purge *p = a->purges; p; p = p->next)
		if (!p->done && strcmp(source_of(p), source) == 0)
			return p->request;
	return NULL;
}

void purge_report(const struct agent *a, json_t *checks)
{
	for (const struct purge *p = a->purges; p; p = p->next)
		json_array_append_new(checks,
			json_pack("{s:I, s:b, s:[{s:s, s:s, s:o}], s:{s:I, s:o}}", "id", (json_int_t)id_of(p),
				"done", p->done, "findings", "item", "purge_relay", "state", "success",
				"what", json_any_text(p->msg ? p->msg : ""), "error", "code",
				(json_int_t)p->error.code, "text", json_any_text(p->error.text)));
}

void purge_free_all(struct agent *a)
{
	while (a->purges)
		drop(&a->purges);
}
