/*
 * Makes and opens the state and run folders, the key and the lock files. Everything is relative to
 * descriptors and follows no symbolic link: a folder's owner may be captured, the supervisor walks only where
 * it is the owner itself and opens others' folders as the last step. An owner that is not the expected one is
 * refused, never changed.
 */
#include "supervisor/folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/io.h"
#include "unit.h"

enum { DIR_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, KEY_SIZE = 32 };

/* What a folder must be like. */
struct want {
	struct owner owner;
	mode_t mode;
};

/* Ours (also half made by a start that was cut off) or already the owner's; anybody else's is refused. */
static int settle(const struct folders *f, int fd, const char *name, struct want want, struct err *e)
{
	uid_t self = f->ids.self.uid, uid = want.owner.uid;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, ERR_io, "looking at folder %s", name);
	if (st.st_uid != uid && st.st_uid != self) {
		errno = EPERM;
		return err_set(e, ERR_io,
			"folder %s belongs to uid %u, not to uid %u: give it to that one with chown -R, or "
			"start with the "
			"user and --uid-range of before",
			name, (unsigned)st.st_uid, (unsigned)uid);
	}
	if ((st.st_uid != uid || st.st_gid != want.owner.gid) && self == 0 &&
		fchown(fd, uid, want.owner.gid) < 0)
		return err_sys(e, ERR_io, "giving folder %s to uid %u", name, (unsigned)uid);
	if ((st.st_mode & 07777) != want.mode && fchmod(fd, want.mode) < 0)
		return err_sys(e, ERR_io, "setting the mode of folder %s", name);
	return 0;
}

/* Makes the folder where it is missing, opens it, and sees to owner and mode. */
static int open_dir(const struct folders *f, int parent, const char *name, struct want want, struct err *e)
{
	int fd;

	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, ERR_io, "making folder %s", name);
	fd = openat(parent, name, DIR_FLAGS);
	if (fd < 0)
		return err_sys(e, ERR_io, "opening folder %s", name);
	if (settle(f, fd, name, want, e) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A file to lock: never a link to somebody else's, never something that blocks. */
static int open_lock(int dir, const char *name, struct err *e)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return err_sys(e, ERR_io, "opening lock file %s", name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1) {
		close(fd);
		errno = EPERM;
		return err_set(e, ERR_io, "%s is not a plain lock file: remove it", name);
	}
	return fd;
}

