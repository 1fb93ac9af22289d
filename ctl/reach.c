/*
 * Is anybody at a unix socket? libnng connects in the background and tells nobody why it can't; a person
 * should not wait half a minute to learn that no master runs, or that the socket is not for him.
 */
#include "ctl/reach.h"

#include <errno.h>
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
