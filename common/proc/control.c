/*
 * What the control socket between hosts is allowed to be. Called by agent and master before their box closes
 * (files), and after it (link); by the command line with files of its own.
 */
#include "common/proc/control.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/address.h"
#include "common/base/io.h"
#include "common/base/xalloc.h"

enum { PEM_MAX = 256 << 10 };

static int read_pem(const char *path, char **out, struct err *e)
{
	struct buf b = {0};

	if (io_read_file(AT_FDCWD, path, PEM_MAX, &b, e) < 0) {
		if (e)
			e->code = ERR_config_bad;
		return -1;
	}
	*out = xstrndup(b.p, b.n);
	explicit_bzero(b.p, b.n);
	buf_free(&b);
	return 0;
}

/* A key that anybody can read proves nothing. */
static int check_mode(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(e, ERR_config_bad, "%s", path);
	if (st.st_mode & 007)
		return err_set(e, ERR_config_bad, "%s may be read by everybody: chmod 0640 or 0600", path);
	return 0;
}

int control_read_files(struct control *c, const char *ca, const char *cert, const char *key, struct err *e)
{
	if (!ca && !cert && !key)
		return 0;
	if (!ca || !cert || !key)
		return err_set(e, ERR_config_bad,
			"ssl-ca, ssl-cert and ssl-key go together: both sides show a certificate");
	if (check_mode(key, e) < 0 || read_pem(ca, &c->ca, e) < 0 || read_pem(cert, &c->cert, e) < 0)
		return -1;
	return read_pem(key, &c->key, e);
}

int control_read(struct control *c, const struct settings *s, struct err *e)
{
	const char *plain = settings_get(s, "plain-tcp");

	c->plain = plain && strcmp(plain, "yes") == 0;
	return control_read_files(
		c, settings_get(s, "ssl-ca"), settings_get(s, "ssl-cert"), settings_get(s, "ssl-key"), e);
}

int control_check(const struct control *c, const char *address, struct err *e)
{
	struct address a;

	if (address_parse(address, &a, e) < 0)
		return -1;
	if (a.kind == ADDRESS_TLS && !c->ca)
		return err_set(e, ERR_config_bad, "%s wants certificates: set ssl-ca, ssl-cert and ssl-key",
			address);
	if (a.kind == ADDRESS_TCP && !a.loopback && !c->plain)
		return err_set(e, ERR_config_bad,
			"%s leaves this host without TLS: use tls+tcp://, or say `plain-tcp = yes`", address);
	return 0;
}

int control_check_dial(const struct control *c, const char *address, struct err *e)
{
	struct address a;

	if (control_check(c, address, e) < 0 || address_parse(address, &a, e) < 0)
		return -1;
	if (a.every)
		return err_set(e, ERR_config_bad,
			"%s can be listened at, but not dialled: name the host, as in "
			"%s://db1.example.org:%u",
			address, a.kind == ADDRESS_TLS ? "tls+tcp" : "tcp", a.port);
	return 0;
}

int control_let(const char *address, struct sandbox_needs *needs, struct err *e)
{
	struct address a;
	size_t i = 0;

	if (address_parse(address, &a, e) < 0)
		return -1;
	if (a.kind == ADDRESS_IPC)
		return 0;
	while (i < SANDBOX_MASTERS && needs->masters[i] && needs->masters[i] != a.port)
		i++;
	if (i == SANDBOX_MASTERS)
		return err_set(e, ERR_config_bad, "masters have %d ports at most", SANDBOX_MASTERS);
	needs->masters[i] = a.port;
	return 0;
}

int control_masters(const struct control *c, const json_t *list, struct sandbox_needs *needs, struct err *e)
{
	const json_t *address;
	size_t i;

	json_array_foreach(list, i, address) {
		const char *text = json_is_string(address) ? json_string_value(address) : "";

		if (control_check_dial(c, text, e) < 0 || control_let(text, needs, e) < 0)
			return err_add(e, "masters");
	}
	return 0;
}

int control_use(const struct control *c, struct link *k, struct err *e)
{
	return c->ca ? link_use_tls(k, &(struct link_tls){c->ca, c->cert, c->key}, e) : 0;
}

void control_fini(struct control *c)
{
	if (c->key)
		explicit_bzero(c->key, strlen(c->key));
	free(c->ca);
	free(c->cert);
	free(c->key);
	*c = (struct control){0};
}
