#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

/* The one box (Landlock, seccomp, no_new_privs, rlimits) and its table, include/sandbox.def. sandbox.c alone
 * knows the kernel's words. */
enum sandbox_row {
#define SANDBOX(process, reads, writes, dials, listens, syscalls, memory) SANDBOX_##process,
#include "sandbox.def"
#undef SANDBOX
	SANDBOX_ROWS
};

enum { SANDBOX_FILES = 6, SANDBOX_STORES = 8, SANDBOX_MASTERS = 12, SANDBOX_LISTENS = 4 };

/* What a row needs to know of the process at hand; all zero: nothing. */
struct sandbox_needs {
	uint16_t upstream, downstream; /* TCP ports, 0: none */
	uint16_t store[SANDBOX_STORES];
	uint16_t masters[SANDBOX_MASTERS], listens[SANDBOX_LISTENS];
	bool has_files; /* files_fd is the directory of FILES */
	int files_fd;
	/*
	 * Absolute names of single files to read: certificates and keys that the slice names. The file, not
	 * its folder, which may hold anything: where it is replaced by rename, the connection fails and the
	 * unit's restart finds the new one (T43).
	 */
	const char *files[SANDBOX_FILES];
	const char
		*folder; /* with the daemon's own file, which is replaced by rename: all in it may be read */
};

/*
 * Closes the box for this process and all its later threads; call while single-threaded, with everything else
 * closed. run_fd and state_fd are the directories of RUN and STATE (-1: none). What the kernel lacks is
 * logged as one warning; a kernel without Landlock, a process of root's, or any step that fails, is an error:
 * the caller ends. There is no way back out.
 */
int sandbox_enter(
	enum sandbox_row row, int run_fd, int state_fd, const struct sandbox_needs *needs, struct err *e);
/* -1 where there is no such row. */
int sandbox_row(const char *process);
/* The kernel's Landlock version, 0 without. Test builds: lowered by TIDEGATE_LANDLOCK_ABI (T43). */
int sandbox_landlock_abi(void);
