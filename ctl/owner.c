/*
 * Whose folder is it? Below /tmp anybody can make one under the name that ours would have, with a master of
 * his own in it, which would be told what is meant for ours. Called by ask.c and job.c.
 */
#include "ctl/owner.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_his(const struct stat *st, uid_t who)
{
	return S_ISDIR(st->st_mode) && (who == 0 || st->st_uid == who);
}

bool owner_is(const char *folder, uid_t who)
{
	struct stat st;

	return lstat(folder, &st) == 0 && is_his(&st, who);
}

int owner_enter(const char *folder, uid_t who, struct err *e)
{
	int fd = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
	struct stat st;

	if (fd < 0)
		return err_sys(e, ERR_ctl_connect, "run folder %s", folder);
	if (fstat(fd, &st) < 0 || !is_his(&st, who))
		r = err_set(e, ERR_ctl_connect, "the run folder %s belongs to somebody else", folder);
	else if (fchdir(fd) < 0)
		r = err_sys(e, ERR_ctl_connect, "run folder %s", folder);
	close(fd);
	return r;
}
