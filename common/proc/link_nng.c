/* What link.c needs of libnng besides sockets: messages, TLS, addresses, and an end that comes. */
#include "common/proc/link_nng.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/within.h"
#include "common/base/xalloc.h"

enum { CLOSE_MS = 1000, STUCK_MS = 50 };

nng_msg *link_msg_of(struct str bytes)
{
	nng_msg *m = NULL;

	if (nng_msg_alloc(&m, 0) != 0 || nng_msg_append(m, bytes.p, bytes.n) != 0) {
		log_error("out of memory");
		exit(70); /* as xalloc: the process is started again */
	}
	return m;
}

struct str link_bytes(nng_msg *m)
{
	return (struct str){nng_msg_body(m), nng_msg_len(m)};
}

int link_tls_for(const struct link_tls *t, const char *host, nng_tls_config **out)
{
	nng_tls_config *c = NULL;
	int rv = t->ca ? 0 : NNG_ENOENT;

	if (rv == 0)
		rv = nng_tls_config_alloc(&c, host ? NNG_TLS_MODE_CLIENT : NNG_TLS_MODE_SERVER);
	if (rv == 0)
		rv = nng_tls_config_version(c, NNG_TLS_1_2, NNG_TLS_1_3);
	if (rv == 0)
		rv = nng_tls_config_ca_chain(c, t->ca, NULL);
	if (rv == 0)
		rv = nng_tls_config_own_cert(c, t->cert, t->key, NULL);
	if (rv == 0 && host)
		rv = nng_tls_config_server_name(c, host);
	if (rv == 0)
		rv = nng_tls_config_auth_mode(c, NNG_TLS_AUTH_MODE_REQUIRED);
	if (rv != 0 && c)
		nng_tls_config_free(c);
	*out = rv == 0 ? c : NULL;
	return rv;
}

void link_remote_address(nng_pipe pipe, char *out, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "?";
	nng_sockaddr a = {0};
	uint16_t port = 0;

	if (nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &a) == 0 && a.s_family == NNG_AF_INET) {
		inet_ntop(AF_INET, &a.s_in.sa_addr, host, sizeof host);
		port = ntohs(a.s_in.sa_port);
	} else if (a.s_family == NNG_AF_INET6) {
		inet_ntop(AF_INET6, a.s_in6.sa_addr, host, sizeof host);
		port = ntohs(a.s_in6.sa_port);
	}
	snprintf(out, size, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}

static void close_it(void *sock)
{
	nng_close(*(nng_socket *)sock);
	free(sock);
}

bool link_close_in_time(nng_socket sock)
{
	static atomic_bool stuck; /* the reaper is one for the process: later sockets won't fare better */
	nng_socket *own = xcalloc(1, sizeof(*own));

	*own = sock;
	if (within(close_it, own, atomic_load(&stuck) ? STUCK_MS : CLOSE_MS))
		return true;
	if (!atomic_exchange(&stuck, true))
		log_warn("libnng does not close a socket: its memory is left to it");
	return false;
}
