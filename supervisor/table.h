#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "include/spawn.h"

/* The children that are alive. */
struct child {
	unsigned kind, slot, sub;
	pid_t pid;
	int pidfd;
	uint64_t started_ms;
	char title[SPAWN_TITLE];
};

struct table {
	struct child *rows;
	size_t n, cap;
};

/* Copies c; takes its pidfd. */
void table_add(struct table *t, const struct child *c);
/* Borrowed until the table changes; NULL where there is none. */
struct child *table_find(const struct table *t, unsigned kind, unsigned slot, unsigned sub);
/* Closes the row's pidfd; the last row takes its place. */
void table_remove(struct table *t, size_t i);
size_t table_units(const struct table *t); /* those that are not agent or master */
void table_free(struct table *t);
bool kind_is_host(unsigned kind);
