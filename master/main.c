/*
 * tidegate-master: sources, tasks and who does what, in a store of its own. The skeleton
 * (common/proc/daemon.c) owns main; this is the filled-in form. It speaks to agents and to the command line,
 * never to a database, and holds no key.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "common/proc/daemon.h"
#include "master/master.h"
#include "master/serve.h"
#include "master/store.h"

struct process {
	struct store *store;
	struct master master;
	struct serve serve;
	bool inited;
};

/*
 * What stays the same over a restart of the master alone: this boot, and the supervisor above us with its
 * start time. Read before the box closes. Where it can't be read every hello counts as a new process's: that
 * only costs a restart of units.
 */
static void find_origin(char *out, size_t size)
{
	struct buf boot = {0}, stat = {0};
	char path[40];
	const char *p;
	int field = 2;

	out[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)getppid());
	if (io_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 4096, &boot, NULL) == 0 &&
		io_read_file(AT_FDCWD, path, 4096, &stat, NULL) == 0) {
		/* Behind the command's name, which may hold anything: field 22 is the start time. */
		p = strrchr(buf_cstr(&stat), ')');
		for (; p && *p && field < 22; p++)
			field += *p == ' ';
		if (p && *p)
			snprintf(out, size, "%.36s %ld %.*s", buf_cstr(&boot), (long)getppid(),
				(int)strspn(p, "0123456789"), p);
	}
	buf_free(&boot);
	buf_free(&stat);
}

static int before_box(void *self, struct daemon_env *env, struct err *e)
{
	struct process *p = self;

	(void)env;
	(void)e;
	find_origin(p->master.origin, sizeof(p->master.origin));
	return 0;
}

static int ready(void *self, struct daemon_env *env, struct err *e)
{
	struct process *p = self;

	p->store = store_open_file(env->state_fd, e);
	if (!p->store)
		return -1;
	p->master.now_ms = clock_ms();
	p->serve.m = &p->master;
	p->inited = true;
	if (master_init(&p->master, p->store, e) < 0 || serve_start(&p->serve, env, e) < 0)
		return -1;
	log_info("cluster %s at revision %llu: %zu sources, %zu tasks", store_cluster(p->store),
		(unsigned long long)p->master.model.revision,
		json_object_size(p->master.model.tables[STORE_SOURCE]),
		json_object_size(p->master.model.tables[STORE_TASK]));
	return 0;
}

static int tick(void *self, struct daemon_env *env, struct err *e)
{
	struct process *p = self;

	(void)env;
	return serve_tick(&p->serve, e);
}

static void end(void *self, struct daemon_env *env)
{
	struct process *p = self;

	(void)env;
	if (p->inited) {
		serve_end(&p->serve);
		master_fini(&p->master);
	}
	store_close(&p->store);
}

int main(int argc, char **argv)
{
	static const struct daemon master = {
		.kind = UNIT_master,
		.state = sizeof(struct process),
		.open = before_box,
		.ready = ready,
		.tick = tick,
		.close = end,
	};

	return daemon_run(&master, argc, argv);
}
