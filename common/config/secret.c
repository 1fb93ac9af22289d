/*
 * Passwords at rest and under way: AES-256-GCM, the form's name "tg1:" authenticated with it. The nonce is a
 * MAC of the plain text, so that the same password gives the same text and giving it again changes nothing (a
 * nonce never serves two texts); who reads two texts learns whether they are equal, no more. Called by ctl
 * (encrypts) and the unit skeleton (decrypts); agent and master link it but hold no key (T32). Never puts a
 * password, or a part of one, into an error.
 */
#include "common/config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/io.h"

#define PREFIX "tg1:"

enum {
	PREFIX_SIZE = sizeof(PREFIX) - 1,
	NONCE_SIZE = 12,
	TAG_SIZE = 16,
	PLAIN_MAX = 4096,
	SEALED_MAX = NONCE_SIZE + PLAIN_MAX + TAG_SIZE,
	TEXT_MAX = (SEALED_MAX + 2) / 3 * 4,
};

void secret_key_wipe(struct secret_key *key)
{
	explicit_bzero(key, sizeof(*key));
}

int secret_key_read_fd(int fd, struct secret_key *key, struct err *e)
{
	uint8_t bytes[SECRET_KEY_SIZE + 1];
	ssize_t n;

	do
		n = pread(fd, bytes, sizeof(bytes), 0);
	while (n < 0 && errno == EINTR);
	if (n == SECRET_KEY_SIZE)
		memcpy(key->bytes, bytes, SECRET_KEY_SIZE);
	explicit_bzero(bytes, sizeof(bytes));
	if (n < 0)
		return err_sys(e, ERR_secret_bad, "reading the key file");
	if (n != SECRET_KEY_SIZE)
		return err_set(
			e, ERR_secret_bad, "the key file does not hold exactly %d bytes", SECRET_KEY_SIZE);
	return 0;
}

/* An open key file that others can read is no secret: said, not mended, for its bytes may be out already. */
static int check_mode(int fd, const char *name, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, ERR_secret_bad, "%s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_secret_bad, "%s is no ordinary file", name);
	if (st.st_mode & 077)
		return err_set(e, ERR_secret_bad,
			"%s may be read or written by others (mode %04o): chmod 600", name,
			(unsigned)(st.st_mode & 07777));
	return 0;
}

static int read_existing(int dir, const char *name, struct secret_key *key, struct err *e)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), r;

	if (fd < 0)
		return err_sys(e, ERR_secret_bad, "opening %s", name);
	r = check_mode(fd, name, e);
	if (r == 0)
		r = secret_key_read_fd(fd, key, e);
	close(fd);
	return r < 0 ? err_add(e, "%s", name) : 0;
}

static int write_key(int dir, const char *tmp, const struct secret_key *key, struct err *e)
{
	int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), r;

	if (fd < 0)
		return err_sys(e, ERR_io, "making %s", tmp);
	r = io_write_all(fd, key->bytes, SECRET_KEY_SIZE, e);
	if (r == 0 && fsync(fd) < 0)
		r = err_sys(e, ERR_io, "syncing %s", tmp);
	close(fd);
	return r;
}

/* By link, not rename: of two makers at the same time one wins, and both go on with its key. */
static int make_new(int dir, const char *name, struct err *e)
{
	struct secret_key key;
	char tmp[300];
	int r;

	if (RAND_bytes(key.bytes, SECRET_KEY_SIZE) != 1)
		return err_set(e, ERR_internal, "no random bytes for a new key");
	snprintf(tmp, sizeof(tmp), "%s.%ld.tmp", name, (long)getpid());
	unlinkat(dir, tmp, 0);
	r = write_key(dir, tmp, &key, e);
	if (r == 0 && linkat(dir, tmp, dir, name, 0) < 0 && errno != EEXIST)
		r = err_sys(e, ERR_io, "making %s", name);
	unlinkat(dir, tmp, 0);
	secret_key_wipe(&key);
	return r;
}

static int sync_dir(int dir, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (fd < 0 || fsync(fd) < 0)
		r = err_sys(e, ERR_io, "syncing the key's folder");
	io_close(&fd);
	return r;
}

int secret_key_make(int dir, const char *name, struct secret_key *key, struct err *e)
{
	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		if (make_new(dir, name, e) < 0 || sync_dir(dir, e) < 0)
			return -1;
	return read_existing(dir, name, key, e);
}

bool secret_is_encrypted(const char *text)
{
	return strncmp(text, PREFIX, PREFIX_SIZE) == 0;
}

static bool make_nonce(const struct secret_key *key, const char *plain, int n, uint8_t *nonce)
{
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (!HMAC(EVP_sha256(), key->bytes, SECRET_KEY_SIZE, (const uint8_t *)plain, (size_t)n, mac, &size) ||
		size < NONCE_SIZE)
		return false;
	memcpy(nonce, mac, NONCE_SIZE);
	return true;
}

