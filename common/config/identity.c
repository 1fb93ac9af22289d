/*
 * Keys, certificates and proofs by libcrypto. Called by agent, master and ctl; opens no socket, knows no
 * message. What comes from the peer is bounded by its caller and read by libcrypto alone.
 */
#include "common/config/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/xalloc.h"

enum { RAW_KEY = 32, FILE_MAX = 4096, CHAIN_MAX = 8 };

#define KEY_PREFIX "ed25519:"

struct identity {
	EVP_PKEY *key;
	char *cert; /* NULL: none */
	char name[IDENTITY_NAME];
	char text[IDENTITY_KEY];
};

/* libcrypto's own words, the first of them. */
static int failed(struct err *e, const char *what)
{
	unsigned long code = ERR_get_error();
	const char *why = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return err_set(e, ERR_identity, why ? "%s: %s" : "%s", what, why);
}

/* ---- certificates ---- */

static X509 *next_cert(BIO *b)
{
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);

	ERR_clear_error(); /* the end of the text is an error to it */
	return x;
}

static BIO *text_bio(const char *pem)
{
	BIO *b = BIO_new_mem_buf(pem, -1);

	if (!b)
		abort(); /* no memory */
	return b;
}

/* One entry of the subject's, printable and whole. False, and "", where there is none like that. */
static bool subject(const X509 *x, int nid, int at, char *out, size_t size)
{
	X509_NAME *n = X509_get_subject_name(x);
	int i = X509_NAME_get_index_by_NID(n, nid, at);
	unsigned char *text = NULL;
	int len =
		i < 0 ? -1 : ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(n, i)));

	out[0] = '\0';
	for (int k = 0; k < len; k++)
		if (text[k] < ' ' || text[k] == 0x7f) /* it goes into logs */
			len = -1;
	if (len > 0 && (size_t)len < size) {
		memcpy(out, text, (size_t)len);
		out[len] = '\0';
	}
	OPENSSL_free(text);
	return out[0] != '\0';
}

static enum role role_of(const X509 *x)
{
	X509_NAME *n = X509_get_subject_name(x);
	char ou[64];

	for (int at = -1; (at = X509_NAME_get_index_by_NID(n, NID_organizationalUnitName, at)) >= 0;) {
		subject(x, NID_organizationalUnitName, at - 1, ou, sizeof(ou));
		if (strcmp(ou, "tidegate-operator") == 0)
			return ROLE_OPERATOR;
		if (strcmp(ou, "tidegate-master") == 0)
			return ROLE_MASTER;
	}
	return ROLE_AGENT;
}

/* ---- our own ---- */

static void public_text(struct identity *id)
{
	unsigned char raw[RAW_KEY];
	size_t n = sizeof(raw), at;

	if (EVP_PKEY_get_raw_public_key(id->key, raw, &n) != 1)
		n = 0;
	at = (size_t)snprintf(id->text, sizeof(id->text), KEY_PREFIX);
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(id->text + at, sizeof(id->text) - at, "%02x", raw[i]);
}

struct identity *identity_of_pem(const char *cert, const char *key, struct err *e)
{
	struct identity *id = xcalloc(1, sizeof(*id));
	BIO *c = text_bio(cert), *k = text_bio(key);
	X509 *x = next_cert(c);

	id->key = PEM_read_bio_PrivateKey(k, NULL, NULL, NULL);
	id->cert = xstrdup(cert);
	if (!x)
		err_set(e, ERR_config_bad, "ssl-cert: no certificate in PEM");
	else if (!id->key)
		err_set(e, ERR_config_bad, "ssl-key: no key in PEM");
	else if (X509_check_private_key(x, id->key) != 1)
		err_set(e, ERR_config_bad, "ssl-key is not the key of ssl-cert");
	else if (!subject(x, NID_commonName, -1, id->name, sizeof(id->name)))
		err_set(e, ERR_config_bad, "ssl-cert: its subject has no CN of at most %d bytes",
			IDENTITY_NAME - 1);
	ERR_clear_error();
	X509_free(x);
	BIO_free(c);
	BIO_free(k);
	if (!id->name[0])
		identity_free(&id);
	return id;
}

