#pragma once
/* Small things of libnng that link.c needs: for it alone. */
#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "common/base/str.h"
#include "common/proc/link.h"

/* A message with these bytes; the process ends where there is no memory. */
nng_msg *link_msg_of(struct str bytes);
/* Borrowed of the message. */
struct str link_bytes(nng_msg *m);
/* host: whose certificate the other side must show; NULL: of a listener, which takes any that its CA made.
 * nng's error, or 0. */
int link_tls_for(const struct link_tls *t, const char *host, nng_tls_config **out);
/* "10.0.0.1:4711", "[::1]:4711". */
void link_remote_address(nng_pipe pipe, char *out, size_t size);
/*
 * nng_close, which ends all aios of the socket (their callbacks see NNG_ECLOSED), waited for a second. False:
 * that of 1.5.2 does not come back, as its reaper waits for a connection's aio that nobody ends (once in some
 * hundred times on a busy machine). What it has must then stay for ever.
 */
bool link_close_in_time(nng_socket sock);
