#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "common/base/err.h"

enum { ARGS_MANY = 1000 }; /* more than a master has sources or agents */

/* What was typed: options by name (include/option.def), the words behind the command. Borrowed from argv. */
struct args {
	const char *word; /* the command */
#define OPTION(name, letter, value, who, help) const char *name;
#include "option.def"
#undef OPTION
	const char *sources[ARGS_MANY]; /* each -s */
	unsigned nsources;
	const char *names[ARGS_MANY]; /* each -n, of the word that takes several */
	unsigned nnames;
	char **rest;
	int nrest;
};

enum ctl_exit { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

/* 0, or -1 with ERR_usage: what is no option, or one of other commands only, or is given twice with two
 * values. */
int args_parse(int argc, char **argv, struct args *a, struct err *e);
/* word NULL: of all. False: there is no such word, and nothing is printed. */
bool args_help(const char *word);
/* Is an option, by its `who` of the table, one of this command? */
bool args_option_is_for(const char *who, const char *word);
/* "from_password_file" -> "from-password-file": the table's names are C identifiers. */
void args_option_name(const char *name, char *out, size_t size);

/* Every command: 0 or another enum ctl_exit; an error is filled for the edge (main) to print where it is not
 * EXIT_DONE. */
#define CTL(word, fn, usage, help) int fn(const struct args *a, struct err *e);
int cmd_run(const struct args *a, struct err *e);
int cmd_dump(const struct args *a, struct err *e);
int cmd_load(const struct args *a, struct err *e);
int cmd_query_status(const struct args *a, struct err *e);
int cmd_check_task(const struct args *a, struct err *e);
int cmd_start_task(const struct args *a, struct err *e);
int cmd_task_word(const struct args *a, struct err *e);
int cmd_binlog(const struct args *a, struct err *e);
int cmd_binlog_schema(const struct args *a, struct err *e);
int cmd_operate_schema(const struct args *a, struct err *e);
int cmd_cutover(const struct args *a, struct err *e);
int cmd_operate_source(const struct args *a, struct err *e);
int cmd_list_member(const struct args *a, struct err *e);
int cmd_accept_key(const struct args *a, struct err *e);
int cmd_accept_store(const struct args *a, struct err *e);
int cmd_config(const struct args *a, struct err *e);
int cmd_offline_member(const struct args *a, struct err *e);
int cmd_transfer_source(const struct args *a, struct err *e);
int cmd_drain_member(const struct args *a, struct err *e);
int cmd_relay_word(const struct args *a, struct err *e);
int cmd_relay_stage(const struct args *a, struct err *e);
int cmd_purge_relay(const struct args *a, struct err *e);
int cmd_operate_leader(const struct args *a, struct err *e);
int cmd_update_task(const struct args *a, struct err *e);
int cmd_completion(const struct args *a, struct err *e);
int cmd_shard_ddl_lock(const struct args *a, struct err *e);
int cmd_validation(const struct args *a, struct err *e);
int cmd_logs(const struct args *a, struct err *e);
int cmd_grants(const struct args *a, struct err *e);
int cmd_encrypt(const struct args *a, struct err *e);
int cmd_decrypt(const struct args *a, struct err *e);
#undef CTL

/* The program's one way to speak of an error on stderr: "tidegate: [code] what; what to do". a: NULL before
 * it is read. */
void ctl_complain(const struct err *e, const struct args *a);
