#pragma once
#include <jansson.h>

#include "ctl/ask.h"

enum { ASK_MS = 30000 };

/* What the words about files share. Passwords are encrypted by the key of the state folder or the host. */

/* A task's, a source's file, ready for the master; notes are told. New reference, NULL with e. */
json_t *words_load_task(const struct args *a, const char *file, struct err *e);
json_t *words_load_source(const struct args *a, const char *file, struct err *e);
/* As start-task, operate-source create|update do, the answer printed. 0 or another enum ctl_exit. */
int words_start_task(struct ask *k, const struct args *a, json_t *task, struct err *e);
int words_put_source(struct ask *k, const struct args *a, const char *op, json_t *source, struct err *e);
/* One word to the master, the answer printed. Takes args. */
int words_send(struct ask *k, const struct args *a, const char *word, json_t *args, struct err *e);
struct ask *words_open(const struct args *a, struct err *e);
