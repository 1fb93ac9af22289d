/*
 * Which user a process runs as. The supervisor alone decides: a request names a slot, never a uid, so that a
 * captured agent can't choose one (T34).
 */
#include "supervisor/ids.h"

#include <assert.h>
#include <pwd.h>

#include "include/spawn.h"

static int host_from_passwd(struct ids *ids, const struct super_args *a, struct err *e)
{
	const struct passwd *pw = getpwnam(a->user ? a->user : "tidegate");

	if (!pw && a->user)
		return err_set(e, ERR_usage, "--user %s: no such user", a->user);
	if (!pw) {
		ids->host = (struct owner){a->uid_first - 1, (gid_t)(a->uid_first - 1)};
		return 0;
	}
	if (pw->pw_uid == 0)
		return err_set(e, ERR_usage, "--user %s: the agent must not run as root", pw->pw_name);
	if (pw->pw_uid >= a->uid_first && pw->pw_uid <= a->uid_last)
		return err_set(e, ERR_usage, "user %s has uid %u, which is in the sources' range %u-%u",
			pw->pw_name, (unsigned)pw->pw_uid, (unsigned)a->uid_first, (unsigned)a->uid_last);
	ids->host = (struct owner){pw->pw_uid, pw->pw_gid};
	return 0;
}

int ids_init(struct ids *ids, const struct super_args *a, struct owner self, struct err *e)
{
	unsigned width = (unsigned)(a->uid_last - a->uid_first);

	*ids = (struct ids){.root = self.uid == 0, .self = self, .host = self, .slots = SPAWN_MAX_SLOT};
	if (!ids->root) {
		if (a->user)
			return err_set(
				e, ERR_usage, "--user %s: only root can change to another user", a->user);
		return 0;
	}
	ids->first = a->uid_first;
	if (width < ids->slots)
		ids->slots = width;
	return host_from_passwd(ids, a, e);
}

struct owner ids_slot(const struct ids *ids, unsigned slot)
{
	assert(slot >= 1 && slot <= ids->slots);
	if (!ids->root)
		return ids->self;
	return (struct owner){ids->first + slot, (gid_t)(ids->first + slot)};
}
