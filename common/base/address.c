/*
 * Addresses of control sockets. Called by whoever reads them out of a file or a command line, and by link.c;
 * resolves nothing.
 */
#include "common/base/address.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"

static bool good_host(const char *h, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)h[i]) && !strchr("._-:*%", h[i]))
			return false;
	return n > 0 && n < ADDRESS_HOST;
}

static bool read_port(const char *text, uint16_t *port)
{
	unsigned long n = 0;

	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9' || c - text > 4)
			return false;
		n = n * 10 + (unsigned long)(*c - '0');
	}
	*port = (uint16_t)n;
	return n > 0 && n <= UINT16_MAX;
}

/* What the name says, without asking a resolver: localhost is one that every system knows. */
static bool is_loopback(const char *host)
{
	return (strncmp(host, "127.", 4) == 0 && host[strspn(host, "0123456789.")] == 0) ||
	       strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0;
}

static bool is_every(const char *host)
{
	return strcmp(host, "*") == 0 || !host[strspn(host, "0.")] || !host[strspn(host, "0:")];
}

static int parse_host(const char *text, const char *at, struct address *a, struct err *e)
{
	bool brackets = *at == '[';
	const char *end = brackets ? strchr(at, ']') : strrchr(at, ':'), *host = at + brackets;
	const char *port = end ? end + brackets : NULL;
	size_t n = end ? (size_t)(end - host) : 0;

	if (!port || *port != ':' || !good_host(host, n) || (!brackets && memchr(host, ':', n)) ||
		!read_port(port + 1, &a->port))
		return err_set(e, ERR_config_bad,
			"%.200s: HOST:PORT is wanted behind ://, an IPv6 address in brackets", text);
	memcpy(a->host, host, n);
	a->loopback = is_loopback(a->host);
	a->every = is_every(a->host);
	return 0;
}

int address_parse(const char *text, struct address *a, struct err *e)
{
	static const struct {
		const char *scheme;
		enum address_kind kind;
	} schemes[] = {{"tls+tcp://", ADDRESS_TLS}, {"tcp://", ADDRESS_TCP}, {"ipc://", ADDRESS_IPC},
		{"", ADDRESS_IPC}};
	size_t i = 0;

	while (!str_starts(str_of(text), schemes[i].scheme))
		i++;
	*a = (struct address){.kind = schemes[i].kind};
	text += a->kind == ADDRESS_IPC ? strlen(schemes[i].scheme) : 0;
	if (a->kind != ADDRESS_IPC)
		return parse_host(text, text + strlen(schemes[i].scheme), a, e);
	a->path = text;
	a->loopback = true;
	if (!*text || strstr(text, "://"))
		return err_set(e, ERR_config_bad,
			"\"%.200s\": an address is a socket's path, tls+tcp://HOST:PORT or tcp://HOST:PORT",
			text);
	return 0;
}

bool address_is_remote(const char *text)
{
	struct address a;

	return address_parse(text, &a, NULL) == 0 && a.kind != ADDRESS_IPC;
}
