#pragma once
#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/proc/loop.h"

/*
 * A small HTTP/1.1 server for /metrics and /healthz: GET and HEAD, one request a connection, everything
 * bounded (docs/design/processes.md says why not a library). All in the main thread.
 */
enum { HTTP_CONNECTIONS = 8, HTTP_REQUEST = 8192, HTTP_MS = 10000 };

struct http_answer {
	int status;       /* 200, 404, 503 */
	const char *type; /* of the body; static */
	struct buf body;
};
/* Fills a; it begins as 404 with no body. */
typedef void http_handler(void *arg, const char *path, struct http_answer *a);

struct http;

/*
 * "127.0.0.1:8262", "[::1]:8262" or a port alone, which is on 127.0.0.1: a listening socket, made before the
 * box closes, in which no port may be listened on. -1 with e: ERR_config_bad for what is no address, ERR_io
 * where it can't be had.
 */
int http_listen(const char *address, struct err *e);
/* Takes fd. */
struct http *http_new(struct loop *l, int fd, http_handler *on, void *arg);
/* Before the loop. */
void http_free(struct http **h);
