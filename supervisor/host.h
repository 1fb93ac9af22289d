#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "supervisor/args.h"

/* Agent or master: the processes that the supervisor starts of its own accord, again and again. */
struct host {
	int kind; /* UNIT_NONE: not wanted */
	bool running;
	uint64_t started_ms; /* of the last start */
	uint64_t start_at;   /* when the next one is due */
	unsigned pause_ms;   /* of the next death */
	unsigned restarts;
	uint64_t leave_by; /* asked to leave: killed then; 0: not asked */
};

enum { HOST_PAUSE_MIN_MS = 1000, HOST_PAUSE_MAX_MS = 60000, HOST_FORGIVEN_MS = 60000 };

void host_init(struct host *h, int kind);
void host_started(struct host *h, uint64_t now);
/* It died: sets start_at. The pause doubles, and starts anew after a minute of life. */
void host_died(struct host *h, uint64_t now);
/* Its slice: short JSON text, no secret. slots: the highest slot that has a uid. */
void host_slice(int kind, const struct super_args *a, unsigned slots, struct buf *out);
