#pragma once
#include <stddef.h>
#include <stdint.h>

/* By which cluster's revision this host has worked last: a small file, so that an older copy of the masters'
 * store is noticed also by an agent that was started anew. */
void seen_read(int state_fd, char *cluster, size_t size, uint64_t *revision);
/* Before anything is done by it. A cluster without a name is not kept; what can't be written is logged. */
void seen_keep(int state_fd, const char *cluster, uint64_t revision);