static int read_key(struct identity *id, struct str text, const char *name, struct err *e)
{
	BIO *b = BIO_new_mem_buf(text.p, (int)text.n);

	id->key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	BIO_free(b);
	if (!id->key)
		return failed(e, name);
	if (EVP_PKEY_get_id(id->key) != EVP_PKEY_ED25519)
		return err_set(e, ERR_identity, "%s: no Ed25519 key", name);
	return 0;
}

static int make_key(struct identity *id, int dir, const char *name, struct err *e)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	long n;
	int rc;

	id->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (!id->key || PEM_write_bio_PrivateKey(b, id->key, NULL, NULL, 0, NULL, NULL) != 1) {
		BIO_free(b);
		return failed(e, "making a key");
	}
	n = BIO_get_mem_data(b, &text);
	rc = io_replace_file(dir, name, text, (size_t)n, 0600, e);
	OPENSSL_cleanse(text, (size_t)n);
	BIO_free(b);
	return rc;
}

struct identity *identity_of_file(int dir, const char *name, struct err *e)
{
	struct identity *id = xcalloc(1, sizeof(*id));
	struct buf b = {0};
	int rc;

	if (faccessat(dir, name, F_OK, 0) < 0 && errno == ENOENT)
		rc = make_key(id, dir, name, e);
	else
		rc = io_read_file(dir, name, FILE_MAX, &b, e) < 0 ? -1 : read_key(id, buf_str(&b), name, e);
	if (b.p)
		explicit_bzero(b.p, b.n);
	buf_free(&b);
	if (rc < 0)
		identity_free(&id);
	else
		public_text(id);
	return id;
}

void identity_free(struct identity **id)
{
	if (!*id)
		return;
	EVP_PKEY_free((*id)->key);
	free((*id)->cert);
	free(*id);
	*id = NULL;
}

const char *identity_cert(const struct identity *id)
{
	return id->cert ? id->cert : "";
}

const char *identity_name(const struct identity *id)
{
	return id->name;
}

const char *identity_key(const struct identity *id)
{
	return id->cert ? "" : id->text;
}

/* ---- signatures ---- */

/* Ed25519 has its own digest. */
static const EVP_MD *digest_for(const EVP_PKEY *key)
{
	return EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
}

/* What is signed: nothing else that this key signs can look like it. */
static void statement(const char *nonce, const char *name, struct buf *b)
{
	buf_puts(b, "tidegate control socket\n");
	buf_puts(b, nonce);
	buf_putc(b, '\n');
	buf_puts(b, name);
	buf_putc(b, '\n');
}

int identity_sign(
	const struct identity *id, const char *nonce, const char *name, struct buf *out, struct err *e)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	struct buf b = {0};
	size_t n = 0;
	int rc = 0;

	statement(nonce, name, &b);
	if (!c || EVP_DigestSignInit(c, NULL, digest_for(id->key), NULL, id->key) != 1 ||
		EVP_DigestSign(c, NULL, &n, (unsigned char *)b.p, b.n) != 1 ||
		EVP_DigestSign(c, (unsigned char *)buf_room(out, n), &n, (unsigned char *)b.p, b.n) != 1)
		rc = failed(e, "signing");
	else
		out->n += n;
	EVP_MD_CTX_free(c);
	buf_free(&b);
	return rc;
}

static int check_signature(const struct proof *p, EVP_PKEY *key, struct err *e)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	struct buf b = {0};
	bool good;

	statement(p->nonce, p->name, &b);
	good = c && EVP_DigestVerifyInit(c, NULL, digest_for(key), NULL, key) == 1 &&
	       EVP_DigestVerify(c, (const unsigned char *)p->signature.p, p->signature.n,
		       (unsigned char *)b.p, b.n) == 1;
	EVP_MD_CTX_free(c);
	buf_free(&b);
	ERR_clear_error();
	return good ? 0 : err_set(e, ERR_identity, "%s: the signature is not of that key", p->name);
}

static X509_STORE *store_of(const char *ca)
{
	X509_STORE *s = X509_STORE_new();
	BIO *b = text_bio(ca);

	for (X509 *x; s && (x = next_cert(b)); X509_free(x))
		X509_STORE_add_cert(s, x);
	BIO_free(b);
	return s;
}

