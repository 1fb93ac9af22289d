#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "common/base/err.h"
#include "common/base/settings.h"
#include "common/proc/link.h"
#include "common/proc/sandbox.h"

/*
 * The control socket between hosts: certificates (PEM, read before the box), and which addresses may be used
 * with them. Of the agent, the master, and the command line. Zeroed: unix sockets and plain TCP on loopback
 * only.
 */
struct control {
	char *ca, *cert, *key; /* NULL: none of the three */
	bool plain;            /* TCP without TLS beyond this host too */
};

/* The keys ssl-ca, ssl-cert, ssl-key and plain-tcp of the daemon's own file; s may be NULL. */
int control_read(struct control *c, const struct settings *s, struct err *e);
/* The three files by name; all NULL: none. */
int control_read_files(struct control *c, const char *ca, const char *cert, const char *key, struct err *e);
/* May this address be used, for listening as for dialling? */
int control_check(const struct control *c, const char *address, struct err *e);
/* May it be dialled? As control_check, and it must be one host's. */
int control_check_dial(const struct control *c, const char *address, struct err *e);
/* The slice's list of all masters: each may be dialled, and the box lets its port through. */
int control_masters(const struct control *c, const json_t *list, struct sandbox_needs *needs, struct err *e);
/* Lets one address's port through for dialling. */
int control_let(const char *address, struct sandbox_needs *needs, struct err *e);
/* Hands the certificates to the link, which borrows them from now on. */
int control_use(const struct control *c, struct link *k, struct err *e);
void control_fini(struct control *c);
