#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "common/base/err.h"

/*
 * Is this a folder that only this user has made (no link to one)? Root's run folders are in /run, where
 * nobody else makes any, and belong to the agent's user once the supervisor has begun: any counts.
 */
bool owner_is(const char *folder, uid_t who);
/* Makes such a folder the current one, whoever has come to its name since it was looked at (ERR_ctl_connect).
 */
int owner_enter(const char *folder, uid_t who, struct err *e);
