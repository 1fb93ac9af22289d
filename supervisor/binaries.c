/*
 * Finds and opens the other programs once, when the supervisor starts. After a package upgrade a unit that is
 * started again is still the one that its agent knows (T42).
 */
#include "supervisor/binaries.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/log.h"

#define INSTALLED "/usr/libexec/tidegate"

/* Whoever may write a program is master of whoever runs it. */
static int check_program(int fd, const char *name, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, ERR_spawn, "looking at %s", name);
	if (!S_ISREG(st.st_mode) || (geteuid() == 0 && (st.st_mode & 002)))
		return err_set(e, ERR_spawn, "%s is not a program that only its owner can write", name);
	return 0;
}

static int open_program(int dir, const char *name, int *out, struct err *e)
{
	*out = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (*out < 0 && errno == ENOENT)
		return 0;
	if (*out < 0)
		return err_sys(e, ERR_spawn, "opening %s", name);
	return check_program(*out, name, e);
}

static int own_folder(char *out, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", out, size - 1);
	char *slash;

	if (n <= 0)
		return -1;
	out[n] = '\0';
	slash = strrchr(out, '/');
	if (!slash || slash == out)
		return -1;
	*slash = '\0';
	return 0;
}

static int open_folder(const char *libexec, struct err *e)
{
	char own[PATH_MAX];
	const char *path = libexec ? libexec : INSTALLED;
	int dir;

	if (!libexec && own_folder(own, sizeof(own)) == 0) {
		dir = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0 && faccessat(dir, unit_info(UNIT_agent)->executable, X_OK, 0) == 0)
			return dir;
		io_close(&dir);
	}
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? err_sys(e, ERR_spawn, "opening the programs' folder %s", path) : dir;
}

int binaries_open(struct binaries *b, const char *libexec, struct err *e)
{
	int dir, r = 0;

	for (int k = 0; k < UNIT_KIND_END; k++)
		b->fd[k] = -1;
	dir = open_folder(libexec, e);
	if (dir < 0)
		return -1;
	for (int k = 1; k < UNIT_KIND_END && r == 0; k++) {
		const struct unit_info *u = unit_info(k);

		if (u)
			r = open_program(dir, u->executable, &b->fd[k], e);
		if (r == 0 && u && b->fd[k] < 0 && k != UNIT_probe)
			log_warn("%s is not installed: requests for it will be refused", u->executable);
	}
	close(dir);
	if (r == 0 && b->fd[UNIT_agent] < 0)
		r = err_set(e, ERR_spawn, "%s is missing: give its folder with --libexec",
			unit_info(UNIT_agent)->executable);
	return r;
}

void binaries_close(struct binaries *b)
{
	for (int k = 0; k < UNIT_KIND_END; k++)
		io_close(&b->fd[k]);
}
