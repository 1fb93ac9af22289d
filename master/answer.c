/* The shapes that all answers share: DM's envelope, its errors, and passwords as stars. Called by the
 * commands. */
#include "master/answer.h"

#include <stdio.h>
#include <string.h>

#include "common/config/json.h"

json_t *answer_ok(void)
{
	return json_pack("{s:b, s:s}", "result", 1, "msg", "");
}

json_t *answer_error(const struct err *e)
{
	return json_pack(
		"{s:b, s:o, s:I}", "result", 0, "msg", json_any_text(e->text), "code", (json_int_t)e->code);
}

void answer_source(json_t *answer, const char *source, const char *worker, const char *msg)
{
	json_t *list = json_object_get(answer, "sources");

	if (!list) {
		list = json_array();
		json_object_set_new(answer, "sources", list);
	}
	json_array_append_new(list, json_pack("{s:b, s:o, s:s, s:s}", "result", 1, "msg", json_any_text(msg),
					    "source", source, "worker", worker));
}

json_t *answer_process_result(const json_t *error)
{
	uint32_t code = (uint32_t)json_num(error, "code", 0);
	const struct err_info *i = err_info(code);
	char message[1400];

	if (code == 0)
		return json_null();
	snprintf(message, sizeof(message), "%s: %s", i->message, json_text(error, "text", ""));
	return json_pack("{s:b, s:[{s:I, s:s, s:s, s:s, s:o, s:s, s:s}], s:n}", "isCanceled", 0, "errors",
		"ErrCode", (json_int_t)code, "ErrClass", i->class, "ErrScope", err_scope_name(i->scope),
		"ErrLevel", err_level_name(i->level), "Message", json_any_text(message), "RawCause",
		json_text(error, "text", ""), "Workaround", i->workaround, "detail");
}

json_t *answer_endpoint(const json_t *endpoint)
{
	json_t *o = json_deep_copy(endpoint);

	if (json_text(o, "password", "")[0])
		json_object_set_new(o, "password", json_string("******"));
	return o;
}