static int check_chain(const char *ca, X509 *leaf, STACK_OF(X509) * more, struct err *e)
{
	X509_STORE *s = store_of(ca);
	X509_STORE_CTX *c = X509_STORE_CTX_new();
	int rc = 0;

	if (!s || !c || X509_STORE_CTX_init(c, s, leaf, more) != 1 ||
		X509_STORE_CTX_set_purpose(c, X509_PURPOSE_SSL_CLIENT) != 1)
		rc = failed(e, "checking a certificate");
	else if (X509_verify_cert(c) != 1)
		rc = err_set(e, ERR_identity, "the certificate is not to be trusted: %s",
			X509_verify_cert_error_string(X509_STORE_CTX_get_error(c)));
	X509_STORE_CTX_free(c);
	X509_STORE_free(s);
	ERR_clear_error();
	return rc;
}

static int check_leaf(const struct proof *p, X509 *leaf, enum role *role, struct err *e)
{
	EVP_PKEY *key = X509_get0_pubkey(leaf);
	char cn[IDENTITY_NAME];

	*role = role_of(leaf);
	if (!subject(leaf, NID_commonName, -1, cn, sizeof(cn)) || !key)
		return err_set(e, ERR_identity,
			"a certificate without a CN of at most %d bytes, or without a key",
			IDENTITY_NAME - 1);
	if (strcmp(cn, p->name) != 0)
		return err_set(e, ERR_identity, "the certificate of `%s` claims to be `%s`", cn, p->name);
	return check_signature(p, key, e);
}

int identity_check_cert(const struct proof *p, const char *ca, enum role *role, struct err *e)
{
	BIO *b = text_bio(p->cert);
	X509 *leaf = next_cert(b), *x = NULL;
	STACK_OF(X509) *more = sk_X509_new_null();
	int rc;

	while (leaf && sk_X509_num(more) < CHAIN_MAX && (x = next_cert(b)))
		sk_X509_push(more, x);
	if (!leaf)
		rc = err_set(e, ERR_identity, "%s: no certificate in PEM", p->name);
	else
		rc = check_chain(ca, leaf, more, e) < 0 ? -1 : check_leaf(p, leaf, role, e);
	X509_free(leaf);
	sk_X509_pop_free(more, X509_free);
	BIO_free(b);
	return rc;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * The points of small order of the curve, also as numbers beyond its prime; the sign does not matter. A
 * signature that anybody can write down fits such a key every few times, so whoever gave it proves nothing.
 */
static bool is_small(const unsigned char raw[RAW_KEY])
{
	static const unsigned char of_eight[][RAW_KEY] = {
		{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
			0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d,
			0x53, 0xfc, 0x05},
		{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
			0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92,
			0xac, 0x03, 0x7a},
	};
	unsigned char top = raw[RAW_KEY - 1] & 0x7f, low = top, high = top ^ 0x7f;

	for (int i = 1; i < RAW_KEY - 1; i++) {
		low |= raw[i];
		high |= raw[i] ^ 0xff;
	}
	for (size_t i = 0; i < sizeof(of_eight) / sizeof(*of_eight); i++)
		if (memcmp(raw, of_eight[i], RAW_KEY - 1) == 0 && top == of_eight[i][RAW_KEY - 1])
			return true;
	return (!low && raw[0] <= 1) || (!high && raw[0] >= 0xec);
}

static EVP_PKEY *key_of_text(const char *text)
{
	unsigned char raw[RAW_KEY];
	size_t prefix = sizeof(KEY_PREFIX) - 1;

	if (strncmp(text, KEY_PREFIX, prefix) != 0 || strlen(text) != prefix + 2 * RAW_KEY)
		return NULL;
	for (int i = 0; i < RAW_KEY; i++) {
		int high = hex_digit(text[prefix + 2 * (size_t)i]),
		    low = hex_digit(text[prefix + 2 * (size_t)i + 1]);

		if (high < 0 || low < 0)
			return NULL;
		raw[i] = (unsigned char)(high << 4 | low);
	}
	return is_small(raw) ? NULL : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, RAW_KEY);
}

int identity_check_key(const struct proof *p, struct err *e)
{
	EVP_PKEY *key = key_of_text(p->key);
	int rc = key ? check_signature(p, key, e) : err_set(e, ERR_identity, "%s: no public key", p->name);

	EVP_PKEY_free(key);
	return rc;
}
