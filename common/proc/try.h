#pragma once
#include <stddef.h>

/*
 * For tests only: does one thing that a box may forbid, and says how it went. Used by sandbox_test and by the
 * probe unit; linked into nothing that is installed.
 */

/*
 * word: "read:/etc/passwd", "write:state/x", "connect:3306", "fork", … (the table in try.c). Paths that begin
 * with "state/" are in state_fd, others as they are. out gets "allowed", "refused(EACCES)" or "unknown word";
 * a call that kills the process does not come back.
 */
void try_word(const char *word, int state_fd, char *out, size_t size);
