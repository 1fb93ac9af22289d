#pragma once
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "common/base/log.h"

/* The supervisor's settings: its file, and before that its command line. Strings are borrowed from argv and
 * from the file. */
struct super_args {
	const char *state, *run;
	const char *files;         /* NULL: no task of this host dumps into files or loads them */
	const char *libexec;       /* NULL: beside the own binary, else the installed place */
	const char *user;          /* NULL: "tidegate" where it exists */
	const char *failpoints;    /* NULL: none */
	const char *config;        /* NULL: none; the folder with the files of include/daemon.def, absolute */
	struct settings *settings; /* of tidegated.conf in it; NULL without config */
	const char *store;         /* the masters' etcd; NULL: a file of the host's own */
	const char *masters;       /* where the agent finds them, comma-separated; NULL: this host's */
	char name[65];             /* the agent's name: letters, digits, '.', '_', '-' only */
	uid_t uid_first, uid_last;
	bool with_master, help, version;
	int alive_fd; /* -1: none */
	enum log_level level;
	bool level_given; /* by --log-level */
};

/* 0, or -1 with ERR_usage. With help or version set nothing else is checked. */
int args_parse(int argc, char **argv, struct super_args *a, struct err *e);
void args_fini(struct super_args *a);
/* SIGHUP: reads the file again and takes over what can be (include/daemon.def). Says in the log what it did.
 */
void args_reload(struct super_args *a);
void args_help(FILE *out);
