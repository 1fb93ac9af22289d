/*
 * All that the agent can say to the supervisor, checked: fixed-size packets with at most two descriptors. The
 * agent faces the network, so nothing here trusts it; the configuration slice is looked at only for its
 * seals, never read (T33). Decides nothing about processes: supervisor/units.c acts.
 */
#include "supervisor/port.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/io.h"
#include "unit.h"

enum { FDS_WANTED = 2, FDS_ROOM = 4, SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

/* Takes the descriptors out of a control message; all that came are in got, at most FDS_ROOM (the kernel
 * drops more). */
static unsigned take_fds(struct msghdr *m, int got[FDS_ROOM])
{
	unsigned n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n < FDS_ROOM)
				got[n++] = fd;
			else
				close(fd);
		}
	}
	return n;
}

/* Exactly two for a start, none for the rest; what is not wanted is closed at once. */
static void keep_fds(struct request *r, const int *got, unsigned n, bool cut)
{
	unsigned wanted = r->req.type == SPAWN_REQ_START ? FDS_WANTED : 0;

	if (n == wanted && !cut) {
		if (n == FDS_WANTED) {
			r->config = got[0];
			r->log = got[1];
		}
		return;
	}
	r->fds_wrong = true;
	for (unsigned i = 0; i < n; i++)
		close(got[i]);
}

/* It goes into argv and the log. */
static void clean_title(char title[SPAWN_TITLE])
{
	title[SPAWN_TITLE - 1] = '\0';
	for (char *c = title; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
}

static enum port_result read_packet(int fd, struct request *r, struct msghdr *m, size_t *n, struct err *e)
{
	ssize_t got = recvmsg(fd, m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return PORT_NONE;
	if (got < 0 && errno != ECONNRESET) {
		err_sys(e, ERR_proto, "reading from the agent");
		return PORT_BROKEN;
	}
	*n = got > 0 ? (size_t)got : 0;
	(void)r;
	return got <= 0 ? PORT_CLOSED : PORT_REQUEST;
}

enum port_result port_receive(struct port *p, struct request *r, struct err *e)
{
	union {
		char bytes[CMSG_SPACE(FDS_ROOM * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec io = {&r->req, sizeof(r->req)};
	struct msghdr m = {.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	int got[FDS_ROOM];
	enum port_result result;
	size_t n = 0;

	*r = (struct request){.config = -1, .log = -1};
	result = read_packet(p->fd, r, &m, &n, e);
	if (result != PORT_REQUEST)
		return result;
	keep_fds(r, got, take_fds(&m, got), m.msg_flags & MSG_CTRUNC);
	if (n != sizeof(r->req) || (m.msg_flags & MSG_TRUNC) || r->req.proto != SPAWN_PROTO ||
		(r->req.type != SPAWN_REQ_START && r->req.type != SPAWN_REQ_SIGNAL)) {
		request_close(r);
		err_set(e, ERR_proto, "a packet of the agent with %zu bytes, protocol %u, type %u", n,
			(unsigned)r->req.proto, (unsigned)r->req.type);
		return PORT_BROKEN;
	}
	clean_title(r->req.title);
	return PORT_REQUEST;
}

void request_close(struct request *r)
{
	io_close(&r->config);
	io_close(&r->log);
}

/* A slice that can still be changed could be swapped under the unit; a log that is no pipe could be any file.
 */
static bool fds_good(const struct request *r)
{
	struct stat st;
	int seals, flags;

	if (r->fds_wrong)
		return false;
	seals = fcntl(r->config, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS)
		return false;
	flags = fcntl(r->log, F_GETFL);
	return flags >= 0 && (flags & O_ACCMODE) == O_WRONLY && fstat(r->log, &st) == 0 &&
	       S_ISFIFO(st.st_mode);
}

static bool slot_good(const struct spawn_req *q, const struct unit_info *u, unsigned slots)
{
	if (q->slot < 1 || q->slot > slots || q->slot > SPAWN_MAX_SLOT)
		return false;
	if (u->per == UNIT_PER_SOURCE)
		return q->sub == 0;
	return q->sub >= 1 && q->sub <= SPAWN_MAX_SUB;
}

static enum spawn_refused check_signal(const struct request *r, const struct table *t, int *error)
{
	if (r->fds_wrong)
		return SPAWN_BAD_FDS;
	if (r->req.signo != SIGTERM && r->req.signo != SIGKILL)
		*error = EINVAL;
	else if (!table_find(t, r->req.kind, r->req.slot, r->req.sub))
		*error = ESRCH;
	return *error ? SPAWN_FAILED : SPAWN_OK;
}

enum spawn_refused request_check(const struct request *r, const struct table *t, unsigned slots, int *error)
{
	const struct spawn_req *q = &r->req;
	const struct unit_info *u = q->kind < UNIT_KIND_END ? unit_info((int)q->kind) : NULL;

	*error = 0;
	if (!u || u->per == UNIT_PER_HOST)
		return SPAWN_BAD_KIND;
	if (!slot_good(q, u, slots))
		return SPAWN_BAD_SLOT;
	if (q->type == SPAWN_REQ_SIGNAL)
		return check_signal(r, t, error);
	if (!fds_good(r))
		return SPAWN_BAD_FDS;
	return table_find(t, q->kind, q->slot, q->sub) ? SPAWN_BUSY : SPAWN_OK;
}

/* 1: sent; 0: the socket is full; an agent that is gone takes its reports with it. */
static int send_one(int fd, const void *rep)
{
	ssize_t n = send(fd, rep, sizeof(struct spawn_rep), MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR) ? 0 : 1;
}

void port_flush(struct port *p)
{
	while (p->fd >= 0 && p->out.n >= sizeof(struct spawn_rep) && send_one(p->fd, p->out.p))
		buf_cut_front(&p->out, sizeof(struct spawn_rep));
}

void port_send(struct port *p, const struct spawn_rep *rep)
{
	if (p->fd < 0)
		return;
	if (p->out.n == 0 && send_one(p->fd, rep))
		return;
	buf_put(&p->out, rep, sizeof(*rep));
}

bool port_is_backed_up(const struct port *p)
{
	return p->out.n > 0;
}

void port_close(struct port *p)
{
	io_close(&p->fd);
	buf_free(&p->out);
}
