/*
 * A server's address: read from a URL, from and to JSON. Called by ctl (URLs), master and units (JSON). Never
 * prints a password: errors name the part of the URL, not its text, where a password may be near.
 */
#include "common/config/endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/str.h"
#include "common/config/json.h"

enum {
	DEFAULT_PORT = 3306,
	/* Encrypted it becomes base64 of 28 bytes more, which must still fit endpoint.password. */
	PLAIN_PASSWORD_MAX = 350,
};

static const char *const tls_words[] = {"disabled", "preferred", "required", "verify-ca", "verify-identity"};

/* The parameters behind the '?', and where they go. */
static const struct {
	const char *name;
	size_t offset, size;
} params[] = {
	{"tls", offsetof(struct endpoint, tls), sizeof(((struct endpoint *)0)->tls)},
	{"ssl-ca", offsetof(struct endpoint, ssl_ca), sizeof(((struct endpoint *)0)->ssl_ca)},
	{"ssl-cert", offsetof(struct endpoint, ssl_cert), sizeof(((struct endpoint *)0)->ssl_cert)},
	{"ssl-key", offsetof(struct endpoint, ssl_key), sizeof(((struct endpoint *)0)->ssl_key)},
};
enum { NPARAMS = sizeof(params) / sizeof(params[0]) };

static bool tls_known(const char *word)
{
	for (size_t i = 0; i < sizeof(tls_words) / sizeof(tls_words[0]); i++)
		if (strcmp(word, tls_words[i]) == 0)
			return true;
	return false;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte at in[*i], %XX undone, *i moved onto its last character; -1 for a broken %. */
static int decode_byte(struct str in, size_t *i)
{
	int hi, lo;

	if (in.p[*i] != '%')
		return (unsigned char)in.p[*i];
	if (in.n - *i < 3)
		return -1;
	hi = hex_digit(in.p[*i + 1]);
	lo = hex_digit(in.p[*i + 2]);
	*i += 2;
	return hi < 0 || lo < 0 ? -1 : hi * 16 + lo;
}

/* Undoes %XX of one part (named what) into out: at most max bytes and a NUL. */
static int decode(struct str in, const char *what, char *out, size_t max, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		int c = decode_byte(in, &i);

		if (c < 0)
			return err_set(e, ERR_config_bad,
				"in the URL's %s a %% stands without two hex digits behind it (write %% as "
				"%%25)",
				what);
		if (c < 0x20 || c == 0x7f)
			return err_set(e, ERR_config_bad, "a control character in the URL's %s", what);
		if (n >= max)
			return err_set(e, ERR_config_bad, "the URL's %s is longer than %zu bytes", what, max);
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return 0;
}

/* Cuts rest at the first (or last) c: the part before it is returned, rest becomes what is behind it. */
static struct str cut(struct str *rest, char c, bool last, bool *found)
{
	const char *at = NULL;
	struct str head = *rest;

	if (rest->n)
		at = last ? memrchr(rest->p, c, rest->n) : memchr(rest->p, c, rest->n);
	*found = at != NULL;
	if (!at) {
		*rest = (struct str){rest->p + rest->n, 0};
		return head;
	}
	head.n = (size_t)(at - rest->p);
	*rest = (struct str){at + 1, rest->n - head.n - 1};
	return head;
}

static int parse_scheme(const char *url, struct str *rest, struct err *e)
{
	static const char *const schemes[] = {"mysql://", "mariadb://", "tidb://"};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i]);

		if (strncasecmp(url, schemes[i], n) == 0) {
			*rest = str_of(url + n);
			return 0;
		}
	}
	return err_set(e, ERR_config_bad, "a URL begins with mysql://, mariadb:// or tidb://");
}

static int parse_user(struct str login, struct endpoint *ep, struct err *e)
{
	bool has_password;
	struct str user = cut(&login, ':', false, &has_password);

	if (user.n == 0)
		return err_set(e, ERR_config_bad, "no user in the URL: mysql://USER@HOST:PORT");
	if (decode(user, "user", ep->user, sizeof(ep->user) - 1, e) < 0)
		return -1;
	return decode(login, "password", ep->password, PLAIN_PASSWORD_MAX, e);
}

