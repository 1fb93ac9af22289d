/*
 * For tests only: a TCP proxy before an etcd that loses replies on demand, so that a request is executed and
 * nobody is told. A thread for each connection; all of them end with the test program.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/xalloc.h"
#include "master/etcd_server.h"

struct etcd_proxy {
	unsigned port, to;
	int listener;
	pthread_t thread;
	_Atomic bool stop;
	_Atomic int open;    /* connections */
	pthread_mutex_t mtx; /* guards what follows */
	char word[64];
	unsigned lose, lost;
};

struct connection {
	struct etcd_proxy *proxy;
	int client, server;
};

static struct sockaddr_in loopback(unsigned port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Is the reply to these bytes one of those that get lost? */
static bool takes(struct etcd_proxy *p, const char *bytes, size_t n)
{
	bool r;

	pthread_mutex_lock(&p->mtx);
	r = p->lose > 0 && memmem(bytes, n, p->word, strlen(p->word));
	if (r) {
		p->lose--;
		p->lost++;
	}
	pthread_mutex_unlock(&p->mtx);
	return r;
}

static bool put(int fd, const char *p, ssize_t n)
{
	while (n > 0) {
		ssize_t done = send(fd, p, (size_t)n, MSG_NOSIGNAL);

		if (done <= 0)
			return false;
		p += done;
		n -= done;
	}
	return true;
}

static void *serve(void *arg)
{
	struct connection *c = arg;
	char bytes[65536];
	bool losing = false;

	for (;;) {
		struct pollfd fds[2] = {
			{.fd = c->client, .events = POLLIN}, {.fd = c->server, .events = POLLIN}};
		ssize_t n;

		if (poll(fds, 2, 200) < 0 || atomic_load(&c->proxy->stop))
			break;
		if (fds[0].revents) {
			n = recv(c->client, bytes, sizeof(bytes), 0);
			if (n <= 0)
				break;
			losing |= takes(c->proxy, bytes, (size_t)n);
			if (!put(c->server, bytes, n))
				break;
		}
		if (fds[1].revents) {
			n = recv(c->server, bytes, sizeof(bytes), 0);
			if (n <= 0 || losing || !put(c->client, bytes, n))
				break;
		}
	}
	close(c->client);
	close(c->server);
	atomic_fetch_sub(&c->proxy->open, 1);
	free(c);
	return NULL;
}

static void take(struct etcd_proxy *p)
{
	struct sockaddr_in a = loopback(p->to);
	struct connection *c = xcalloc(1, sizeof(*c));
	pthread_t t;

	atomic_fetch_add(&p->open, 1);
	*c = (struct connection){p, accept(p->listener, NULL, NULL), socket(AF_INET, SOCK_STREAM, 0)};
	if (c->client >= 0 && connect(c->server, (struct sockaddr *)&a, sizeof(a)) == 0 &&
		pthread_create(&t, NULL, serve, c) == 0) {
		pthread_detach(t);
		return;
	}
	close(c->client);
	close(c->server);
	atomic_fetch_sub(&p->open, 1);
	free(c);
}

static void *run(void *arg)
{
	struct etcd_proxy *p = arg;

	while (!atomic_load(&p->stop)) {
		struct pollfd fd = {.fd = p->listener, .events = POLLIN};

		if (poll(&fd, 1, 100) > 0)
			take(p);
	}
	return NULL;
}

struct etcd_proxy *etcd_proxy_start(unsigned to)
{
	struct etcd_proxy *p = xcalloc(1, sizeof(*p));
	struct sockaddr_in a;
	int one = 1;

	p->to = to;
	p->port = etcd_free_port();
	a = loopback(p->port);
	pthread_mutex_init(&p->mtx, NULL);
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(p->listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(p->listener, 50) < 0 ||
		pthread_create(&p->thread, NULL, run, p) != 0) {
		perror("etcd_proxy");
		exit(1);
	}
	return p;
}

/* Its connections' threads look at the struct for up to 200 ms more. */
void etcd_proxy_stop(struct etcd_proxy **p)
{
	atomic_store(&(*p)->stop, true);
	pthread_join((*p)->thread, NULL);
	close((*p)->listener);
	while (atomic_load(&(*p)->open) > 0)
		usleep(10000);
	free(*p);
	*p = NULL;
}

unsigned etcd_proxy_port(const struct etcd_proxy *p)
{
	return p->port;
}

void etcd_proxy_lose(struct etcd_proxy *p, const char *word, unsigned n)
{
	pthread_mutex_lock(&p->mtx);
	snprintf(p->word, sizeof(p->word), "%s", word);
	p->lose = n;
	pthread_mutex_unlock(&p->mtx);
}

unsigned etcd_proxy_lost(struct etcd_proxy *p)
{
	unsigned n;

	pthread_mutex_lock(&p->mtx);
	n = p->lost;
	pthread_mutex_unlock(&p->mtx);
	return n;
}
