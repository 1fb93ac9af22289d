/*
 * tidegate-master by hand: `migrate` takes a host's store into an etcd, while no master runs. Called by main
 * before anything of the daemon. No box: it is the operator's own process, and ends at once.
 */
#include "master/tool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "master/etcd.h"
#include "master/store.h"

enum { DONE, FAILED, USAGE };

struct migration {
	const char *state, *to;
};

static const char usage[] =
	"usage: tidegate-master migrate --state DIR --to "
	"etcd[s]://[user@]host:port,…[/prefix][?option=value&…]\n\n"
	"Takes the store of one host (DIR/master/tidegate.db) into an etcd, for several masters. tidegated "
	"of that\n"
	"host must not run. Afterwards: tidegated --with-master --store etcd://…; see tidegate-master(8).\n";

static bool take(int argc, char **argv, int *i, const char *name, const char **out)
{
	size_t n = strlen(name);

	if (strncmp(argv[*i], name, n) != 0)
		return false;
	if (argv[*i][n] == '=')
		*out = argv[*i] + n + 1;
	else if (argv[*i][n] == '\0' && *i + 1 < argc)
		*out = argv[++*i];
	return *out != NULL;
}

static int parse(int argc, char **argv, struct migration *m)
{
	if (strcmp(argv[1], "migrate") != 0)
		return -1;
	for (int i = 2; i < argc; i++)
		if (!take(argc, argv, &i, "--state", &m->state) && !take(argc, argv, &i, "--to", &m->to))
			return -1;
	return m->state && m->to ? 0 : -1;
}

/* dir stays open: it is where the file is found (store_vfs.h). */
static struct store *open_file(const struct migration *m, struct err *e)
{
	char path[4200];
	struct store *s = NULL;
	int dir;

	snprintf(path, sizeof(path), "%s/master", m->state);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || faccessat(dir, "tidegate.db", F_OK, 0) < 0)
		err_sys(e, ERR_store, "%s/tidegate.db", path);
	else
		s = store_open_to_move(dir, m->to, e);
	return s;
}

/* A master that leads there, or that died a moment ago, is waited for no longer than its lease. */
static int await_lead(struct store *s, const struct etcd_conf *c, struct err *e)
{
	uint64_t deadline = clock_ms() + (c->lease_s + 5) * 1000;
	struct store_leader who;

	while (store_term(s) == 0) {
		if (clock_ms() >= deadline) {
			store_leader(s, &who);
			if (who.name[0])
				return err_set(e, ERR_store, "etcd: master %s at %s leads there already",
					who.name, who.address);
			if (store_trouble(s, e) < 0)
				return err_add(e, "standing for the lead");
			return err_set(e, ERR_store_away, "etcd: no answer");
		}
		clock_sleep_ms(20);
	}
	return 0;
}

/* What is there is looked at first, without the lead: a master may have it already where this was cut off at
 * its very end; and what is wrong with the address is said at once. */
static int import(const struct migration *m, struct store *from, const struct etcd_conf *c, struct err *e)
{
	struct store_self self = {.name = "tidegate-master migrate", .address = ""};
	struct store *to = store_open_etcd(c, &self);
	bool done = false;
	int r = store_import_check(to, from, &done, e);

	if (r == 0 && !done)
		r = await_lead(to, c, e);
	if (r == 0 && !done)
		r = store_import(to, from, m->to, e);
	store_close(&to);
	return r;
}

/* First whether nobody has the file, last that its content lives elsewhere; in between it may be cut off and
 * begun again (the file says so, before the etcd counts). */
static int migrate(const struct migration *m, struct err *e)
{
	struct etcd_conf c;
	struct store *from;
	int r;

	if (etcd_conf_parse(m->to, &c, e) < 0 || etcd_conf_secret(&c, e) < 0)
		return -1;
	if (etcd_conf_is_open(&c))
		fputs("tidegate-master: warning: etcd is spoken to without TLS: whoever is on the way can "
		      "read and change everything\n",
			stderr);
	from = open_file(m, e);
	if (!from)
		return -1;
	etcd_begin();
	r = store_retire_file(from, NULL, e);
	if (r == 0)
		r = import(m, from, &c, e);
	if (r == 0)
		r = store_retire_file(from, m->to, e);
	if (r == 0)
		printf("cluster %s at revision %llu is in %s now\n", store_cluster(from),
			(unsigned long long)store_revision(from), m->to);
	store_close(&from);
	explicit_bzero(c.password, sizeof(c.password));
	return r;
}

int tool_run(int argc, char **argv)
{
	struct migration m = {0};
	struct err e = {0};
	char line[1400];

	if (argc == 3 && strcmp(argv[1], "migrate") == 0 && strcmp(argv[2], "--help") == 0) {
		fputs(usage, stdout);
		return DONE;
	}
	if (parse(argc, argv, &m) < 0) {
		fputs(usage, stderr);
		return USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_ERROR_);
	if (migrate(&m, &e) == 0)
		return DONE;
	err_line(&e, line, sizeof(line));
	fprintf(stderr, "tidegate-master: %s\n", line);
	return FAILED;
}
