#pragma once
#include "units/dump/dump.h"

/* Files in the dump folder. A full disk is waited for: it is told in the status, and the work goes on when
 * there is room. */
int file_create(struct dump *d, const char *name, struct err *e); /* a descriptor, or -1 */
int file_write(struct dump *d, int fd, const char *name, struct str bytes, struct err *e);
/* A whole small file: written beside, synced, renamed. */
int file_put(struct dump *d, const char *name, struct str bytes, struct err *e);
/* Removes every file in the folder: what an unfinished copy left. */
int file_clear(int dir, struct err *e);
