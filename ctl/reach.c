/*
 * Is anybody at a unix socket, or at another host's port? libnng connects in the background and tells nobody
 * why it can't; a person should not wait half a minute to learn that no master runs, or that the socket is
 * not for him.
 */
#include "ctl/reach.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"

enum { LOOK_MS = 50 };

/* 0, or errno. What is busy is there, too. */
static int knock(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int s, rc;

	if (strlen(path) >= sizeof(at.sun_path))
		return 0;
	memcpy(at.sun_path, path, strlen(path) + 1);
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s < 0)
		return 0;
	rc = connect(s, (const struct sockaddr *)&at, sizeof(at)) < 0 ? errno : 0;
	close(s);
	return rc == EAGAIN ? 0 : rc;
}

int ask_reach(const char *path, const char *shown, uint64_t until, const volatile sig_atomic_t *interrupts,
	struct err *e)
{
	int rc;

	/* A master that is being started again is there in a moment. */
	while ((rc = knock(path)) == ENOENT || rc == ECONNREFUSED) {
		if (clock_ms() >= until || (interrupts && *interrupts))
			return err_set(
				e, ERR_ctl_connect, "%s: no master listens there (%s)", shown, strerror(rc));
		clock_sleep_ms(LOOK_MS);
	}
	return rc ? err_set(e, ERR_ctl_connect, "%s: %s", shown, strerror(rc)) : 0;
}

/* 0, or errno; ETIMEDOUT: nobody has said anything. */
static int connect_within(const struct addrinfo *to, unsigned timeout_ms)
{
	int s = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc = 0;
	socklen_t size = sizeof(rc);
	struct pollfd at = {.fd = s, .events = POLLOUT};

	if (s < 0)
		return errno;
	if (connect(s, to->ai_addr, to->ai_addrlen) < 0)
		rc = errno;
	if (rc == EINPROGRESS) {
		int n = poll(&at, 1, (int)timeout_ms);

		if (n == 1)
			getsockopt(s, SOL_SOCKET, SO_ERROR, &rc, &size);
		else
			rc = n < 0 ? errno : ETIMEDOUT;
	}
	close(s);
	return rc;
}

/* At each of a name's addresses, within the time for all: who is silent has its share of what is left. */
static int connect_any(const struct addrinfo *all, unsigned timeout_ms)
{
	uint64_t until = clock_ms() + timeout_ms, now;
	unsigned n = 0;
	int rc = ETIMEDOUT;

	for (const struct addrinfo *at = all; at; at = at->ai_next)
		n++;
	for (const struct addrinfo *at = all; at && rc != 0; at = at->ai_next, n--) {
		now = clock_ms();
		rc = connect_within(at, now < until ? (unsigned)((until - now) / n) : 0);
	}
	return rc;
}

int ask_knock(const struct address *a, const char *text, unsigned timeout_ms, bool *lasts, struct err *e)
{
	const struct addrinfo how = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *all = NULL;
	char port[8];
	int rc;

	snprintf(port, sizeof(port), "%u", (unsigned)a->port);
	rc = getaddrinfo(a->host, port, &how, &all);
	*lasts = rc != 0 && rc != EAI_AGAIN;
	if (rc != 0)
		return err_set(e, ERR_ctl_connect, "%s: %s", text, gai_strerror(rc));
	rc = connect_any(all, timeout_ms);
	freeaddrinfo(all);
	return rc ? err_set(e, ERR_ctl_connect, "%s: no master listens there (%s)", text, strerror(rc)) : 0;
}
