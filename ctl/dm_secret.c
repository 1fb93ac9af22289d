/*
 * Passwords that DM's `dmctl encrypt` made: base64 of a 16-byte IV, an "@" and the password under
 * AES-256-CFB. Its key is the file of dm-master's secret-key-path, 64 hexadecimal digits. Nothing
 * authenticates such a text, so another key gives other bytes, not an error: what is no text is refused.
 * Called by the commands that read files; the key is wiped at once, and never stored.
 */
#include "ctl/dm_secret.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>

#include "common/base/io.h"
#include "common/config/json.h"
#include "common/config/secret.h"

enum { IV = 16, KEY = 32, TEXT_MAX = 1024, KEY_FILE_MAX = 4096 };

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_key(struct str text, unsigned char key[KEY])
{
	while (text.n && strchr(" \t\r\n", text.p[text.n - 1]))
		text.n--;
	if (text.n != 2 * (size_t)KEY)
		return -1;
	for (size_t i = 0; i < KEY; i++) {
		int high = digit(text.p[2 * i]), low = digit(text.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return -1;
		key[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}

static int read_key(const char *path, unsigned char key[KEY], struct err *e)
{
	struct buf b = {0};
	int r = io_read_file(AT_FDCWD, path, KEY_FILE_MAX, &b, e);

	if (r < 0)
		e->code = ERR_usage;
	else if ((r = parse_key(buf_str(&b), key)) < 0)
		err_set(e, ERR_usage, "%s does not hold DM's key: 64 hexadecimal digits", path);
	if (b.p)
		explicit_bzero(b.p, b.n);
	buf_free(&b);
	return r;
}

/* The bytes of a text that has DM's form; their number, 0: it has not. */
static int decode(const char *text, unsigned char out[TEXT_MAX])
{
	size_t n = strlen(text), pad = 0;
	int len;

	if (n == 0 || n % 4 || n / 4 * 3 > TEXT_MAX ||
		strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") != n)
		return 0;
	while (pad < 2 && text[n - 1 - pad] == '=')
		pad++;
	len = EVP_DecodeBlock(out, (const unsigned char *)text, (int)n) - (int)pad;
	return len > IV && out[IV] == '@' ? len : 0;
}

static bool is_text(const char *plain, int n)
{
	json_t *text = json_stringn(plain, (size_t)n); /* UTF-8 */
	bool ok = text != NULL;

	for (int i = 0; i < n; i++)
		ok = ok && (unsigned char)plain[i] >= 0x20;
	json_decref(text);
	return ok;
}

static int open_text(const unsigned char key[KEY], const unsigned char *text, int n, char *plain)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	const unsigned char *body = text + IV + 1;
	int len = 0, ok;

	ok = c && EVP_DecryptInit_ex(c, EVP_aes_256_cfb128(), NULL, key, text) == 1 &&
	     EVP_DecryptUpdate(c, (unsigned char *)plain, &len, body, n - IV - 1) == 1;
	EVP_CIPHER_CTX_free(c);
	return ok ? len : -1;
}

int dm_secret_open(const struct args *a, json_t *endpoint, struct err *e)
{
	const char *text = json_text(endpoint, "password", "");
	unsigned char key[KEY], bytes[TEXT_MAX];
	char plain[TEXT_MAX];
	int n = a->dm_key && !secret_is_encrypted(text) ? decode(text, bytes) : 0, len = 0;

	if (n == 0)
		return 0;
	if (read_key(a->dm_key, key, e) < 0)
		return -1;
	len = open_text(key, bytes, n, plain);
	explicit_bzero(key, sizeof(key));
	if (len >= 0 && is_text(plain, len)) {
		json_wipe(endpoint, "password");
		json_object_set_new(endpoint, "password", json_stringn(plain, (size_t)len));
	} else {
		len = err_set(e, ERR_secret_bad,
			"a password was encrypted by DM with another key than that of %s", a->dm_key);
	}
	explicit_bzero(plain, sizeof(plain));
	return len < 0 ? -1 : 0;
}
