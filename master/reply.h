#pragma once
#include "common/proc/msg.h"
#include "master/master.h"

/* What goes out of the control socket, in pieces where no message holds it (docs/protocol.md). */

/* Takes both. m: NULL where this master does not lead, and has only short answers. */
void reply_answer(struct master *m, struct link_req **req, json_t *answer);
/* answer-page: the next piece of an answer. Takes req. */
void reply_page(struct master *m, struct link_req **req, struct str args);
/* To the agent's poll: its whole wanted state, or the first piece of it, or that nothing is newer. */
void reply_poll(struct master *m, struct agent *a);
/* agent_more. Takes req. */
void reply_more(struct agent *a, struct link_req **req, const struct msg_agent_more *more);
