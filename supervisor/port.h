#pragma once
#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "include/spawn.h"
#include "supervisor/table.h"

/* The supervisor's end of the socketpair with its agent. */
struct port {
	int fd;         /* -1: no agent */
	struct buf out; /* whole struct spawn_rep that the socket did not take yet */
};

struct request {
	struct spawn_req req; /* title made printable and NUL-terminated */
	int config, log;      /* owned; -1 where not exactly two descriptors came */
	bool fds_wrong;       /* another number of descriptors than this type of request has */
};

enum port_result { PORT_NONE, PORT_REQUEST, PORT_CLOSED, PORT_BROKEN };

/* Reads one packet. PORT_BROKEN: not one of ours (size, version, type): the agent is not to be trusted
 * further. */
enum port_result port_receive(struct port *p, struct request *r, struct err *e);
void request_close(struct request *r);
/* May this be done? slots: the highest slot that has a uid. On SPAWN_FAILED error tells the errno. */
enum spawn_refused request_check(const struct request *r, const struct table *t, unsigned slots, int *error);
/* Sends or keeps for port_flush: no report is ever lost while the agent lives. */
void port_send(struct port *p, const struct spawn_rep *rep);
void port_flush(struct port *p);
/* While replies wait, no further request is read: what is kept stays bounded. */
bool port_is_backed_up(const struct port *p);
void port_close(struct port *p);
