#pragma once
#include "common/base/err.h"

/* SQLite's file layer for a directory that is only known by its descriptor (T35). */
struct store_vfs;

/* Registers it with SQLite; dir must stay open. NULL with e. */
struct store_vfs *store_vfs_new(int dir, struct err *e);
void store_vfs_free(struct store_vfs **v);
const char *store_vfs_name(const struct store_vfs *v);
/* What SQLite must be told to open, for a file of that directory. */
void store_vfs_path(const struct store_vfs *v, const char *file, char *out, int size);
