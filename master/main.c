/*
 * tidegate-master: sources, tasks and who does what, in a store of its own or, with others of its kind, in an
 * etcd. The skeleton (common/proc/daemon.c) owns main; this is the filled-in form, and the way in and out of
 * leading. It speaks to agents, to the command line, to other masters and their etcd, never to a database,
 * and holds no key. By hand it is the tools of tool.c.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/config/json.h"
#include "common/proc/control.h"
#include "common/proc/daemon.h"
#include "master/etcd.h"
#include "master/master.h"
#include "master/metrics.h"
#include "master/serve.h"
#include "master/store.h"
#include "master/tool.h"

enum { DESCRIPTORS = 4096 };

struct process {
	struct control control;
	struct identity *id;   /* its certificate; NULL: none */
	struct etcd_conf etcd; /* nhosts 0: the store is a file */
	char name[STORE_NAME], address[STORE_NAME];
	struct store *store;
	struct master master;
	struct serve serve;
	unsigned lease_s;
	uint64_t term; /* that master was loaded in; 0: it is not */
	bool serving, told;
	uint64_t started_ms;
};

/* Where there are others, they must be able to dial it; alone it is only shown. */
static int check_address(
	const struct process *p, const struct daemon_env *env, const char *given, struct err *e)
{
	bool alone = !json_text(env->config, "store", "")[0];

	if ((alone ? control_check : control_check_dial)(&p->control, given, e) == 0)
		return 0;
	return err_add(
		e, "`address`, where other masters find this one, or the first of `listen` without it");
}

/* Where the others find us: what is said, else the first address that is listened at, else the socket's path.
 */
static int find_address(struct process *p, const struct daemon_env *env, struct err *e)
{
	const char *given = settings_get(env->settings, "address");
	char cwd[STORE_NAME - 20] = "";

	given = given ? given : json_text(env->config, "address", "");
	if (!given[0] && p->serve.nlisten > 0)
		given = p->serve.listen[0];
	if (!given[0] && !getcwd(cwd, sizeof(cwd)))
		cwd[0] = '\0';
	if (given[0])
		snprintf(p->address, sizeof(p->address), "%s", given);
	else if (cwd[0] == '/')
		snprintf(p->address, sizeof(p->address), "%s/master.sock", cwd);
	return given[0] ? check_address(p, env, given, e) : 0;
}

/* A proof is of the connection, not of each message on it: where bytes can be added on the way it helps
 * little. */
static void warn_plain(const struct process *p, const struct address *a, const char *text)
{
	if (a->kind != ADDRESS_TCP)
		return;
	if (!p->control.ca)
		log_warn("%s is without TLS: whoever reaches it may do everything", text);
	else if (!a->loopback)
		log_warn("%s is without TLS, in spite of ssl-ca: whoever is on the way reads everything, and "
			 "can add commands to what an operator says",
			text);
}

/* One address of `listen`; the box lets its port through, also to dial it: other masters mostly have the
 * same. */
static int add_listen(struct process *p, struct sandbox_needs *n, struct str text, struct err *e)
{
	char *one = p->serve.listen[p->serve.nlisten];
	struct address a;

	if (p->serve.nlisten == SERVE_LISTENS || text.n >= STORE_NAME)
		return err_set(e, ERR_config_bad, "%d addresses at most, each of less than %d characters",
			SERVE_LISTENS, STORE_NAME);
	snprintf(one, STORE_NAME, "%.*s", STR_ARG(text));
	if (control_check(&p->control, one, e) < 0 || address_parse(one, &a, e) < 0 ||
		control_let(one, n, e) < 0)
		return -1;
	if (a.kind == ADDRESS_IPC)
		return err_set(e, ERR_config_bad, "%s: the socket in the run folder is there anyway", one);
	warn_plain(p, &a, one);
	n->listens[p->serve.nlisten++] = a.port;
	return 0;
}

