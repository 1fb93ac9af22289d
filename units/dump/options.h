#pragma once
#include "units/dump/dump.h"

/* Takes what the dump needs out of its slice. */
int options_read(struct dump *d, const json_t *config, struct err *e);
