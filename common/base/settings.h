#pragma once
#include <stdbool.h>

#include "common/base/err.h"

/*
 * A daemon's own configuration file, by the rows of include/daemon.def. Read by the daemon itself, at its
 * start and at SIGHUP.
 */
struct settings;

/* "tidegated", "agent" or "master"; a file that is not there says nothing. Refused (ERR_config_bad, with
 * file, line and column): what is unknown, twice, or may be written by others than root and ourselves. */
struct settings *settings_read(const char *daemon, const char *path, struct err *e);
/* What the file says of the key, or NULL. Borrowed until the next reload. */
const char *settings_get(const struct settings *s, const char *key);
/* Puts the file's place of that key before the text: for who finds more wrong with a value. Returns -1. */
int settings_blame(const struct settings *s, const char *key, struct err *e);
/*
 * Reads the file anew. What SIGHUP may change is taken over; of each other difference one line in the log
 * says that it waits for a restart. -1 with e: the file is wrong, everything stays as it was.
 */
int settings_reload(struct settings *s, struct err *e);
void settings_free(struct settings **s);
/* Walks the rows of a daemon: the i-th key with its help, or NULL behind the last. */
const char *settings_key(const char *daemon, unsigned i, const char **help);
