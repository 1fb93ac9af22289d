/*
 * For tests only: starts and ends etcd servers, and makes certificates for them. Called by the tests of the
 * store. The servers die with the test program (PR_SET_PDEATHSIG).
 */
#include "master/etcd_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "master/etcd.h"

enum { START_MS = 30000 };

static void die(const char *what)
{
	fprintf(stderr, "etcd_server: %s\n", what);
	exit(1);
}

static void run(const char *command)
{
	if (system(command) != 0)
		die(command);
}

/* Fetches it where it is not in the cache yet. */
static void find_program(struct etcd_servers *s)
{
	FILE *p = popen(SERVERS_SH " get etcd >&2 && " SERVERS_SH " program etcd etcd", "re");

	if (!p || !fgets(s->path, sizeof(s->path), p) || pclose(p) != 0)
		die("no etcd to be had: tests/servers.sh get etcd");
	s->path[strcspn(s->path, "\n")] = '\0';
}

static bool port_free(unsigned port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	close(fd);
	return ok;
}

/* As tests/servers.py: below the ports that the kernel gives to connections, which would take one while its
 * server is away; beginning anywhere, as others look for some at the same time. */
unsigned etcd_free_port(void)
{
	static _Atomic unsigned next;
	const char *range = getenv("TIDEGATE_TEST_PORTS");
	unsigned first = 20000, last = 31999, any = 0, n;

	if (range && (sscanf(range, "%u-%u", &first, &last) != 2 || last <= first))
		die("TIDEGATE_TEST_PORTS is no range");
	n = last - first + 1;
	if (next == 0 && getrandom(&any, sizeof(any), 0) == sizeof(any))
		next = any % n;
	for (unsigned i = 0; i < n; i++) {
		unsigned port = first + next++ % n;

		if (port_free(port))
			return port;
	}
	die("no free port");
	return 0;
}

static void make_certificates(const struct etcd_servers *s)
{
	struct buf b = {0};

	buf_putf(&b,
		"cd %s && exec >ssl.log 2>&1 && q='-batch -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
		"-nodes' && "
		"openssl req -x509 $q -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem && "
		"openssl req -x509 $q -days 2 -subj /CN=other-ca -keyout other.key -out other.pem && "
		"printf 'subjectAltName=IP:127.0.0.1\\nextendedKeyUsage=serverAuth,clientAuth\\n' >ext && "
		"for n in server client; do openssl req $q -subj /CN=$n -keyout $n.key -out $n.csr && "
		"openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext "
		"-out $n.pem || exit 1; done",
		s->dir);
	run(buf_cstr(&b));
	buf_free(&b);
}

static void put_cluster(const struct etcd_servers *s, struct buf *out)
{
	for (unsigned i = 0; i < s->n; i++)
		buf_putf(out, "%sm%u=http://127.0.0.1:%u", i ? "," : "--initial-cluster=", i,
			s->members[i].peer);
}

enum { ARGS = 32 };

static void add_arg(char **argv, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_arg(char **argv, const char *format, ...)
{
	va_list ap;

	while (*argv)
		argv++;
	va_start(ap, format);
	*argv = xvasprintf(format, ap);
	va_end(ap);
}

static void make_args(const struct etcd_servers *s, unsigned i, char **argv)
{
	const struct etcd_member *m = &s->members[i];
	const char *http = s->tls ? "https" : "http";
	struct buf cluster = {0};

	put_cluster(s, &cluster);
	add_arg(argv, "%s", s->path);
	add_arg(argv, "--name=m%u", i);
	add_arg(argv, "--data-dir=%s/m%u", s->dir, i);
	add_arg(argv, "--listen-client-urls=%s://127.0.0.1:%u", http, m->client);
	add_arg(argv, "--advertise-client-urls=%s://127.0.0.1:%u", http, m->client);
	add_arg(argv, "--listen-peer-urls=http://127.0.0.1:%u", m->peer);
	add_arg(argv, "--initial-advertise-peer-urls=http://127.0.0.1:%u", m->peer);
	add_arg(argv, "%s", buf_cstr(&cluster));
	add_arg(argv, "--heartbeat-interval=100");
	add_arg(argv, "--election-timeout=1000");
	add_arg(argv, "--unsafe-no-fsync");
	if (s->tls) {
		add_arg(argv, "--cert-file=%s/server.pem", s->dir);
		add_arg(argv, "--key-file=%s/server.key", s->dir);
		add_arg(argv, "--trusted-ca-file=%s/ca.pem", s->dir);
		add_arg(argv, "--client-cert-auth");
	}
	buf_free(&cluster);
}

static void start(struct etcd_servers *s, unsigned i)
{
	char *argv[ARGS] = {0}, log[128];

	make_args(s, i, argv);
	snprintf(log, sizeof(log), "%s/m%u.log", s->dir, i);
	s->members[i].pid = fork();
	if (s->members[i].pid == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd, 1);
		dup2(fd, 2);
		execv(s->path, argv);
		_exit(127);
	}
	for (char **a = argv; *a; a++)
		free(*a);
}

