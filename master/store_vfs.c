/*
 * SQLite's own unix file layer with one difference: paths are taken as they are. The state folder may lie
 * where our user can't walk to (T35), so files are named /proc/self/fd/N/tidegate.db, and SQLite would
 * resolve that to the real path, which it then can't open. Journal, -wal, -shm and the directory's sync
 * derive from the same text. Called by store_sqlite.c only.
 */
#include "master/store_vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

struct store_vfs {
	sqlite3_vfs vfs; /* a copy of "unix": its methods use nothing of it but what is copied */
	char name[32];
	int dir;
};

static int full_pathname(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
	int n = snprintf(out, (size_t)size, "%s", path);

	(void)vfs;
	return n < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

struct store_vfs *store_vfs_new(int dir, struct err *e)
{
	sqlite3_vfs *unix_vfs = sqlite3_vfs_find("unix");
	struct store_vfs *v = xcalloc(1, sizeof(*v));

	if (!unix_vfs) {
		free(v);
		err_set(e, ERR_store, "this SQLite has no unix file layer");
		return NULL;
	}
	v->vfs = *unix_vfs;
	v->dir = dir;
	snprintf(v->name, sizeof(v->name), "tidegate-%d", dir);
	v->vfs.zName = v->name;
	v->vfs.pNext = NULL;
	v->vfs.xFullPathname = full_pathname;
	if (sqlite3_vfs_register(&v->vfs, 0) != SQLITE_OK) {
		free(v);
		err_set(e, ERR_store, "SQLite refuses a file layer");
		return NULL;
	}
	return v;
}

void store_vfs_free(struct store_vfs **v)
{
	if (!*v)
		return;
	sqlite3_vfs_unregister(&(*v)->vfs);
	free(*v);
	*v = NULL;
}

const char *store_vfs_name(const struct store_vfs *v)
{
	return v->name;
}

void store_vfs_path(const struct store_vfs *v, const char *file, char *out, int size)
{
	snprintf(out, (size_t)size, "/proc/self/fd/%d/%s", v->dir, file);
}
