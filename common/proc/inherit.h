#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "common/base/err.h"
#include "common/proc/sandbox.h"
#include "include/unit.h"
#include "spawn.h"

/* What a process finds when the supervisor has started it (include/fds.h): the first steps of unit_run and
 * daemon_run. */
struct inherited {
	enum unit_kind kind;
	const struct unit_info *info;
	unsigned slot, sub;
	char title[SPAWN_TITLE];
	json_t *config; /* the slice; owned */
	int state_fd;   /* FD_STATE, or -1 */
	int files_fd;   /* FD_FILES, or -1 */
};

/* Somebody asks by hand for --help or --version: that is answered on standard output. false: nobody does. */
bool inherit_asked(enum unit_kind kind, int argc, char **argv);
/*
 * Reads the arguments (--slot, --sub, --title), checks the descriptors and closes all others, reads the
 * slice, sets the title and the log level, moves into the run folder. An error: the process was not started
 * by the supervisor, or not rightly.
 */
int inherit(struct inherited *h, enum unit_kind kind, int argc, char **argv, struct err *e);
/* Waits until a predecessor has left the slot (FD_LOCK, T36), at most 15 s; an error too if the supervisor
 * goes meanwhile. */
int inherit_lock(struct err *e);
/* Decrypts upstream.password and downstream.password of the slice with the key of FD_KEY; wipes and closes
 * the key. */
int inherit_secrets(struct inherited *h, struct err *e);
void inherit_wipe_secrets(struct inherited *h);
/* Ports and certificate files that the slice names. */
struct sandbox_needs inherit_needs(const struct inherited *h);
void inherit_free(struct inherited *h);
