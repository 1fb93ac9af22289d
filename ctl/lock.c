/* Is a supervisor there? Its lock file alone says nothing: it stays behind one that was killed. Called by
 * ask.c. */
#include "ctl/lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* "1: FLOCK  ADVISORY  WRITE 4711 00:1a:123 0 EOF"; one that waits for it has "->" behind the number. */
static bool names(const char *line, dev_t dev, ino_t ino)
{
	unsigned maj, min;
	uint64_t inode;

	return sscanf(line, "%*u: FLOCK %*s %*s %*d %x:%x:%" SCNu64, &maj, &min, &inode) == 3 &&
	       maj == major(dev) && min == minor(dev) && inode == ino;
}

bool lock_is_held(const char *folder, const char *name)
{
	char path[600], line[256];
	struct stat in, st;
	bool held = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (stat(folder, &in) < 0 || stat(path, &st) < 0)
		return false;
	f = fopen("/proc/locks", "re");
	if (!f)
		return true;
	/* In a container's overlay a file has the device of a layer; folders, and locks, have the overlay's.
	 */
	while (!held && fgets(line, sizeof(line), f))
		held = names(line, st.st_dev, st.st_ino) || names(line, in.st_dev, st.st_ino);
	fclose(f);
	return held;
}
