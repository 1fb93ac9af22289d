/*
 * systemd's readiness protocol, a datagram to the socket it names: our own few lines, so that the powerful
 * process loads no library for it. Called by the supervisor's loop; a manager that does not listen is no
 * error.
 */
#include "supervisor/notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_send(const char *address, const char *text)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t n = address ? strlen(address) : 0;
	int fd;

	if (n < 2 || n >= sizeof(to.sun_path) || (address[0] != '/' && address[0] != '@'))
		return;
	memcpy(to.sun_path, address, n);
	if (to.sun_path[0] == '@') /* an abstract address */
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&to,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(fd);
}
