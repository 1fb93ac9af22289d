#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

/* Where a control socket is: "tls+tcp://HOST:PORT", "tcp://HOST:PORT", "ipc://PATH", or the path alone. */
enum address_kind { ADDRESS_IPC, ADDRESS_TCP, ADDRESS_TLS };

enum { ADDRESS_HOST = 254 };

struct address {
	enum address_kind kind;
	const char *path;        /* ADDRESS_IPC: borrowed from the text */
	char host[ADDRESS_HOST]; /* else: a name or number; "*": every address of this host */
	uint16_t port;
	bool loopback; /* only this host can be at the other end */
	bool every;    /* every address of this host: to listen at, nobody's to dial */
};

/* -1: ERR_config_bad, one line. */
int address_parse(const char *text, struct address *a, struct err *e);
/* Another host's, or this one's by TCP: a socket whose other end the kernel does not name. What is no address
 * is not. */
bool address_is_remote(const char *text);
