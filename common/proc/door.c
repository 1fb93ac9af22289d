/*
 * The door of TCP listeners, for one more fault of libnng 1.5.2: a TLS client that says nothing, or stops in
 * the middle of its handshake, is never dropped (the time-out ends a send that is not under way instead of
 * the receive that is), and it is not known as a connection before the end of that handshake, so nothing of
 * nng's bounds them. Here accept() is libnng's, as in for_nng.c: it notes who came; link.c says who has come
 * through; the others are hung up on, which libnng takes as it would take it from their own end.
 */
#include "common/proc/door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/clock.h"

struct waiting {
	int fd;
	uint64_t cookie; /* the kernel's number of that socket: libnng may have closed it, and fd be another's
			  */
	uint64_t since_ms;
	char from[DOOR_FROM];
};

/* In order of arrival. One a process, as accept() is. */
static struct door {
	pthread_mutex_t lock;
	unsigned n;
	struct waiting waiting[DOOR_WAITING];
} door = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool cookie_of(int fd, uint64_t *cookie)
{
	socklen_t n = sizeof(*cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &n) == 0;
}

static bool is_there(const struct waiting *w)
{
	uint64_t cookie;

	return cookie_of(w->fd, &cookie) && cookie == w->cookie;
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
		bool there = is_there(w);

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

/* libnng's; nobody else of us calls it (http.c has accept4). */
int accept(int listener, __SOCKADDR_ARG address, socklen_t *restrict n)
{
	int fd = (int)syscall(SYS_accept, listener, address.__sockaddr__, n);
	int kept = errno;

	if (fd >= 0)
		note(fd);
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
