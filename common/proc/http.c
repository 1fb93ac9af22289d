/*
 * Answers scrapes. Called by the skeleton of agent and master. Whoever may connect may ask, so a request is
 * read up to a bound of bytes and time, never trusted, and answered from memory; there is nothing to change.
 */
#include "common/proc/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/xalloc.h"

enum { BACKLOG = 16, PATH_MAX_ = 256 };

struct http_client {
	struct http_client *next;
	struct http *http;
	int fd;
	uint64_t timer;
	struct buf in, out;
	size_t sent;
	bool answering;
};

struct http {
	struct loop *loop;
	int fd;
	http_handler *on;
	void *arg;
	struct http_client *clients;
	unsigned n;
	uint64_t again; /* the timer of a listener that rests; 0: it listens */
};

/* --- listening --- */

/* The port behind the last colon, or the whole text. 0: none. */
static unsigned read_port(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	return *text < '0' || *text > '9' || *end || n > 65535 ? 0 : (unsigned)n;
}

/* "[::1]" or "127.0.0.1" of n bytes. */
static bool read_host(
	const char *text, size_t n, unsigned port, struct sockaddr_storage *out, socklen_t *size)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)out;
	struct sockaddr_in *four = (struct sockaddr_in *)(void *)out;
	bool brackets = n >= 2 && text[0] == '[' && text[n - 1] == ']';
	char host[64];

	memset(out, 0, sizeof(*out));
	if (n >= sizeof(host))
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)(brackets ? n - 2 : n), brackets ? text + 1 : text);
	if (brackets && inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
		*size = sizeof(*six);
		return true;
	}
	four->sin_family = AF_INET;
	four->sin_port = htons((uint16_t)port);
	*size = sizeof(*four);
	return !brackets && inet_pton(AF_INET, host, &four->sin_addr) == 1;
}

static bool read_address(const char *text, struct sockaddr_storage *out, socklen_t *size)
{
	static const char loopback[] = "127.0.0.1";
	const char *colon = strrchr(text, ':');
	unsigned port = read_port(colon ? colon + 1 : text);

	if (!port)
		return false;
	if (!colon || colon == text)
		return read_host(loopback, sizeof(loopback) - 1, port, out, size);
	return read_host(text, (size_t)(colon - text), port, out, size);
}

int http_listen(const char *address, struct err *e)
{
	struct sockaddr_storage at;
	socklen_t size;
	int fd, yes = 1;

	if (!read_address(address, &at, &size))
		return err_set(e, ERR_config_bad,
			"`%.100s` is no address with a port: as 127.0.0.1:8262, [::1]:8262 or 8262", address);
	fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, ERR_io, "a socket for %s", address);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&at, size) < 0 || listen(fd, BACKLOG) < 0) {
		err_sys(e, ERR_io, "listening on %s", address);
		close(fd);
		return -1;
	}
	return fd;
}

/* --- one client --- */

static void drop(struct http_client *c)
{
	struct http *h = c->http;

	for (struct http_client **at = &h->clients; *at; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			break;
		}
	h->n--;
	loop_timer_stop(h->loop, c->timer);
	loop_del(h->loop, c->fd);
	close(c->fd);
	buf_free(&c->in);
	buf_free(&c->out);
	free(c);
}

static const char *reason_of(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 431:
		return "Request Header Fields Too Large";
	default:
		return "Service Unavailable";
	}
}

static void put_answer(struct http_client *c, const struct http_answer *a, bool head)
{
	buf_putf(&c->out,
		"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n"
		"X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n%s\r\n",
		a->status, reason_of(a->status), a->type, a->body.n,
		a->status == 405 ? "Allow: GET, HEAD\r\n" : "");
	if (!head)
		buf_put(&c->out, a->body.p, a->body.n);
}

static void answer_status(struct http_client *c, int status)
{
	struct http_answer a = {.status = status, .type = "text/plain; charset=utf-8"};

	buf_putf(&a.body, "%s\n", reason_of(status));
	put_answer(c, &a, false);
	buf_free(&a.body);
}

