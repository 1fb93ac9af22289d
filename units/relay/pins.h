#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/position.h"

/* Which position each reader still needs, kept in the file `pins` of FD_STATE (T21). The main thread's alone.
 */
struct pins {
	int dir;
	json_t *list; /* {"task": "1:3:4711"} */
	bool changed;
	uint64_t saved_ms;
};

int pins_load(struct pins *p, int dir, struct err *e);
void pins_fini(struct pins *p);
/* at nowhere: the pin goes. ERR_proto for a name that is none. */
int pins_set(struct pins *p, struct str reader, struct position at, struct err *e);
bool pins_has(const struct pins *p, struct str reader);
/* The slowest, and whose it is (NULL: no matter; borrowed); nowhere when there is none. */
struct position pins_slowest(const struct pins *p, const char **whose);
/* Pins of readers that are not in the list go. */
void pins_keep(struct pins *p, const json_t *readers);
/* Writes the file where something changed; at most once a second unless now. */
int pins_save(struct pins *p, bool now, struct err *e);
