#pragma once
#include "master/store.h"

/* What no store may hold twice: a slot, a subtask's number within its source. Of a backend without indexes.
 */
struct unique;

struct unique *unique_new(void);
void unique_free(struct unique **u);
/* All documents of a load. ERR_store names the two that collide. */
int unique_load(struct unique *u, json_t *const tables[STORE_TABLES], struct err *e);
/* Would the changes collide, with each other or with what is there? Nothing is changed. */
int unique_check(const struct unique *u, const struct store_change *changes, size_t n, struct err *e);
/* The changes are done. */
void unique_apply(struct unique *u, const struct store_change *changes, size_t n);
