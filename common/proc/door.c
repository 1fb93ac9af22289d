/*
 * The door of listeners. Of TCP ones, for one more fault of libnng 1.5.2: a TLS client that says nothing, or
 * stops in the middle of its handshake, is never dropped (the time-out ends a send that is not under way
 * instead of the receive that is), and it is not known as a connection before the end of that handshake, so
 * nothing of nng's bounds them. Here accept() is libnng's, as in for_nng.c: it notes who came; link.c says
 * who has come through; the others are hung up on, which libnng takes as it would take it from their own end.
 *
 * At unix sockets the kernel says whose a connection is: no other user of the host may hold more than a
 * quarter of the descriptors, or he would keep everybody out. Counted here, not by nng_pipe_notify: also who
 * says nothing yet holds one, and nng_close of 1.5.2 hangs now and then where that is used (control.md).
 */
#include "common/proc/door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"

struct waiting {
	int fd;
	uint64_t cookie; /* the kernel's number of that socket: libnng may have closed it, and fd be another's
			  */
	uint64_t since_ms;
	char from[DOOR_FROM];
};

/* Another user's, at a unix socket; also one that has gone since. */
struct local {
	int fd;
	uid_t uid;
	uint64_t cookie;
};

/* In order of arrival. One a process, as accept() is. */
static struct door {
	pthread_mutex_t lock;
	unsigned n;
	struct waiting waiting[DOOR_WAITING];
	size_t nlocals, room;
	uint64_t look_ms; /* not before: who of them has gone */
	struct local *locals;
} door = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool cookie_of(int fd, uint64_t *cookie)
{
	socklen_t n = sizeof(*cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &n) == 0;
}

static bool is_there(int fd, uint64_t cookie)
{
	uint64_t now;

	return cookie_of(fd, &now) && now == cookie;
}

static void forget(unsigned i)
{
	door.n--;
	memmove(&door.waiting[i], &door.waiting[i + 1], (door.n - i) * sizeof(door.waiting[0]));
}

/* Room for one more: without those that are gone, that are here for too long, and the oldest where it is
 * full. */
static void make_room(uint64_t now)
{
	for (unsigned i = 0; i < door.n;) {
		struct waiting *w = &door.waiting[i];
		bool there = is_there(w->fd, w->cookie);

		if (there && now < w->since_ms + DOOR_MS) {
			i++;
			continue;
		}
		if (there)
			shutdown(w->fd, SHUT_RDWR);
		forget(i);
	}
	if (door.n < DOOR_WAITING)
		return;
	shutdown(door.waiting[0].fd, SHUT_RDWR);
	forget(0);
}

/* As link.c writes it. False: not by TCP. */
static bool address_of(int fd, char *out)
{
	struct sockaddr_storage a = {0};
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a;
	char host[INET6_ADDRSTRLEN] = "?";
	socklen_t n = sizeof(a);

	if (getpeername(fd, (struct sockaddr *)&a, &n) < 0)
		return false;
	if (a.ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(out, DOOR_FROM, "%s:%u", host, ntohs(v4->sin_port));
	} else if (a.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(out, DOOR_FROM, "[%s]:%u", host, ntohs(v6->sin6_port));
	}
	return a.ss_family == AF_INET || a.ss_family == AF_INET6;
}

static void note(int fd)
{
	struct waiting w = {.fd = fd, .since_ms = clock_ms()};

	if (!address_of(fd, w.from) || !cookie_of(fd, &w.cookie))
		return;
	pthread_mutex_lock(&door.lock);
	make_room(w.since_ms);
	door.waiting[door.n++] = w;
	pthread_mutex_unlock(&door.lock);
}

static size_t count_locals(uid_t uid)
{
	size_t n = 0;

	for (size_t i = 0; i < door.nlocals; i++)
		n += door.locals[i].uid == uid;
	return n;
}

static void forget_gone(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < door.nlocals; i++)
		if (is_there(door.locals[i].fd, door.locals[i].cookie))
			door.locals[kept++] = door.locals[i];
	door.nlocals = kept;
}

/* Who is above his share and goes on knocking costs one look at all that are here each so often, not each
 * time. */
static bool may_look(void)
{
	enum { LOOK_MS = 100 };
	uint64_t now = clock_ms();

	if (now < door.look_ms)
		return false;
	door.look_ms = now + LOOK_MS;
	return true;
}

static bool take_local(const struct local *l, size_t most)
{
	if (door.nlocals == door.room || (count_locals(l->uid) >= most && may_look()))
		forget_gone();
	if (count_locals(l->uid) >= most)
		return false;
	if (door.nlocals == door.room) {
		door.room = 2 * door.room + 16;
		door.locals = xrealloc(door.locals, door.room * sizeof(*door.locals));
	}
	door.locals[door.nlocals++] = *l;
	return true;
}

/* May it come in? Root and our own user could end us anyway, and are who we are there for. */
static bool note_local(int fd)
{
	bool taken;
	struct local l = {.fd = fd};
	struct rlimit files;
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0 || peer.uid == 0 ||
		peer.uid == geteuid() || !cookie_of(fd, &l.cookie) || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return true;
	l.uid = peer.uid;
	pthread_mutex_lock(&door.lock);
	taken = take_local(&l, (size_t)(files.rlim_cur / DOOR_SHARE));
	pthread_mutex_unlock(&door.lock);
	return taken;
}

static bool is_local(int fd)
{
	int domain;
	socklen_t n = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 && domain == AF_UNIX;
}

/* libnng's; nobody else of us calls it (http.c has accept4). */
int accept(int listener, __SOCKADDR_ARG address, socklen_t *restrict n)
{
	int fd = (int)syscall(SYS_accept, listener, address.__sockaddr__, n);
	int kept = errno;

	/* Closed here, not hung up on: until libnng came to that it would hold a descriptor, and a burst of
	 * them all. What ends between connect and accept is no news to libnng. */
	if (fd >= 0 && is_local(fd) && !note_local(fd)) {
		close(fd);
		fd = -1;
		kept = ECONNABORTED;
	} else if (fd >= 0) {
		note(fd); /* of TCP alone */
	}
	errno = kept;
	return fd;
}

void door_let_in(const char *from)
{
	pthread_mutex_lock(&door.lock);
	for (unsigned i = 0; i < door.n;)
		if (strcmp(door.waiting[i].from, from) == 0)
			forget(i);
		else
			i++;
	pthread_mutex_unlock(&door.lock);
}
