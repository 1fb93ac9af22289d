/*
 * The address of a cluster's store, etcd[s]://…, taken apart. Called by main.c and the tools before anything
 * is asked. It never holds a password but the one of the password file: an address is seen in argv.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/io.h"
#include "common/config/json.h"
#include "master/etcd.h"

enum { PORT = 2379 };

static int bad(struct err *e, const char *what, struct str text)
{
	return err_set(e, ERR_config_bad,
		"the store's address: %s `%.*s`; as in "
		"etcds://user@host:2379,host2:2379/tidegate?ca=/etc/x.pem",
		what, (int)(text.n > 100 ? 100 : text.n), text.p);
}

/* Copies, and refuses what would need escaping anywhere: it goes into JSON, URLs and log lines. */
static int take(struct str from, char *out, size_t size, const char *what, struct err *e)
{
	for (size_t i = 0; i < from.n; i++)
		if (from.p[i] <= ' ' || from.p[i] > '~' || strchr("\"\\%`", from.p[i]))
			return bad(e, what, from);
	if (from.n >= size)
		return bad(e, what, from);
	memcpy(out, from.p, from.n);
	out[from.n] = '\0';
	return 0;
}

/* Up to the first of the characters, or the end; moves at behind what was taken. */
static struct str part(const char **at, const char *end_at)
{
	struct str s = {*at, strcspn(*at, end_at)};

	*at += s.n;
	return s;
}

static int take_number(
	struct str s, unsigned min, unsigned max, unsigned *out, const char *what, struct err *e)
{
	unsigned v = 0;

	if (s.n == 0 || s.n > 5 || strspn(s.p, "0123456789") < s.n)
		return bad(e, what, s);
	for (size_t i = 0; i < s.n; i++)
		v = v * 10 + (unsigned)(s.p[i] - '0');
	if (v < min || v > max)
		return bad(e, what, s);
	*out = v;
	return 0;
}

/* "host", "host:port", "[::1]:port" */
static int take_host(struct etcd_conf *c, struct str s, struct err *e)
{
	struct etcd_host *h = &c->hosts[c->nhosts];
	struct str name = s;
	unsigned port = PORT;
	const char *colon;

	if (c->nhosts == ETCD_HOSTS)
		return bad(e, "more hosts than it takes", s);
	if (s.n > 0 && s.p[0] == '[') {
		const char *close = memchr(s.p, ']', s.n);

		if (!close)
			return bad(e, "host", s);
		name = (struct str){s.p, (size_t)(close - s.p) + 1};
		colon = close + 1 < s.p + s.n ? close + 1 : NULL;
	} else {
		colon = memchr(s.p, ':', s.n);
		name.n = colon ? (size_t)(colon - s.p) : s.n;
	}
	if (colon && (*colon != ':' || take_number((struct str){colon + 1, s.n - (size_t)(colon + 1 - s.p)},
					       1, 65535, &port, "port", e) < 0))
		return bad(e, "port", s);
	if (name.n == 0 || take(name, h->name, sizeof(h->name), "host", e) < 0)
		return bad(e, "host", s);
	h->port = (uint16_t)port;
	c->nhosts++;
	return 0;
}

static int take_file(struct str value, char *out, struct err *e)
{
	if (value.n == 0 || value.p[0] != '/')
		return bad(e, "files are named by absolute paths, not", value);
	return take(value, out, ETCD_TEXT, "file", e);
}

static int take_option(struct etcd_conf *c, struct str name, struct str value, struct err *e)
{
	if (str_is(name, "ca"))
		return take_file(value, c->ca, e);
	if (str_is(name, "cert"))
		return take_file(value, c->cert, e);
	if (str_is(name, "key"))
		return take_file(value, c->key, e);
	if (str_is(name, "password-file"))
		return take_file(value, c->password_file, e);
	if (str_is(name, "lease"))
		return take_number(
			value, ETCD_LEASE_MIN_S, ETCD_LEASE_MAX_S, &c->lease_s, "lease (3 to 60 seconds)", e);
	return bad(e, "unknown option", name);
}

