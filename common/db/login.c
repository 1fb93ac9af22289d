/*
 * Why a server did not let us in, as one of our errors with what to do. Used by db_open; pure. Says host,
 * port and user, never the password.
 */
#include <stdio.h>
#include <strings.h>

#include "common/db/internal.h"

enum {
	NO_TCP_CONNECTION = 2002,
	NO_CONNECTION = 2003,
	UNKNOWN_HOST = 2005,
	TLS_FAILED = 2026,
	ACCESS_DENIED = 1045,
	ACCESS_DENIED_SOCKET = 1698,
};

static bool in(const uint16_t *list, unsigned n)
{
	for (; *list; list++)
		if (*list == n)
			return true;
	return false;
}

/* The account, its password, its host or its kind of authentication. */
static bool is_login(unsigned n)
{
	static const uint16_t list[] = {1044, ACCESS_DENIED, 1130, 1251, 1275, 1396, 1524, 1820, 1862, 2049,
		2059, 2060, 2061, 3118, 3159, 4151, 0};

	return in(list, n);
}

bool db_error_is_busy(uint32_t sql_errno)
{
	static const uint16_t list[] = {1040, 1053, 1129, 1203, 1226, 0};

	return in(list, sql_errno);
}

/* T46: root of localhost may only come by unix socket. TCP gives 1698, or 1045 where a password plugin stands
 * beside. */
static bool is_root_socket(const struct endpoint *ep, unsigned n)
{
	bool local = strcasecmp(ep->host, "localhost") == 0 || strcmp(ep->host, "127.0.0.1") == 0 ||
		     strcmp(ep->host, "::1") == 0;

	return n == ACCESS_DENIED_SOCKET || (n == ACCESS_DENIED && local && strcmp(ep->user, "root") == 0);
}

static const char *grants(bool upstream)
{
	return upstream ? "SELECT, RELOAD, SHOW VIEW, REPLICATION SLAVE, REPLICATION CLIENT"
			: "ALL PRIVILEGES";
}

static int root_socket(const char *where, bool upstream, const struct client_error *why, struct err *e)
{
	return err_set(e, ERR_check_root_socket,
		"%s: %s (error %u). Tidegate connects by TCP; this account takes its unix socket alone, or "
		"the password is wrong. On the server, as root: CREATE USER 'tidegate'@'%%' IDENTIFIED BY "
		"'<password>'; GRANT %s ON *.* TO 'tidegate'@'%%'; then use tidegate instead of root",
		where, why->text, why->number, grants(upstream));
}

static int no_connection(const char *where, const struct client_error *why, struct err *e)
{
	static const char wrapped[] = "cannot be verified: ";
	const char *said = strstr(why->text, wrapped);

	/* The server refused before the handshake (1130: this host may not connect): the library calls it
	 * 2002. */
	if (said)
		return err_set(e, ERR_check_login, "%s: %s", where, said + sizeof(wrapped) - 1);
	if (why->number == NO_CONNECTION || why->number == NO_TCP_CONNECTION)
		return err_set(e, ERR_check_connect, "%s: nothing answers at this host and port", where);
	if (why->number == UNKNOWN_HOST)
		return err_set(e, ERR_check_connect, "%s: the host name is not known", where);
	return err_set(e, ERR_check_connect, "%s: %s (error %u)", where, why->text, why->number);
}

int db_login_error(const struct endpoint *ep, bool upstream, const struct client_error *why, struct err *e)
{
	char show[400], where[420];

	endpoint_show(ep, show, sizeof(show));
	snprintf(where, sizeof(where), "%s %s", upstream ? "upstream" : "downstream", show);
	if (is_root_socket(ep, why->number))
		root_socket(where, upstream, why, e);
	else if (is_login(why->number))
		err_set(e, ERR_check_login, "%s: %s (error %u)", where, why->text, why->number);
	else if (db_error_is_busy(why->number))
		err_set(e, ERR_db_driver, "%s: %s (error %u)", where, why->text, why->number);
	else
		no_connection(where, why, e);
	if (e)
		e->sql_errno = why->number;
	return -1;
}
