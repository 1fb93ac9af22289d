/*
 * Writing into the dump folder. The only place that makes files; called by the writers and by the plan. Must
 * never give up because the disk is full: the snapshot would be lost.
 */
#include "units/dump/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/log.h"

/* True: try again. False: leaving. */
static bool wait_for_room(struct dump *d, const char *name)
{
	if (!atomic_exchange(&d->disk_full, true)) {
		struct err e = {0};

		err_set(&e, ERR_disk_full, "writing %s in the dump folder", name);
		log_err(&e);
		unit_wake(d->env);
	}
	return dump_pause(d, 1000);
}

static void room_again(struct dump *d)
{
	if (atomic_load(&d->disk_full) && atomic_exchange(&d->disk_full, false))
		log_info("there is room on the disk again: the dump goes on");
}

static bool is_full(int number)
{
	return number == ENOSPC || number == EDQUOT;
}

static int stopped(const char *name, struct err *e)
{
	return err_set(e, ERR_disk_full, "asked to leave while waiting for room for %s", name);
}

int file_create(struct dump *d, const char *name, struct err *e)
{
	int fd;

	while ((fd = openat(d->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640)) < 0) {
		if (!is_full(errno))
			return err_sys(e, ERR_io, "making %s in the dump folder", name);
		if (!wait_for_room(d, name))
			return stopped(name, e);
	}
	return fd;
}

int file_write(struct dump *d, int fd, const char *name, struct str bytes, struct err *e)
{
	while (bytes.n > 0) {
		ssize_t w = write(fd, bytes.p, bytes.n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0 && !is_full(errno))
			return err_sys(e, ERR_io, "writing %s in the dump folder", name);
		if (w < 0) {
			if (!wait_for_room(d, name))
				return stopped(name, e);
			continue;
		}
		room_again(d);
		bytes.p += w;
		bytes.n -= (size_t)w;
	}
	return 0;
}

/* Some file systems tell of a full disk only here. */
static int sync_file(struct dump *d, int fd, const char *name, struct err *e)
{
	while (fsync(fd) < 0) {
		if (!is_full(errno))
			return err_sys(e, ERR_io, "syncing %s in the dump folder", name);
		if (!wait_for_room(d, name))
			return stopped(name, e);
	}
	return 0;
}

int file_put(struct dump *d, const char *name, struct str bytes, struct err *e)
{
	char tmp[300];
	int fd, r;

	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	fd = file_create(d, tmp, e);
	if (fd < 0)
		return -1;
	r = file_write(d, fd, tmp, bytes, e);
	if (r == 0)
		r = sync_file(d, fd, tmp, e);
	close(fd);
	if (r < 0)
		return -1;
	if (renameat(d->dir, tmp, d->dir, name) < 0)
		return err_sys(e, ERR_io, "renaming %s in the dump folder", tmp);
	return fsync(d->dir) < 0 ? err_sys(e, ERR_io, "syncing the dump folder") : 0;
}

int file_clear(int dir, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *f;

	if (!list) {
		io_close(&fd);
		return err_sys(e, ERR_io, "reading the dump folder");
	}
	while (r == 0 && (f = readdir(list)))
		if (strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0 &&
			unlinkat(dir, f->d_name, 0) < 0)
			r = err_sys(e, ERR_io, "removing %s in the dump folder", f->d_name);
	closedir(list);
	return r;
}
