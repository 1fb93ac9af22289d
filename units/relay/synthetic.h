#pragma once
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/binlog/event.h"

/* For tests: binlog events of a made-up MySQL server, with checksums, and a folder for them. */
static inline uint32_t synthetic_crc(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint32_t c = 0xffffffff;
	size_t i;
	int k;

	for (i = 0; i < n; i++) {
		c ^= b[i];
		for (k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
	}
	return ~c;
}

/* Appends an event that ends at log_pos. */
static inline struct str synthetic_event(
	struct buf *out, uint8_t type, struct str body, uint64_t end, uint16_t flags)
{
	size_t begin = out->n;

	buf_put_u32(out, 1700000000);
	buf_put_u8(out, type);
	buf_put_u32(out, 42);
	buf_put_u32(out, (uint32_t)(BINLOG_HEADER_SIZE + body.n + BINLOG_CHECKSUM_SIZE));
	buf_put_u32(out, (uint32_t)end);
	buf_put_u16(out, flags);
	buf_put(out, body.p, body.n);
	buf_put_u32(out, synthetic_crc(out->p + begin, out->n - begin));
	return (struct str){out->p + begin, out->n - begin};
}

static inline size_t synthetic_size(size_t body)
{
	return BINLOG_HEADER_SIZE + body + BINLOG_CHECKSUM_SIZE;
}

/* FORMAT_DESCRIPTION of "9.7.0", "11.8.9-MariaDB", with checksums. */
static inline void synthetic_format(struct buf *body, const char *server, uint32_t created)
{
	static const uint8_t post[42] = {56, 13, 0, 8, 0, 0, 0, 0, 4, 0, 4, 0, 0, 0, 98, 0, 4, 26, 8, 0, 0, 0,
		8, 8, 8, 2, 0, 0, 0, 10, 10, 10, 42, 42, 0, 18, 52, 0, 10, 40, 0, 0};
	char version[50] = {0};

	snprintf(version, sizeof(version), "%s", server);
	buf_put_u16(body, 4);
	buf_put(body, version, sizeof(version));
	buf_put_u32(body, created);
	buf_put_u8(body, BINLOG_HEADER_SIZE);
	buf_put(body, post, sizeof(post));
	buf_put_u8(body, 1);
}

/* "aaaa…:1-last" */
static inline void synthetic_previous(struct buf *body, uint64_t last)
{
	char uuid[16];

	memset(uuid, 0xaa, sizeof(uuid));
	buf_put_u64(body, last ? 1 : 0);
	if (!last)
		return;
	buf_put(body, uuid, sizeof(uuid));
	buf_put_u64(body, 1);
	buf_put_u64(body, 1);
	buf_put_u64(body, last + 1);
}

static inline void synthetic_gtid(struct buf *body, uint64_t gno)
{
	char uuid[16];

	memset(uuid, 0xaa, sizeof(uuid));
	buf_put_u8(body, 1);
	buf_put(body, uuid, sizeof(uuid));
	buf_put_u64(body, gno);
	buf_put_u8(body, 2);
	buf_put_u64(body, 1);
	buf_put_u64(body, 2);
}

static inline int synthetic_folder(char *path, size_t size)
{
	snprintf(path, size, "/tmp/relay-test-XXXXXX");
	if (!mkdtemp(path))
		abort();
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static inline void synthetic_remove(const char *path, int fd)
{
	char command[600];

	close(fd);
	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	if (system(command) != 0)
		abort();
}
