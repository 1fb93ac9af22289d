/*
 * How subtasks are paused and go on again, by a word or because the reason of an error is gone. Called by the
 * commands, report.c (errors that pause) and bind.c.
 */
#include "master/pause.h"

#include <string.h>

#include "common/config/json.h"

void pause_set_stage(const struct model *m, json_t *doc, const char *stage)
{
	json_object_set_new(doc, "stage", json_string(stage));
	json_object_set_new(doc, "since", json_integer((json_int_t)m->revision + 1));
	json_object_del(doc, "error");
	json_object_del(doc, "failed_ddl");
}

void pause_go_on(const struct model *m, json_t *doc)
{
	pause_set_stage(m, doc, "Running");
	json_object_set_new(doc, "resume", json_integer(json_num(doc, "resume", 0) + 1));
}

/* One that an operator wanted has no error. */
static bool is_by(const json_t *subtask, int code)
{
	return strcmp(json_text(subtask, "stage", ""), "Paused") == 0 &&
	       json_num(json_object_get(subtask, "error"), "code", 0) == code;
}

bool pause_end_all(struct model *m, const char *source, int code)
{
	const char *key;
	json_t *s, *doc;
	void *next;
	bool any = false;

	json_object_foreach_safe(m->tables[STORE_SUBTASK], next, key, s) {
		if (strcmp(json_text(s, "source", ""), source) != 0 || !is_by(s, code))
			continue;
		doc = json_deep_copy(s);
		pause_go_on(m, doc);
		model_set(m, STORE_SUBTASK, key, doc);
		any = true;
	}
	return any;
}