static int read_listens(struct process *p, struct daemon_env *env, struct err *e)
{
	const char *list = settings_get(env->settings, "listen");

	_Static_assert(SERVE_LISTENS <= (int)SANDBOX_LISTENS, "the box takes them all");
	for (const char *at = list ? list : ""; *at;) {
		size_t n = strcspn(at, ", ");

		if (n && add_listen(p, &env->needs, (struct str){at, n}, e) < 0)
			return daemon_blame(env, "listen", e);
		at += n + (at[n] != '\0');
	}
	return 0;
}

/* The control socket between hosts. */
static int read_control(struct process *p, struct daemon_env *env, struct err *e)
{
	if (control_read(&p->control, env->settings, e) < 0)
		return -1;
	gate_read_group(&p->serve.gate);
	p->id = p->control.ca ? identity_of_pem(p->control.cert, p->control.key, e) : NULL;
	if ((p->control.ca && !p->id) || read_listens(p, env, e) < 0 || find_address(p, env, e) < 0)
		return -1;
	return control_masters(&p->control, json_object_get(env->config, "masters"), &env->needs, e);
}

/* The box is to let etcd's ports and certificates through. */
static void need_etcd(const struct process *p, struct sandbox_needs *n)
{
	const struct etcd_conf *c = &p->etcd;

	_Static_assert(ETCD_HOSTS <= (int)SANDBOX_STORES && SANDBOX_FILES >= 3, "the box takes them all");
	for (unsigned i = 0; i < c->nhosts; i++)
		n->store[i] = c->hosts[i].port;
	n->files[0] = c->ca;
	n->files[1] = c->cert;
	n->files[2] = c->key;
}

/*
 * Where libnng takes no connections away any more (daemon.c), descriptors must run out well before memory
 * does: one that was TLS's holds 75 KiB, and the box lets 512 MiB be had.
 */
static void few_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur <= DESCRIPTORS)
		return;
	r.rlim_cur = DESCRIPTORS;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

static int before_box(void *self, struct daemon_env *env, struct err *e)
{
	struct process *p = self;
	static const unsigned lease[2] = {MASTER_LEASE_MIN_S, MASTER_LEASE_MAX_S};
	const char *url = json_text(env->config, "store", "");

	few_descriptors();
	p->lease_s = MASTER_LEASE_MS / 1000;
	if (daemon_setting_int(env, "lease", lease, &p->lease_s, e) < 0)
		return -1;
	p->started_ms = clock_ms();
	snprintf(p->name, sizeof(p->name), "%s", json_text(env->config, "name", "master"));
	if (read_control(p, env, e) < 0)
		return -1;
	if (!url[0])
		return 0;
	if (etcd_conf_parse(url, &p->etcd, e) < 0 || etcd_conf_secret(&p->etcd, e) < 0)
		return -1;
	if (etcd_conf_is_open(&p->etcd))
		log_warn("etcd is spoken to without TLS: whoever is on the way can read and change "
			 "everything");
	need_etcd(p, &env->needs);
	return 0;
}

/* From the election's thread. */
static void wake(void *arg)
{
	loop_wake(arg);
}

static int open_store(struct process *p, struct daemon_env *env, struct err *e)
{
	if (p->etcd.nhosts == 0) {
		p->store = store_open_file(env->state_fd, e);
		return p->store ? 0 : -1;
	}
	etcd_begin();
	p->store = store_open_etcd(
		&p->etcd, &(struct store_self){
				  .name = p->name, .address = p->address, .changed = wake, .arg = env->loop});
	return 0;
}

static int ready(void *self, struct daemon_env *env, struct err *e)
{
	struct process *p = self;

	if (control_use(&p->control, env->link, e) < 0 || open_store(p, env, e) < 0)
		return -1;
	p->serve.control = &p->control;
	p->serve.id = p->id;
	p->serving = true;
	p->serve.address = p->address;
	p->serve.patient = p->etcd.nhosts > 0;
	return serve_start(&p->serve, env, p->store, e);
}

static void stop_leading(struct process *p)
{
	serve_lead(&p->serve, NULL, 0);
	master_fini(&p->master);
	p->term = 0;
	log_warn("leads no more; units and agents go on");
}

/*
 * Reads the store anew: somebody else may have led. Without an answer, or where the lead is lost again
 * meanwhile, the next tick tries again; a store that can't be used ends the process, and with it its
 * standing.
 */
