#pragma once
#include <stdbool.h>

/*
 * Does a process hold this file by flock? Looked up, not tried: a lock taken for a moment would have a
 * supervisor that starts just then believe in another one, and its file is not for everybody to open. True
 * where a file that is there can't be looked up; false also where the holder is in another namespace of
 * processes.
 */
bool lock_is_held(const char *folder, const char *name);