/* nonce, cipher text and tag into out; the number of bytes, or -1. */
static int seal(const struct secret_key *key, const char *plain, int n, uint8_t *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t *body = out + NONCE_SIZE;
	int len = 0, rest = 0, ok;

	ok = c && make_nonce(key, plain, n, out) &&
	     EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key->bytes, out) == 1 &&
	     EVP_EncryptUpdate(c, NULL, &len, (const uint8_t *)PREFIX, PREFIX_SIZE) == 1 &&
	     EVP_EncryptUpdate(c, body, &len, (const uint8_t *)plain, n) == 1 &&
	     EVP_EncryptFinal_ex(c, body + len, &rest) == 1 &&
	     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, body + len + rest) == 1;
	EVP_CIPHER_CTX_free(c);
	return ok ? NONCE_SIZE + len + rest + TAG_SIZE : -1;
}

/* The plain bytes of a sealed text into out (at least n bytes); their number, or -1: another key, or changed.
 */
static int unseal(const struct secret_key *key, uint8_t *sealed, int n, uint8_t *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int body = n - NONCE_SIZE - TAG_SIZE, len = 0, rest = 0, ok;

	ok = c && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key->bytes, sealed) == 1 &&
	     EVP_DecryptUpdate(c, NULL, &len, (const uint8_t *)PREFIX, PREFIX_SIZE) == 1 &&
	     EVP_DecryptUpdate(c, out, &len, sealed + NONCE_SIZE, body) == 1 &&
	     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, sealed + NONCE_SIZE + body) == 1 &&
	     EVP_DecryptFinal_ex(c, out + len, &rest) == 1;
	EVP_CIPHER_CTX_free(c);
	return ok ? len + rest : -1;
}

int secret_encrypt(const struct secret_key *key, const char *plain, struct buf *out, struct err *e)
{
	uint8_t sealed[SEALED_MAX];
	size_t n = strlen(plain);
	int len;

	if (n > PLAIN_MAX)
		return err_set(e, ERR_secret_bad, "a password of more than %d bytes", PLAIN_MAX);
	len = seal(key, plain, (int)n, sealed);
	if (len < 0)
		return err_set(e, ERR_internal, "a password can't be encrypted");
	buf_put(out, PREFIX, PREFIX_SIZE);
	out->n += (size_t)EVP_EncodeBlock((uint8_t *)buf_room(out, TEXT_MAX + 1), sealed, len);
	return 0;
}

static bool is_base64(const char *z, size_t n)
{
	size_t body = strspn(z, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

	return n % 4 == 0 && n - body <= 2 && strspn(z + body, "=") == n - body;
}

/* The sealed bytes of the text behind the prefix; their number, or -1 with e. */
static int decode(const char *z, uint8_t *sealed, struct err *e)
{
	size_t n = strlen(z);
	int len;

	if (n > TEXT_MAX || !is_base64(z, n))
		return err_set(e, ERR_secret_bad, "the encrypted text is damaged (not base64, or cut off)");
	len = EVP_DecodeBlock(sealed, (const uint8_t *)z, (int)n);
	for (size_t i = n; len >= 0 && i > 0 && z[i - 1] == '='; i--)
		len--;
	if (len < NONCE_SIZE + TAG_SIZE || len > SEALED_MAX)
		return err_set(e, ERR_secret_bad, "the encrypted text is too short to be whole");
	return len;
}

static int copy_plain(const char *text, bool allow_plain, char *out, size_t size, struct err *e)
{
	if (!allow_plain)
		return err_set(e, ERR_secret_bad, "the password is not encrypted (it must begin with tg1:)");
	if (strlen(text) >= size)
		return err_set(e, ERR_secret_bad, "the password is longer than %zu bytes", size - 1);
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

int secret_decrypt(const struct secret_key *key, const char *text, bool allow_plain, char *out, size_t size,
	struct err *e)
{
	uint8_t sealed[SEALED_MAX + 3], plain[SEALED_MAX];
	int n, len;

	out[0] = '\0';
	if (!secret_is_encrypted(text))
		return copy_plain(text, allow_plain, out, size, e);
	n = decode(text + PREFIX_SIZE, sealed, e);
	if (n < 0)
		return -1;
	len = unseal(key, sealed, n, plain);
	if (len < 0)
		err_set(e, ERR_secret_bad, "encrypted with another key, or changed since");
	else if ((size_t)len >= size || memchr(plain, '\0', (size_t)len))
		len = err_set(
			e, ERR_secret_bad, "the password is longer than %zu bytes, or holds a NUL", size - 1);
	if (len >= 0) {
		memcpy(out, plain, (size_t)len);
		out[len] = '\0';
	}
	explicit_bzero(plain, sizeof(plain));
	return len < 0 ? -1 : 0;
}
