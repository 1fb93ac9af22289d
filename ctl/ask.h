#pragma once
#include <jansson.h>
#include <signal.h>

#include "common/base/err.h"
#include "ctl/ctl.h"

/* The master, asked from the command line: one connection, blocking calls. */
struct ask;

/* where: an address (common/base/address.h), or the folder with master.sock, which becomes the current
 * directory. Connects in the background. */
struct ask *ask_open(const char *where, const struct args *a, struct err *e);
/* Several masters' addresses, of which any may answer? */
bool ask_is_list(const char *where);
void ask_close(struct ask **k);
/* From now on calls end, with ERR_ctl_connect, once it is not 0; then no further one is made. */
void ask_until(struct ask *k, const volatile sig_atomic_t *interrupts);
/*
 * Sends a command word; the answer's JSON (new reference), or NULL with e: no answer within timeout_ms
 * (ERR_ctl_connect), or the master's own refusal (code and text of its answer with "result": false).
 */
json_t *ask_command(struct ask *k, const char *word, const json_t *args, unsigned timeout_ms, struct err *e);
/* The run folder of --master, --state, or the one job that runs, for commands typed beside a `run` or on a
 * host. */
int ask_find(const struct args *a, char *run, size_t size, struct err *e);
