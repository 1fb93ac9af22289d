#pragma once
#include <jansson.h>

#include "common/base/err.h"

/* Answers in DM's envelope; new references. */
json_t *answer_ok(void); /* {"result":true,"msg":""} */
/* {"result":false,"msg":the text with what to do,"code":n} */
json_t *answer_error(const struct err *e);
/* One more entry in answer's "sources": {"result":true,"msg":msg,"source":…,"worker":…} */
void answer_source(json_t *answer, const char *source, const char *worker, const char *msg);
/* ProcessResult of an error {"code","text"}: {"isCanceled":false,"errors":[{…}],"detail":null}; JSON null for
 * code 0. */
json_t *answer_process_result(const json_t *error);
/* A copy of an endpoint with its password as stars. */
json_t *answer_endpoint(const json_t *endpoint);