/* "GET /metrics?x HTTP/1.1": the path without its question, into out. */
static int read_request(const char *line, bool *head, char out[PATH_MAX_])
{
	const char *path = strchr(line, ' '), *end = path ? strchr(path + 1, ' ') : NULL;
	size_t n;

	if (!end || strncmp(end + 1, "HTTP/1.", 7) != 0 || path[1] != '/')
		return 400;
	*head = strncmp(line, "HEAD ", 5) == 0;
	if (!*head && strncmp(line, "GET ", 4) != 0)
		return 405;
	n = strcspn(path + 1, "? ");
	if (n >= PATH_MAX_)
		return 404;
	snprintf(out, PATH_MAX_, "%.*s", (int)n, path + 1);
	return 200;
}

static void answer(struct http_client *c)
{
	struct http_answer a = {.status = 404, .type = "text/plain; charset=utf-8"};
	char path[PATH_MAX_];
	bool head = false;
	int status;

	buf_put(&c->in, "", 1);
	if (strlen(c->in.p) + 1 != c->in.n)
		status = 400; /* a byte 0 in it */
	else
		status = read_request(c->in.p, &head, path);
	if (status != 200) {
		answer_status(c, status);
		return;
	}
	c->http->on(c->http->arg, path, &a);
	if (a.status == 404 && a.body.n == 0)
		buf_putf(&a.body, "/metrics and /healthz are here\n");
	put_answer(c, &a, head);
	buf_free(&a.body);
}

/* What is left to send; the end of it is the end of the connection. */
static void send_more(struct http_client *c)
{
	while (c->sent < c->out.n) {
		ssize_t n = send(c->fd, c->out.p + c->sent, c->out.n - c->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			loop_mod(c->http->loop, c->fd, EPOLLOUT);
			return;
		}
		if (n < 0)
			break;
		c->sent += (size_t)n;
	}
	shutdown(c->fd, SHUT_WR);
	drop(c);
}

static bool is_whole(const struct buf *b)
{
	return b->n >= 4 && memmem(b->p, b->n, "\r\n\r\n", 4);
}

/* True: the request is there, or can't be one. False: more is to come, or the connection was dropped. */
static bool read_more(struct http_client *c)
{
	for (;;) {
		ssize_t n = recv(c->fd, buf_room(&c->in, 1024), 1024, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return false;
		if (n <= 0) {
			drop(c);
			return false;
		}
		c->in.n += (size_t)n;
		if (is_whole(&c->in) || c->in.n > HTTP_REQUEST)
			return true;
	}
}

static void on_client(void *arg, uint32_t events)
{
	struct http_client *c = arg;

	(void)events;
	if (!c->answering) {
		if (!read_more(c))
			return;
		c->answering = true;
		if (is_whole(&c->in))
			answer(c);
		else
			answer_status(c, 431);
	}
	send_more(c);
}

static void on_late(void *arg)
{
	drop(arg);
}

enum { REST_MS = 1000 };

static void on_listener(void *arg, uint32_t events);

static void listen_again(void *arg)
{
	struct http *h = arg;

	h->again = 0;
	loop_add(h->loop, h->fd, on_listener, h);
}

static void on_listener(void *arg, uint32_t events)
{
	struct http *h = arg;
	struct http_client *c;
	int fd = accept4(h->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	/* Without a descriptor for it the connection stays in the queue, and the listener would be ready for
	 * ever. */
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
		loop_del(h->loop, h->fd);
		h->again = loop_timer(h->loop, REST_MS, listen_again, h);
	}
	if (fd < 0)
		return;
	if (h->n >= HTTP_CONNECTIONS) {
		close(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	*c = (struct http_client){.next = h->clients, .http = h, .fd = fd};
	h->clients = c;
	h->n++;
	c->timer = loop_timer(h->loop, HTTP_MS, on_late, c);
	loop_add(h->loop, fd, on_client, c);
}

struct http *http_new(struct loop *l, int fd, http_handler *on, void *arg)
{
	struct http *h = xcalloc(1, sizeof(*h));

	*h = (struct http){.loop = l, .fd = fd, .on = on, .arg = arg};
	loop_add(l, fd, on_listener, h);
	return h;
}

void http_free(struct http **hp)
{
	struct http *h = *hp;

	if (!h)
		return;
	while (h->clients)
		drop(h->clients);
	if (h->again)
		loop_timer_stop(h->loop, h->again);
	else
		loop_del(h->loop, h->fd);
	close(h->fd);
	free(h);
	*hp = NULL;
}