/* A name of letters, digits, dots, dashes and underscores; or an IPv6 address, its zone behind a '%'. */
static int check_host(const char *host, bool bracketed, struct err *e)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	struct in6_addr address;
	char copy[256];

	if (bracketed) {
		snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(host, "%"), host);
		if (inet_pton(AF_INET6, copy, &address) != 1)
			return err_set(e, ERR_config_bad, "`%s` is no IPv6 address", host);
		return 0;
	}
	if (host[0] == '\0')
		return err_set(e, ERR_config_bad, "no host in the URL: mysql://USER@HOST:PORT");
	if (host[strspn(host, ok)] != '\0' || host[0] == '-')
		return err_set(e, ERR_config_bad, "`%s` is no host name or address", host);
	return 0;
}

static int parse_port(struct str text, uint16_t *port, struct err *e)
{
	unsigned n = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9' || i >= 5)
			goto bad;
		n = n * 10 + (unsigned)(text.p[i] - '0');
	}
	if (n < 1 || n > 65535)
		goto bad;
	*port = (uint16_t)n;
	return 0;
bad:
	return err_set(
		e, ERR_config_bad, "`%.*s` is no port (1 to 65535)", text.n > 40 ? 40 : (int)text.n, text.p);
}

static int parse_host(struct str text, struct endpoint *ep, struct err *e)
{
	bool bracketed = text.n > 0 && text.p[0] == '[', closed = true, has_port;
	struct str rest = text, host;

	if (bracketed) {
		rest = (struct str){text.p + 1, text.n - 1};
		host = cut(&rest, ']', false, &closed);
		has_port = rest.n > 0 && rest.p[0] == ':';
		if (!closed || (rest.n > 0 && !has_port))
			return err_set(e, ERR_config_bad, "an IPv6 host is written [::1] or [::1]:3306");
		if (has_port)
			rest = (struct str){rest.p + 1, rest.n - 1};
	} else {
		host = cut(&rest, ':', false, &has_port);
		if (has_port && rest.n && memchr(rest.p, ':', rest.n))
			return err_set(e, ERR_config_bad, "an IPv6 host is written in brackets: [::1]:3306");
	}
	if (decode(host, "host", ep->host, sizeof(ep->host) - 1, e) < 0 ||
		check_host(ep->host, bracketed, e) < 0)
		return -1;
	return has_port ? parse_port(rest, &ep->port, e) : 0;
}

static int parse_param(struct str param, struct endpoint *ep, struct err *e)
{
	bool has_value;
	struct str name = cut(&param, '=', false, &has_value);

	for (size_t i = 0; i < NPARAMS; i++) {
		char *out = (char *)ep + params[i].offset;

		if (!str_is(name, params[i].name))
			continue;
		if (out[0] != '\0')
			return err_set(e, ERR_config_bad, "`%s` is twice in the URL", params[i].name);
		if (!has_value || param.n == 0)
			return err_set(e, ERR_config_bad, "`%s` in the URL has no value", params[i].name);
		return decode(param, params[i].name, out, params[i].size - 1, e);
	}
	return err_set(e, ERR_config_bad,
		"unknown parameter `%.*s` in the URL (there are tls, ssl-ca, ssl-cert, ssl-key)",
		name.n > 60 ? 60 : (int)name.n, name.p);
}

static int parse_params(struct str query, struct endpoint *ep, struct err *e)
{
	bool more = true;

	while (more) {
		struct str param = cut(&query, '&', false, &more);

		if (parse_param(param, ep, e) < 0)
			return -1;
	}
	return 0;
}

/* Whoever names a CA wants it to be used: then the certificate is verified, unless tls says otherwise. */
static int finish_tls(struct endpoint *ep, struct err *e)
{
	bool files = ep->ssl_ca[0] || ep->ssl_cert[0] || ep->ssl_key[0];

	if (!ep->tls[0])
		strcpy(ep->tls, ep->ssl_ca[0] ? "verify-ca" : files ? "required" : "preferred");
	if (!tls_known(ep->tls))
		return err_set(e, ERR_config_bad,
			"tls is `%s`, not disabled, preferred, required, verify-ca or verify-identity",
			ep->tls);
	if (!ep->ssl_cert[0] != !ep->ssl_key[0])
		return err_set(e, ERR_config_bad, "ssl-cert and ssl-key are only of use together");
	if (files && strcmp(ep->tls, "disabled") == 0)
		return err_set(e, ERR_config_bad, "ssl-ca, ssl-cert or ssl-key with tls disabled");
	return 0;
}