static int begin_leading(struct process *p, uint64_t term, struct err *e)
{
	p->master = (struct master){
		.lease_ms = p->lease_s * UINT64_C(1000), .name = p->name, .address = p->address};
	if (master_init(&p->master, p->store, e) < 0) {
		master_fini(&p->master);
		if (e->code != ERR_store_away && e->code != ERR_not_leader)
			return -1;
		log_err(e);
		return 0;
	}
	p->master.now_ms = clock_ms();
	master_know_agents(&p->master);
	p->term = term;
	serve_lead(&p->serve, &p->master, term);
	log_info("%scluster %s at revision %llu: %zu sources, %zu tasks", p->etcd.nhosts ? "leads " : "",
		store_cluster(p->store), (unsigned long long)p->master.model.revision,
		json_object_size(p->master.model.tables[STORE_SOURCE]),
		json_object_size(p->master.model.tables[STORE_TASK]));
	return 0;
}

/* Said once, and again after each end of a lead. */
static void tell_leader(struct process *p)
{
	struct store_leader who;

	store_leader(p->store, &who);
	if (!p->told && who.name[0] && strcmp(who.address, p->address) != 0)
		log_info("%s at %s leads", who.name, who.address);
	p->told = who.name[0] != '\0';
}

static int tick(void *self, struct daemon_env *env, struct err *e)
{
	struct process *p = self;
	uint64_t term = store_term(p->store);
	struct err why = {0};

	(void)env;
	/* Certificates that were replaced lie outside the box: the next process finds them. */
	if (store_trouble(p->store, &why) < 0 && why.code == ERR_config_bad) {
		*e = why;
		return -1;
	}
	if (p->term && term != p->term)
		stop_leading(p);
	if (term && !p->term && begin_leading(p, term, e) < 0)
		return -1;
	if (!p->term)
		tell_leader(p);
	return serve_tick(&p->serve, e);
}

static void end(void *self, struct daemon_env *env)
{
	struct process *p = self;

	(void)env;
	if (p->serving)
		serve_end(&p->serve);
	if (p->term)
		master_fini(&p->master);
	store_close(&p->store);
	identity_free(&p->id);
	control_fini(&p->control);
	explicit_bzero(p->etcd.password, sizeof(p->etcd.password));
}

/* On a master that does not lead only its own. */
static void tell_metrics(void *self, struct metrics *m)
{
	struct process *p = self;
	bool leads = p->term != 0;

	metrics_add(m, METRIC_PROCESS, NULL, NULL,
		json_pack("{s:b, s:I, s:I, s:b}", "leader", leads, "uptime_ms",
			(json_int_t)(clock_ms() - p->started_ms), "revision",
			(json_int_t)(leads ? p->master.model.revision : 0), "old",
			leads && p->master.newer != 0));
	if (leads) {
		master_set_clock(&p->master, clock_ms(), clock_wall_us() / 1000000);
		master_metrics(&p->master, m);
	}
}

/* A store that is older than what agents have seen wants an operator; another's lead is as good as one's own.
 */
static bool tell_health(void *self, json_t *o)
{
	struct process *p = self;
	struct store_leader who = {0};
	struct err why = {0};

	store_leader(p->store, &who);
	json_object_set_new(o, "role", json_string(p->term ? "leader" : "follower"));
	json_object_set_new(o, "leader", json_string(p->term ? p->name : who.name));
	if (store_trouble(p->store, &why) < 0)
		json_object_set_new(o, "error", json_any_text(why.text));
	return p->term ? p->master.newer == 0 : who.name[0] != '\0';
}

int main(int argc, char **argv)
{
	static const struct daemon master = {
		.kind = UNIT_master,
		.state = sizeof(struct process),
		.renewable = true,
		.open = before_box,
		.ready = ready,
		.tick = tick,
		.metrics = tell_metrics,
		.health = tell_health,
		.close = end,
	};

	if (argc > 1 && argv[1][0] != '-')
		return tool_run(argc, argv);
	return daemon_run(&master, argc, argv);
}
