#pragma once
#include <jansson.h>
#include <stdint.h>

#include "common/base/err.h"

/* A database server to connect to. TCP always, also for "localhost" (T46). */
struct endpoint {
	char host[256];
	uint16_t port;
	char user[96];
	char password[512]; /* plain inside a unit; elsewhere cipher text of secret.h, or "" */
	char tls[16]; /* "disabled", "preferred" (default), "required", "verify-ca", "verify-identity" */
	char ssl_ca[512], ssl_cert[512], ssl_key[512];
};

/*
 * mysql://user[:password]@host[:port][/][?tls=…&ssl-ca=…&ssl-cert=…&ssl-key=…]; mariadb:// and tidb:// are
 * the same; percent-encoding is decoded; IPv6 hosts in []. Unknown parts and parameters are refused by name;
 * a port 1-65535, default 3306.
 */
int endpoint_parse_url(const char *url, struct endpoint *ep, struct err *e);
/* "mysql://user@host:port": never the password. */
void endpoint_show(const struct endpoint *ep, char *out, size_t size);
/* {"host","port","user","password","tls","ssl_ca","ssl_cert","ssl_key"}; new reference. */
json_t *endpoint_to_json(const struct endpoint *ep);
int endpoint_from_json(const json_t *o, struct endpoint *ep, struct err *e);
/* Overwrites the password. */
void endpoint_wipe(struct endpoint *ep);
