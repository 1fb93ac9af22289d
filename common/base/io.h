#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/* Small file helpers, all relative to a directory fd (AT_FDCWD allowed). Errors carry the name and errno's
 * text. */
int io_write_all(int fd, const void *p, size_t n, struct err *e); /* retries on EINTR and short writes */
/* Reads the whole file (up to max bytes; longer is an error) behind what out holds. */
int io_read_file(int dir, const char *name, size_t max, struct buf *out, struct err *e);
/* name.tmp, fsync, rename over name, fsync of the directory. */
int io_replace_file(int dir, const char *name, const void *p, size_t n, mode_t mode, struct err *e);
/* A sealed memfd (no write, grow, shrink, seal) with these bytes, offset 0; -1 on error. */
int io_sealed_memfd(const char *name, const void *p, size_t n, struct err *e);
/* Reads a whole memfd from offset 0 and checks that it is sealed. */
int io_read_memfd(int fd, size_t max, struct buf *out, struct err *e);
/* n of the kernel's random bytes as 2n hexadecimal digits and their end. */
int io_random_hex(char *out, size_t n, struct err *e);
void io_close(int *fd); /* closes if >= 0, sets -1 */
