#pragma once
/* What tests of a store in a file share: a folder of their own, gone with what a store leaves in it. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct test_folder {
	char path[40];
	int fd;
};

static inline int test_folder_make(struct test_folder *f)
{
	strcpy(f->path, "/tmp/tg-store-XXXXXX");
	if (!mkdtemp(f->path))
		return -1;
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY);
	return f->fd >= 0 ? 0 : -1;
}

static inline void test_folder_drop(struct test_folder *f)
{
	static const char *const files[] = {
		"tidegate.db", "tidegate.db-wal", "tidegate.db-shm", "tidegate.db-journal"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(f->fd, files[i], 0);
	close(f->fd);
	rmdir(f->path);
}