static void url_of(const struct etcd_servers *s, unsigned first, unsigned n, struct buf *out)
{
	buf_puts(out, s->tls ? "etcds://" : "etcd://");
	for (unsigned i = first; i < first + n; i++)
		buf_putf(out, "%s127.0.0.1:%u", i > first ? "," : "", s->members[i].client);
}

void etcd_servers_url(
	const struct etcd_servers *s, const char *prefix, const char *more, char *out, size_t size)
{
	struct buf b = {0};

	url_of(s, 0, s->n, &b);
	buf_putf(&b, "%s?%s", prefix, more);
	if (s->tls)
		buf_putf(&b, "%sca=%s/ca.pem&cert=%s/client.pem&key=%s/client.key", *more ? "&" : "", s->dir,
			s->dir, s->dir);
	else if (!*more)
		b.n--;
	snprintf(out, size, "%s", buf_cstr(&b));
	buf_free(&b);
}

/* It has ended: somebody was at its port for a moment. */
static void start_if_gone(struct etcd_servers *s, unsigned i)
{
	if (waitpid(s->members[i].pid, NULL, WNOHANG) == s->members[i].pid)
		start(s, i);
}

static void die_with_log(const struct etcd_servers *s, unsigned i, const char *why)
{
	char command[160];

	snprintf(command, sizeof(command), "tail -n 15 '%s/m%u.log' >&2", s->dir, i);
	if (system(command) != 0)
		fprintf(stderr, "etcd_server: and it has no log\n");
	die(why);
}

/* Any answer will do, also that it wants a login. */
static void wait_for(struct etcd_servers *s, unsigned i)
{
	struct buf b = {0};
	struct etcd_conf conf;
	struct etcd *c;
	struct err e = {0};
	uint64_t revision, deadline = clock_ms() + START_MS;
	json_t *row = NULL;
	int r;

	url_of(s, i, 1, &b);
	if (s->tls)
		buf_putf(&b, "?ca=%s/ca.pem&cert=%s/client.pem&key=%s/client.key", s->dir, s->dir, s->dir);
	if (etcd_conf_parse(buf_cstr(&b), &conf, &e) < 0)
		die(e.text);
	c = etcd_new(&conf, NULL);
	do {
		start_if_gone(s, i);
		r = etcd_get(c, "/", 500, &row, &revision, &e);
		json_decref(row);
	} while (r < 0 && e.code == ERR_store_away && clock_ms() < deadline);
	etcd_free(&c);
	buf_free(&b);
	if (r < 0 && e.code == ERR_store_away)
		die_with_log(s, i, e.text);
}

void etcd_servers_start(struct etcd_servers *s, unsigned n, bool tls)
{
	*s = (struct etcd_servers){.n = n, .tls = tls};
	etcd_begin();
	strcpy(s->dir, "/tmp/tg-etcd-XXXXXX");
	if (!mkdtemp(s->dir))
		die("no temporary folder");
	find_program(s);
	if (tls)
		make_certificates(s);
	for (unsigned i = 0; i < n; i++) {
		s->members[i].client = etcd_free_port();
		s->members[i].peer = etcd_free_port();
	}
	for (unsigned i = 0; i < n; i++)
		start(s, i);
	for (unsigned i = 0; i < n; i++)
		wait_for(s, i);
}

void etcd_servers_signal(struct etcd_servers *s, unsigned i, int signo)
{
	struct etcd_member *m = &s->members[i];

	if (m->pid == 0)
		return;
	kill(m->pid, signo);
	if (signo == SIGSTOP)
		waitpid(m->pid, NULL, WUNTRACED); /* until its last thread stands still */
	if (signo != SIGKILL)
		return;
	waitpid(m->pid, NULL, 0);
	m->pid = 0;
}

void etcd_servers_again(struct etcd_servers *s, unsigned i)
{
	start(s, i);
	wait_for(s, i);
}

void etcd_servers_stop(struct etcd_servers *s)
{
	char command[100];

	for (unsigned i = 0; i < s->n; i++)
		etcd_servers_signal(s, i, SIGKILL);
	snprintf(command, sizeof(command), "rm -rf '%s'", s->dir);
	run(command);
	s->n = 0;
}
