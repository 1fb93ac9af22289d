#pragma once
#include "common/config/endpoint.h"
#include "ctl/job.h"

/* The three ways to say what is to be done: two URLs (job_parse.c), YAML files (job_yaml.c), a folder of
 * files and one URL or two (job_files.c). Passwords stay in plain here. */

/* File, then what ep has (of its URL, its YAML file), then environment, then prompt. */
int job_find_password(struct endpoint *ep, const char *file, const char *variable, bool ask, struct err *e);
/* "10.0.0.1:3306" -> "10.0.0.1-3306": a source's name, at most 32 characters as DM has it. */
void job_source_name(const struct endpoint *ep, char *out, size_t size);
/* --threads, --consistency, --collation-policy: of every copy. */
int job_parse_copy(const struct args *a, long *threads, struct err *e);
/* --objects and --definer; of a task file its reader has checked them. */
int job_check_objects(const json_t *task, struct err *e);
/* --filesize 64MiB and its like: 0 where it is not given. */
int job_parse_size(const char *option, const char *value, int64_t *bytes, struct err *e);

int job_parse_files(const struct args *a, struct job *j, struct err *e);
int job_parse_dump(const struct args *a, struct job *j, struct err *e);
int job_parse_load(const struct args *a, struct job *j, struct err *e);
/* The folder for files, made where a dump is to go into it: j->files. */
int job_open_folder(struct job *j, const char *path, bool make, struct err *e);
