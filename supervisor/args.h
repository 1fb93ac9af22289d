#pragma once
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "common/base/log.h"

/* The supervisor's settings: its command line and nothing else. Strings are borrowed from argv. */
struct super_args {
	const char *state, *run;
	const char *libexec;    /* NULL: beside the own binary, else the installed place */
	const char *user;       /* NULL: "tidegate" where it exists */
	const char *failpoints; /* NULL: none */
	const char *store;      /* the masters' etcd; NULL: a file of the host's own */
	const char *masters;    /* where the agent finds them, comma-separated; NULL: this host's */
	char name[65];          /* the agent's name: letters, digits, '.', '_', '-' only */
	uid_t uid_first, uid_last;
	bool with_master, help, version;
	int alive_fd; /* -1: none */
	enum log_level level;
	const char *level_name;
};

/* 0, or -1 with ERR_usage. With help or version set nothing else is checked. */
int args_parse(int argc, char **argv, struct super_args *a, struct err *e);
void args_help(FILE *out);
