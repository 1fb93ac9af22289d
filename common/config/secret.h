#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * Passwords at rest and under way: AES-256-GCM (libcrypto) under a 32-byte key file. Text form "tg1:" +
 * base64(nonce 12, cipher text, tag 16). The agent and the master only ever see this form (T32).
 */
enum { SECRET_KEY_SIZE = 32 };

struct secret_key {
	uint8_t bytes[SECRET_KEY_SIZE];
};

/* Makes name (mode 0600, in dir) with a random key where it is not there; reads it where it is. */
int secret_key_make(int dir, const char *name, struct secret_key *key, struct err *e);
int secret_key_read_fd(int fd, struct secret_key *key, struct err *e);
void secret_key_wipe(struct secret_key *key);
int secret_encrypt(const struct secret_key *key, const char *plain, struct buf *out, struct err *e);
/* Plain text into out (size bytes, NUL-terminated). Text without "tg1:" is taken as plain where allow_plain.
 */
int secret_decrypt(const struct secret_key *key, const char *text, bool allow_plain, char *out, size_t size,
	struct err *e);
bool secret_is_encrypted(const char *text);
