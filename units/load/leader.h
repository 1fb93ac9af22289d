#pragma once
#include "units/load/load.h"

/* The leader thread: from the record to the last view. Its errors go to load_fail. */
void *leader_main(void *arg);
