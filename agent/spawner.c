/*
 * Asking the supervisor for processes (include/spawn.h): packets out, packets in, nothing else. Called by
 * agent/proc.c; keeps no table.
 */
#include "agent/spawner.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static int send_request(struct spawner *s, const struct spawn_req *q, const int *fds, struct err *e)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec io = {(void *)(uintptr_t)q, sizeof(*q)};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};

	memset(&control, 0, sizeof(control));
	if (fds) {
		struct cmsghdr *c;

		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(2 * sizeof(int));
		memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
	}
	if (sendmsg(s->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(*q))
		return 0;
	/* Full of requests, or too many descriptors are under way: it takes them in a moment. */
	if (errno == EAGAIN || errno == EINTR || errno == ETOOMANYREFS || errno == ENOBUFS)
		return 1;
	return err_sys(e, ERR_spawn, "asking the supervisor");
}

int spawner_start(struct spawner *s, struct spawn_req *q, const int fds[2], struct err *e)
{
	q->proto = SPAWN_PROTO;
	q->type = SPAWN_REQ_START;
	q->request = ++s->requests;
	return send_request(s, q, fds, e);
}

int spawner_signal(struct spawner *s, struct spawn_req *q, struct err *e)
{
	q->proto = SPAWN_PROTO;
	q->type = SPAWN_REQ_SIGNAL;
	q->request = ++s->requests;
	return send_request(s, q, NULL, e);
}

int spawner_next(struct spawner *s, struct spawn_rep *rep, struct err *e)
{
	ssize_t n = recv(s->fd, rep, sizeof(*rep), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return err_sys(e, ERR_spawn, "reading from the supervisor");
	if (n == 0)
		return err_set(e, ERR_spawn, "the supervisor is gone");
	if (n != (ssize_t)sizeof(*rep) || rep->proto != SPAWN_PROTO)
		return err_set(e, ERR_spawn, "a packet of the supervisor with %zd bytes, protocol %u", n,
			rep->proto);
	return 1;
}

const char *spawn_refused_text(uint32_t why)
{
	static const char *const text[] = {
		[SPAWN_OK] = "nothing",
		[SPAWN_BAD_KIND] = "this kind may not be asked for",
		[SPAWN_BAD_SLOT] = "slot or sub is out of the supervisor's range",
		[SPAWN_BUSY] = "one is alive already",
		[SPAWN_BAD_FDS] = "slice or log pipe is not as it should be",
		[SPAWN_FAILED] = "it can't be started",
		[SPAWN_LEAVING] = "the supervisor is leaving",
	};

	return why <= SPAWN_LEAVING ? text[why] : "an unknown reason";
}
