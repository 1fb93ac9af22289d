/*
 * Whose folder is it? Below /tmp anybody can make one under the name that ours would have, with a master of
 * his own in it, which would be told what is meant for ours. Called by ask.c and job.c.
 */
#include "ctl/owner.h"

#include <sys/stat.h>

bool owner_is(const char *folder, uid_t who)
{
	struct stat st;

	return lstat(folder, &st) == 0 && S_ISDIR(st.st_mode) && (who == 0 || st.st_uid == who);
}
