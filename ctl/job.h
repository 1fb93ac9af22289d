#pragma once
#include <jansson.h>

#include "common/base/err.h"
#include "common/config/secret.h"
#include "ctl/ctl.h"

/* One `tidegate run`: what is to be done, and the folders it lives in. */
struct job_source {
	char id[33];
	json_t *source; /* args of operate-source create; owned */
};

struct job {
	json_t *task; /* args of start-task, "task" part; passwords encrypted; owned */
	struct job_source sources[64];
	unsigned nsources;
	json_t *identity; /* what tells jobs apart: servers, task, tables; owned */
	char state[4096], run[108];
	char files[4096]; /* the folder of a task that dumps into files or loads them; "": there is none */
	int state_fd, lock_fd;
	struct secret_key key;
};

/* From --from/--to/--dir or YAML files; passwords still in plain. ERR_usage, ERR_config_…. */
int job_parse(const struct args *a, struct job *j, struct err *e);
/* Prints the lines in o's member "warnings" (common/config/yaml.h) on stderr, and takes it out of o. */
void job_tell_warnings(json_t *o);
/*
 * Opens (or makes) the state folder, checks that it is this job's (ERR_state_other_job), makes the key,
 * encrypts the passwords, makes the run folder for the sockets.
 */
int job_open(const struct args *a, struct job *j, struct err *e);
void job_close(struct job *j);
/* Takes the run folder away once the supervisor has left. */
void job_remove_run(const struct job *j);
/* The run folder (into out, 108 bytes) of an existing state folder. */
int job_find_run(const char *state, char *out, size_t size, struct err *e);
/* The key of --state, or of /var/lib/tidegate. */
int job_read_key(const struct args *a, struct secret_key *key, struct err *e);
/*
 * The endpoint's password, also one that DM encrypted (--dm-key), becomes cipher text of key; NULL: of
 * job_read_key's, which is read only where there is something to encrypt.
 */
int job_encrypt(const struct args *a, json_t *endpoint, const struct secret_key *key, struct err *e);
