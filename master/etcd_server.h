#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * For tests only: real etcd servers (Debian's etcd-server, fetched by tests/servers.sh) on loopback, with
 * data in a temporary folder. Linked into nothing that is installed. What goes wrong here ends the test
 * program.
 */
enum { ETCD_MEMBERS = 3 };

struct etcd_servers {
	char dir[64], path[512]; /* path: of the program */
	unsigned n;
	bool tls;
	struct etcd_member {
		unsigned client, peer; /* ports */
		pid_t pid;             /* 0: does not run */
	} members[ETCD_MEMBERS];
};

/* n members that answer; with tls they want certificates of DIR/ca.pem, clients' too (DIR/client.pem, .key).
 */
void etcd_servers_start(struct etcd_servers *s, unsigned n, bool tls);
/* Ends them, removes the folder. */
void etcd_servers_stop(struct etcd_servers *s);
/* SIGKILL, SIGSTOP: and waits until that is so. */
void etcd_servers_signal(struct etcd_servers *s, unsigned i, int signo);
/* One that was killed, again with its data; returns when it answers, where the others let it. */
void etcd_servers_again(struct etcd_servers *s, unsigned i);
/* etcd://127.0.0.1:port,…prefix; more: "?…" or "" */
void etcd_servers_url(
	const struct etcd_servers *s, const char *prefix, const char *more, char *out, size_t size);
/* A free port of loopback, of the range TIDEGATE_TEST_PORTS where that is set. */
unsigned etcd_free_port(void);

/* A proxy of one member's port that can lose what was answered. */
struct etcd_proxy;
struct etcd_proxy *etcd_proxy_start(unsigned to);
void etcd_proxy_stop(struct etcd_proxy **p);
unsigned etcd_proxy_port(const struct etcd_proxy *p);
/* Of the next n requests that hold `word` the reply never comes: the connection is cut when it is there. */
void etcd_proxy_lose(struct etcd_proxy *p, const char *word, unsigned n);
unsigned etcd_proxy_lost(struct etcd_proxy *p); /* how many were lost so far */
