#pragma once
#include "units/dump/dump.h"

/* The leader thread: from the list of tables to the manifest. Its errors go to dump_fail. */
void *leader_main(void *arg);
