#pragma once
#include "units/dump/dump.h"

/* What the load asks; all in the main thread. */
extern const struct unit_on serve_messages[];
/* Answers what can be answered by now, or has waited for long enough. */
void serve_waiting(struct dump *d);
/* Nothing comes any more: all that wait are told the error. */
void serve_refuse_all(struct dump *d, const struct err *e);
