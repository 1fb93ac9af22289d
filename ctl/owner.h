#pragma once
#include <stdbool.h>
#include <sys/types.h>

/*
 * Is this a folder that only this user has made (no link to one)? Root's run folders are in /run, where
 * nobody else makes any, and belong to the agent's user once the supervisor has begun: any counts.
 */
bool owner_is(const char *folder, uid_t who);
