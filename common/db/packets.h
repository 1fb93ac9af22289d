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