static int hold_lock(int dir, const char *folder, int *lock, struct err *e)
{
	*lock = open_lock(dir, "tidegated.lock", e);
	if (*lock < 0)
		return err_add(e, "%s", folder);
	if (flock(*lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return err_set(e, ERR_locked, "another tidegated runs with the folder %s", folder);
	return err_sys(e, ERR_io, "locking %s/tidegated.lock", folder);
}

/* The two folders named on the command line: here, and only here, paths are walked. */
static int open_top(const char *path, int *fd, struct err *e)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(e, ERR_io, "making folder %s", path);
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return err_sys(e, ERR_io, "opening folder %s", path);
	return 0;
}

/* STATE stays the supervisor's own: it holds the key and is walked at each start of a unit. */
static int open_state(struct folders *f, const char *path, struct err *e)
{
	struct stat st;

	if (open_top(path, &f->state, e) < 0)
		return -1;
	if (fstat(f->state, &st) < 0)
		return err_sys(e, ERR_io, "looking at folder %s", path);
	if (st.st_uid != f->ids.self.uid)
		return err_set(e, ERR_io,
			"state folder %s belongs to uid %u: it must belong to the supervisor's user (uid %u)",
			path, (unsigned)st.st_uid, (unsigned)f->ids.self.uid);
	if (st.st_mode & 022)
		return err_set(e, ERR_io, "state folder %s can be written by others: chmod go-w it", path);
	if (hold_lock(f->state, path, &f->state_lock, e) < 0)
		return -1;
	f->sources = open_dir(f, f->state, "sources", (struct want){f->ids.self, 0700}, e);
	return f->sources < 0 ? err_add(e, "%s", path) : 0;
}

/* RUN is the agent's and the master's: they make sockets in it. The operator's ctl passes through it. */
static int open_run(struct folders *f, const char *path, struct err *e)
{
	if (open_top(path, &f->run, e) < 0)
		return -1;
	if (hold_lock(f->run, path, &f->run_lock, e) < 0)
		return -1;
	return settle(f, f->run, path, (struct want){f->ids.host, f->ids.root ? 0755 : 0700}, e);
}

static int make_key(int state, struct err *e)
{
	unsigned char key[KEY_SIZE];
	int r;

	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return err_sys(e, ERR_io, "no random bytes for the key");
	r = io_replace_file(state, "key", key, sizeof(key), 0600, e);
	explicit_bzero(key, sizeof(key));
	return r;
}

/* Opened anew for each child: a shared descriptor would share its read position. */
static int open_key(const struct folders *f, struct err *e)
{
	int fd = openat(f->state, "key", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return err_sys(e, ERR_io, "opening the key file");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size != KEY_SIZE || (st.st_mode & 077) ||
		st.st_uid != f->ids.self.uid) {
		close(fd);
		errno = EPERM;
		return err_set(e, ERR_io,
			"the state folder's key is not a file of %d bytes, mode 0600, owned by uid %u: put "
			"the right one "
			"back",
			KEY_SIZE, (unsigned)f->ids.self.uid);
	}
	return fd;
}

static int check_key(const struct folders *f, struct err *e)
{
	int fd;

	if (faccessat(f->state, "key", F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT &&
		make_key(f->state, e) < 0)
		return -1;
	fd = open_key(f, e);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

/* Somebody's own folder: neither made nor given away here, but for an empty one (files_for). */
static int open_files(struct folders *f, const char *path, struct err *e)
{
	f->files = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	return path && f->files < 0 ? err_sys(e, ERR_io, "opening the folder of files %s", path) : 0;
}

int folders_open(struct folders *f, const struct super_args *a, const struct ids *ids, struct err *e)
{
	*f = (struct folders){.state = -1,
		.run = -1,
		.sources = -1,
		.files = -1,
		.state_lock = -1,
		.run_lock = -1,
		.ids = *ids};
	if (open_state(f, a->state, e) < 0 || open_run(f, a->run, e) < 0 || open_files(f, a->files, e) < 0)
		return -1;
	if (check_key(f, e) < 0)
		return err_add(e, "%s", a->state);
	return 0;
}

void folders_close(struct folders *f)
{
	io_close(&f->sources);
	io_close(&f->state);
	io_close(&f->run);
	io_close(&f->files);
	io_close(&f->state_lock);
	io_close(&f->run_lock);
}

/* STATE/sources/SLOT/relay or …/dump/SUB: only the last one is the source's, the way to it is ours. */
static int open_unit_state(const struct folders *f, const struct unit_info *u, struct place at, struct err *e)
{
	const struct want ours = {f->ids.self, 0700}, theirs = {ids_slot(&f->ids, at.slot), 0700};
	bool leaf = u->per == UNIT_PER_SOURCE;
	int slot_dir, kind_dir, fd;
	char name[32];

	snprintf(name, sizeof(name), "%u", at.slot);
	slot_dir = open_dir(f, f->sources, name, ours, e);
	if (slot_dir < 0)
		return err_add(e, "sources");
	kind_dir = open_dir(f, slot_dir, u->state, leaf ? theirs : ours, e);
	close(slot_dir);
	if (kind_dir < 0 || leaf)
		return kind_dir < 0 ? err_add(e, "sources/%u", at.slot) : kind_dir;
	snprintf(name, sizeof(name), "%u", at.sub);
	fd = open_dir(f, kind_dir, name, theirs, e);
	close(kind_dir);
	return fd < 0 ? err_add(e, "sources/%u/%s", at.slot, u->state) : fd;
}

/* The agent makes its socket here too: the group is the agent's, and new files get it. */
static int open_unit_run(const struct folders *f, unsigned slot, struct err *e)
{
	const struct want want = {{ids_slot(&f->ids, slot).uid, f->ids.host.gid}, f->ids.root ? 02770 : 0700};
	char name[32];

	snprintf(name, sizeof(name), "%u", slot);
	return open_dir(f, f->run, name, want, e);
}

static bool is_empty(int dir)
{
	int fd = openat(dir, ".", DIR_FLAGS);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	bool empty = list;

	while (list && empty && (d = readdir(list)))
		empty = strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0;
	if (list)
		closedir(list);
	else
		io_close(&fd);
	return empty;
}

/* By a start before. */
static bool is_lent(const struct stat *st, gid_t gid, mode_t bits)
{
	return st->st_gid == gid && (st->st_mode & bits) == bits;
}

/* Root's file, which others may not read: this group may. Never what a name elsewhere leads to, too. */
static void lend_file(int dir, const char *name, gid_t gid)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == 0 && st.st_nlink == 1 &&
		!(st.st_mode & S_IROTH) && !is_lent(&st, gid, S_IRGRP) && fchown(fd, (uid_t)-1, gid) == 0)
		(void)!fchmod(fd, (st.st_mode & 0777) | S_IRGRP);
	io_close(&fd);
}

/*
 * Started as root, a load could not read what root alone may: as mydumper leaves its folder, and a dump of
 * ours that root took back. A folder of root's with a dump's metadata, and root's files in it, are lent to
 * the source's group; their owner stays. What can't be lent the load names, as a file that it may not read.
 */
static void lend(int dir, const struct stat *st, gid_t gid)
{
	int fd =
		faccessat(dir, "metadata", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? openat(dir, ".", DIR_FLAGS) : -1;
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!list) {
		io_close(&fd);
		return;
	}
	while ((d = readdir(list)))
		if (d->d_name[0] != '.')
			lend_file(dir, d->d_name, gid);
	closedir(list);
	if ((st->st_mode & 05) != 05 && !is_lent(st, gid, 050) && fchown(dir, (uid_t)-1, gid) == 0)
		(void)!fchmod(dir, (st->st_mode & 0777) | 050);
}

/*
 * Only for the units that have a state folder "dump". Started as root, a dump could not write into root's new
 * folder: so an empty one of root's is given to the first source that asks. Nothing else changes its owner.
 */
static int files_for(
	const struct folders *f, const struct unit_info *u, struct place at, int *fds, struct err *e)
{
	struct owner to = ids_slot(&f->ids, at.slot);
	struct stat st;

	if (f->files < 0 || strcmp(u->state, "dump") != 0)
		return 0;
	fds[FD_FILES] = openat(f->files, ".", DIR_FLAGS);
	if (fds[FD_FILES] < 0 || fstat(fds[FD_FILES], &st) < 0)
		return err_sys(e, ERR_io, "opening the folder of files");
	if (f->ids.root && at.kind == UNIT_dump && st.st_uid == f->ids.self.uid &&
		(st.st_mode & 07022) == 0 && is_empty(fds[FD_FILES]) &&
		fchown(fds[FD_FILES], to.uid, to.gid) < 0)
		return err_sys(e, ERR_io, "giving the folder of files to uid %u", (unsigned)to.uid);
	if (f->ids.root && at.kind == UNIT_load && st.st_uid == f->ids.self.uid && (st.st_mode & 07022) == 0)
		lend(fds[FD_FILES], &st, to.gid);
	return 0;
}

static int for_unit(
	const struct folders *f, const struct unit_info *u, struct place at, int *fds, struct err *e)
{
	char lock[64];

	fds[FD_RUN] = open_unit_run(f, at.slot, e);
	if (fds[FD_RUN] < 0)
		return err_add(e, "run folder");
	snprintf(lock, sizeof(lock), "%s-%u.lock", u->name, at.sub);
	fds[FD_LOCK] = open_lock(fds[FD_RUN], lock, e);
	fds[FD_KEY] = fds[FD_LOCK] < 0 ? -1 : open_key(f, e);
	if (fds[FD_KEY] < 0)
		return -1;
	if (u->state[0] == '\0')
		return 0;
	fds[FD_STATE] = open_unit_state(f, u, at, e);
	if (fds[FD_STATE] < 0)
		return err_add(e, "state folder");
	return files_for(f, u, at, fds, e);
}

/* No key: agent and master never decrypt a password (T32). */
static int for_host(const struct folders *f, const struct unit_info *u, int *fds, struct err *e)
{
	char lock[64];

	/* Opened anew, not duplicated: a shared one would share the lock with a child that outlives us. */
	fds[FD_RUN] = openat(f->run, ".", DIR_FLAGS);
	if (fds[FD_RUN] < 0)
		return err_sys(e, ERR_io, "opening the run folder");
	snprintf(lock, sizeof(lock), "%s.lock", u->name);
	fds[FD_LOCK] = open_lock(f->run, lock, e);
	if (fds[FD_LOCK] < 0)
		return -1;
	fds[FD_STATE] = open_dir(f, f->state, u->state, (struct want){f->ids.host, 0700}, e);
	return fds[FD_STATE] < 0 ? err_add(e, "state folder") : 0;
}

int folders_for(const struct folders *f, struct place at, int fds[FD_LAST + 1], struct err *e)
{
	const struct unit_info *u = unit_info(at.kind);

	fds[FD_STATE] = fds[FD_RUN] = fds[FD_LOCK] = fds[FD_KEY] = fds[FD_FILES] = -1;
	return u->per == UNIT_PER_HOST ? for_host(f, u, fds, e) : for_unit(f, u, at, fds, e);
}
