#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/db/client.h"

/*
 * Private to common/db. Packets of the MySQL protocol (u24 length, u8 sequence number, payload; a payload of
 * 2^24-1 bytes goes on in the next packet), read straight from a plain socket in large pieces: the client
 * library takes 16 KiB at a time and copies each packet once more, which is most of what a relay costs. For
 * long streams of the server's only; not for TLS.
 */
struct packets {
	int fd;
	unsigned timeout_ms; /* of silence; 0: none */
	uint8_t sequence;    /* of the next packet */
	char *bytes;
	size_t size, from, to; /* of bytes: what is read and not yet given out is from..to */
	/* Called before a payload of so many bytes is read, where there is one. */
	void (*on_large)(void *arg);
	void *arg;
	size_t large;
};

/*
 * Follows the packets in a stream that somebody else reads: when a large one begins, and whether its end is
 * still to come. Zeroed it stands before a packet's head.
 */
struct frames {
	uint8_t head[4];
	unsigned nhead; /* of head: bytes that have come */
	size_t left;    /* of the present packet's payload */
	bool large, goes_on;
};
/* The stream's next bytes. True: a payload of `large` bytes or more begins in them. */
bool frames_pass(struct frames *f, const void *bytes, size_t n, size_t large);
static inline bool frames_in_large(const struct frames *f)
{
	return f->large && (f->left > 0 || f->goes_on);
}

/* Reads what comes on the client's socket from here on; the command has been sent, nothing of its answer been
 * read. */
void packets_init(struct packets *p, int fd, unsigned timeout_ms);
void packets_fini(struct packets *p);
/* The next payload, borrowed until the next call. An error packet of the server's is an error too. -1: why.
 */
int packets_next(struct packets *p, struct str *payload, struct client_error *why);
/* The memory of a large payload goes back, where nothing is behind it yet. Nothing of it may be used any
 * more. */
void packets_trim(struct packets *p);
/* The next payload has come whole, or something waits in the socket. */
bool packets_more(const struct packets *p);
