/*
 * Small file helpers, relative to directory descriptors: paths of the state folder may not be walkable for a
 * unit's uid (T35).
 */
#include "common/base/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

void io_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int io_write_all(int fd, const void *p, size_t n, struct err *e)
{
	const char *at = p;

	while (n > 0) {
		ssize_t w = write(fd, at, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return err_sys(e, ERR_io, "writing %zu bytes", n);
		at += w;
		n -= (size_t)w;
	}
	return 0;
}

/* Reads from fd up to the end of file into out; more than max is an error. */
static int read_all(int fd, const char *name, size_t max, struct buf *out, struct err *e)
{
	size_t start = out->n;

	for (;;) {
		ssize_t r = read(fd, buf_room(out, 16384), 16384);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_sys(e, ERR_io, "reading %s", name);
		if (r == 0)
			return 0;
		out->n += (size_t)r;
		if (out->n - start > max)
			return err_set(e, ERR_io, "%s is larger than %zu bytes", name, max);
	}
}

int io_read_file(int dir, const char *name, size_t max, struct buf *out, struct err *e)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return err_sys(e, ERR_io, "opening %s", name);
	r = read_all(fd, name, max, out, e);
	close(fd);
	return r;
}

static int write_tmp(int dir, const char *tmp, const struct str bytes, mode_t mode, struct err *e)
{
	int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode), r;

	if (fd < 0)
		return err_sys(e, ERR_io, "making %s", tmp);
	r = io_write_all(fd, bytes.p, bytes.n, e);
	if (r < 0)
		err_add(e, "%s", tmp);
	else if (fsync(fd) < 0)
		r = err_sys(e, ERR_io, "syncing %s", tmp);
	close(fd);
	return r;
}

/* The rename is only safe once the directory is on disk too. */
static int sync_dir(int dir, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (fd < 0 || fsync(fd) < 0)
		r = err_sys(e, ERR_io, "syncing a directory");
	io_close(&fd);
	return r;
}

int io_replace_file(int dir, const char *name, const void *p, size_t n, mode_t mode, struct err *e)
{
	char tmp[300];

	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	if (write_tmp(dir, tmp, (struct str){p, n}, mode, e) < 0) {
		unlinkat(dir, tmp, 0);
		return -1;
	}
	if (renameat(dir, tmp, dir, name) < 0)
		return err_sys(e, ERR_io, "renaming %s to %s", tmp, name);
	return sync_dir(dir, e);
}

int io_sealed_memfd(const char *name, const void *p, size_t n, struct err *e)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_sys(e, ERR_io, "memfd_create");
	if (io_write_all(fd, p, n, e) < 0)
		goto fail;
	if (lseek(fd, 0, SEEK_SET) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0) {
		err_sys(e, ERR_io, "sealing a memfd");
		goto fail;
	}
	return fd;
fail:
	close(fd);
	return -1;
}

int io_read_memfd(int fd, size_t max, struct buf *out, struct err *e)
{
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS)
		return err_set(e, ERR_proto, "descriptor %d is no sealed memfd", fd);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, ERR_io, "descriptor %d", fd);
	return read_all(fd, "the configuration slice", max, out, e);
}

int io_random_hex(char *out, size_t n, struct err *e)
{
	uint8_t random[64];

	assert(n <= sizeof(random));
	if (getrandom(random, n, 0) != (ssize_t)n)
		return err_sys(e, ERR_internal, "getrandom");
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", random[i]);
	return 0;
}
