/* Is a supervisor there? Its lock file alone says nothing: it stays behind one that was killed. Called by
 * ask.c. */
#include "ctl/lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* "1: FLOCK  ADVISORY  WRITE 4711 00:1a:123 0 EOF"; one that waits for it has "->" behind the number. */
static bool names(const char *line, const struct stat *st)
{
	unsigned maj, min;
	uint64_t inode;

	return sscanf(line, "%*u: FLOCK %*s %*s %*d %x:%x:%" SCNu64, &maj, &min, &inode) == 3 &&
	       maj == major(st->st_dev) && min == minor(st->st_dev) && inode == st->st_ino;
}

bool lock_is_held(const char *path)
{
	char line[256];
	struct stat st;
	bool held = false;
	FILE *f;

	if (stat(path, &st) < 0)
		return false;
	f = fopen("/proc/locks", "re");
	if (!f)
		return true;
	while (!held && fgets(line, sizeof(line), f))
		held = names(line, &st);
	fclose(f);
	return held;
}
