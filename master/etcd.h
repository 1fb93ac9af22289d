#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * A client of etcd v3 by its JSON gateway: what the store needs of it, no more. One struct etcd is one
 * connection, used by one thread at a time.
 */
enum { ETCD_HOSTS = 8, ETCD_TEXT = 512, ETCD_LEASE_MIN_S = 3, ETCD_LEASE_MAX_S = 60, ETCD_LEASE_S = 10 };

/* Where etcd is and how to speak to it: etcd[s]://[user@]host[:port][,host[:port]…][/prefix][?option=value&…]
 */
struct etcd_conf {
	struct etcd_host {
		char name[256];
		uint16_t port;
	} hosts[ETCD_HOSTS];
	unsigned nhosts;
	bool tls;
	char user[128], password[ETCD_TEXT]; /* user "": without */
	char prefix[128];                    /* of all keys, without a slash at its end */
	char ca[ETCD_TEXT], cert[ETCD_TEXT], key[ETCD_TEXT],
		password_file[ETCD_TEXT]; /* absolute; "": none */
	unsigned lease_s;                 /* how long a master may be silent before another one leads */
};

/* ERR_config_bad names what is wrong. The password itself is not part of it: see etcd_conf_secret. */
int etcd_conf_parse(const char *url, struct etcd_conf *c, struct err *e);
/* Reads the password file (its first line), where there is one. Before the box closes. */
int etcd_conf_secret(struct etcd_conf *c, struct err *e);
/* A host that is not this one is spoken to without TLS. */
bool etcd_conf_is_open(const struct etcd_conf *c);

struct etcd;

/* Once a process, before any thread that uses libcurl. */
void etcd_begin(void);
/* conf is borrowed. stop (may be NULL) ends what is under way, within a second, once it is true. */
struct etcd *etcd_new(const struct etcd_conf *conf, const _Atomic bool *stop);
void etcd_free(struct etcd **c);

/*
 * Posts request (borrowed) to path ("/v3/kv/txn"), to one host after the other until one answers or ms are
 * over; logs in where that is asked for. It may be executed more than once, so it must be one that a repeat
 * leaves as it was. 0: *answer (new reference). -1: ERR_store: etcd refuses it, it was not executed;
 * ERR_store_away: no answer, and nobody knows whether it was executed; ERR_config_bad: the files of
 * certificates can't be used.
 */
int etcd_post(
	struct etcd *c, const char *path, const json_t *request, unsigned ms, json_t **answer, struct err *e);
/* Had the last etcd_post an attempt without an answer? It may be executed yet, whatever a later one was told.
 */
bool etcd_unsure(const struct etcd *c);
/* An attempt may take so long before the next host is asked; 0: 2 s as usual. */
void etcd_set_patience(struct etcd *c, unsigned ms);
/*
 * Waits until anything happens to the key behind the store's revision `from`, or ms are over, or a host ends
 * it: only a wake-up, look then. -1 with ERR_store_away where no host took it.
 */
int etcd_watch(struct etcd *c, const char *key, uint64_t from, unsigned ms, struct err *e);

/* --- requests and answers (etcd_kv.c) --- */

json_t *etcd_b64(const char *bytes, size_t n);       /* a JSON string; new reference */
int etcd_unb64(const json_t *text, struct buf *out); /* appends; -1: no base64 */
/* 64-bit numbers are strings in this JSON; 0 where absent. */
uint64_t etcd_u64(const json_t *o, const char *key);
uint64_t etcd_revision(const json_t *answer); /* of its header */

/* Parts of a transaction; all new references. */
json_t *etcd_if_created(const char *key, uint64_t create_revision); /* 0: the key is not there */
json_t *etcd_if_value(const char *key, const char *value);
json_t *etcd_op_put(const char *key, struct str value, uint64_t lease);
json_t *etcd_op_delete(const char *key);
json_t *etcd_op_delete_below(const char *folder); /* all keys FOLDER/… */
json_t *etcd_op_range(const char *key);
/* Takes its three lists. More operations than etcd takes in one are nested. */
json_t *etcd_txn(json_t *compare, json_t *success, json_t *failure);
bool etcd_succeeded(const json_t *answer);
/* The i-th answer's first row (borrowed), NULL where there is none. */
const json_t *etcd_row(const json_t *answer, size_t i);
/* Key or value of a row, as bytes; cleared first. */
int etcd_row_bytes(const json_t *row, const char *what, struct buf *out);

/* One key; *row is a new reference or NULL, *revision the store's. */
int etcd_get(struct etcd *c, const char *key, unsigned ms, json_t **row, uint64_t *revision, struct err *e);
/* A lease of our own choosing of its number; *ttl_s is what etcd made of it. */
int etcd_lease_grant(struct etcd *c, uint64_t id, unsigned *ttl_s, unsigned ms, struct err *e);
/* *ttl_s 0: it is gone. */
int etcd_lease_keep(struct etcd *c, uint64_t id, unsigned *ttl_s, unsigned ms, struct err *e);
int etcd_lease_revoke(struct etcd *c, uint64_t id, unsigned ms, struct err *e);