static int parse(const char *url, struct endpoint *ep, struct err *e)
{
	bool has_query, has_path, has_user;
	struct str rest = {0}, login, authority, path;

	if (parse_scheme(url, &rest, e) < 0)
		return -1;
	if (rest.n && memchr(rest.p, '#', rest.n))
		return err_set(e, ERR_config_bad, "a # in the URL (in a password write it as %%23)");
	authority = cut(&rest, '?', false, &has_query);
	path = authority;
	authority = cut(&path, '/', false, &has_path);
	/* The last @: people write passwords that hold one. A / or ? in a password cuts it off before. */
	login = cut(&authority, '@', true, &has_user);
	if (!has_user)
		return err_set(e, ERR_config_bad,
			"no user in the URL: mysql://USER@HOST:PORT (in a password write @ / ? as %%40 %%2F "
			"%%3F)");
	if (parse_user(login, ep, e) < 0 || parse_host(authority, ep, e) < 0)
		return -1;
	if (path.n > 0)
		return err_set(e, ERR_config_bad,
			"a database or path behind the URL's host: tables are chosen by rules, not here");
	if (has_query && parse_params(rest, ep, e) < 0)
		return -1;
	return finish_tls(ep, e);
}

int endpoint_parse_url(const char *url, struct endpoint *ep, struct err *e)
{
	memset(ep, 0, sizeof(*ep));
	ep->port = DEFAULT_PORT;
	if (parse(url, ep, e) == 0)
		return 0;
	endpoint_wipe(ep);
	return -1;
}

void endpoint_show(const struct endpoint *ep, char *out, size_t size)
{
	bool v6 = strchr(ep->host, ':') != NULL;

	snprintf(out, size, "mysql://%s@%s%s%s:%u", ep->user, v6 ? "[" : "", ep->host, v6 ? "]" : "",
		(unsigned)ep->port);
}

json_t *endpoint_to_json(const struct endpoint *ep)
{
	json_t *o = json_object();

	json_object_set_new(o, "host", json_string(ep->host));
	json_object_set_new(o, "port", json_integer(ep->port));
	json_object_set_new(o, "user", json_string(ep->user));
	json_object_set_new(o, "password", json_string(ep->password));
	json_object_set_new(o, "tls", json_string(ep->tls[0] ? ep->tls : "preferred"));
	json_object_set_new(o, "ssl_ca", json_string(ep->ssl_ca));
	json_object_set_new(o, "ssl_cert", json_string(ep->ssl_cert));
	json_object_set_new(o, "ssl_key", json_string(ep->ssl_key));
	return o;
}

/* A string member into out; absent is "". */
static int get(const json_t *o, const char *key, char *out, size_t size, struct err *e)
{
	const json_t *v = json_object_get(o, key);

	out[0] = '\0';
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v) || json_string_length(v) >= size)
		return err_set(
			e, ERR_config_bad, "an endpoint's %s is no text of at most %zu bytes", key, size - 1);
	memcpy(out, json_string_value(v), json_string_length(v) + 1);
	return 0;
}

static int from_json(const json_t *o, struct endpoint *ep, struct err *e)
{
	int64_t port = json_num(o, "port", json_object_get(o, "port") ? 0 : DEFAULT_PORT);

	if (!json_is_object(o))
		return err_set(e, ERR_config_bad, "an endpoint is a JSON object");
	if (get(o, "host", ep->host, sizeof(ep->host), e) < 0 ||
		get(o, "user", ep->user, sizeof(ep->user), e) < 0 ||
		get(o, "password", ep->password, sizeof(ep->password), e) < 0 ||
		get(o, "tls", ep->tls, sizeof(ep->tls), e) < 0 ||
		get(o, "ssl_ca", ep->ssl_ca, sizeof(ep->ssl_ca), e) < 0 ||
		get(o, "ssl_cert", ep->ssl_cert, sizeof(ep->ssl_cert), e) < 0 ||
		get(o, "ssl_key", ep->ssl_key, sizeof(ep->ssl_key), e) < 0)
		return -1;
	if (!ep->host[0] || !ep->user[0])
		return err_set(e, ERR_config_bad, "an endpoint without %s", ep->host[0] ? "user" : "host");
	if (port < 1 || port > 65535)
		return err_set(e, ERR_config_bad, "an endpoint's port is not between 1 and 65535");
	ep->port = (uint16_t)port;
	return finish_tls(ep, e);
}

int endpoint_from_json(const json_t *o, struct endpoint *ep, struct err *e)
{
	memset(ep, 0, sizeof(*ep));
	if (from_json(o, ep, e) == 0)
		return 0;
	endpoint_wipe(ep);
	return -1;
}

void endpoint_wipe(struct endpoint *ep)
{
	explicit_bzero(ep->password, sizeof(ep->password));
}