static int take_options(struct etcd_conf *c, const char *at, struct err *e)
{
	while (*at) {
		struct str name, value;

		at++; /* '?' or '&' */
		name = part(&at, "=&");
		if (*at != '=')
			return bad(e, "option without a value", name);
		at++;
		value = part(&at, "&");
		if (take_option(c, name, value, e) < 0)
			return -1;
	}
	return 0;
}

static int take_prefix(struct etcd_conf *c, struct str s, struct err *e)
{
	while (s.n > 0 && s.p[s.n - 1] == '/')
		s.n--;
	return take(s.n ? s : STR_LIT("/tidegate"), c->prefix, sizeof(c->prefix), "prefix", e);
}

static int check(const struct etcd_conf *c, struct err *e)
{
	if (!c->cert[0] != !c->key[0])
		return err_set(e, ERR_config_bad, "the store's address: cert and key come together");
	if (!c->tls && (c->ca[0] || c->cert[0]))
		return err_set(e, ERR_config_bad, "the store's address: certificates are for etcds://");
	if (!c->user[0] != !c->password_file[0])
		return err_set(
			e, ERR_config_bad, "the store's address: a user and password-file come together");
	return 0;
}

/*
 * "user@", where there is one. An @ further on, or in front of it what a user's name has not, is a
 * password's: refused without repeating any of it.
 */
static int take_user(struct etcd_conf *c, const char **at, struct err *e)
{
	size_t options = strcspn(*at, "?"), n = options + strcspn(*at + options, "=");
	const char *last = memrchr(*at, '@', n);
	struct str s;

	if (!last)
		return 0;
	s = part(at, "@:/?");
	if (*at != last)
		return err_set(e, ERR_config_bad,
			"the store's address: a password comes by password-file, everybody can see this one");
	++*at;
	return take(s, c->user, sizeof(c->user), "user", e);
}

int etcd_conf_parse(const char *url, struct etcd_conf *c, struct err *e)
{
	const char *at = url;

	*c = (struct etcd_conf){.lease_s = ETCD_LEASE_S};
	c->tls = strncmp(at, "etcds://", 8) == 0;
	if (!c->tls && strncmp(at, "etcd://", 7) != 0)
		return err_set(e, ERR_config_bad, "the store's address: it begins with etcd:// or etcds://");
	at += c->tls ? 8 : 7;
	if (take_user(c, &at, e) < 0)
		return -1;
	do {
		if (take_host(c, part(&at, ",/?"), e) < 0)
			return -1;
	} while (*at == ',' && at++);
	if (take_prefix(c, part(&at, "?"), e) < 0 || take_options(c, at, e) < 0)
		return -1;
	return check(c, e);
}

int etcd_conf_secret(struct etcd_conf *c, struct err *e)
{
	struct buf b = {0};
	size_t n;
	int r = 0;

	if (!c->password_file[0])
		return 0;
	if (io_read_file(AT_FDCWD, c->password_file, sizeof(c->password) - 1, &b, e) < 0)
		return err_add(e, "the store's password-file");
	n = strcspn(buf_cstr(&b), "\r\n");
	if (n == 0 || n >= sizeof(c->password))
		r = err_set(e, ERR_config_bad,
			"the store's password-file %s has no password in its first line", c->password_file);
	else
		snprintf(c->password, sizeof(c->password), "%.*s", (int)n, b.p);
	explicit_bzero(b.p, b.n);
	buf_free(&b);
	return r;
}

bool etcd_conf_is_open(const struct etcd_conf *c)
{
	for (unsigned i = 0; i < c->nhosts && !c->tls; i++)
		if (strncmp(c->hosts[i].name, "127.", 4) != 0 && strcmp(c->hosts[i].name, "localhost") != 0 &&
			strcmp(c->hosts[i].name, "[::1]") != 0)
			return true;
	return false;
}
