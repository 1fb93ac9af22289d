/*
 * Keys and proofs without a socket: what is signed proves this name to this nonce, and nothing else.
 * Certificates are proved against real ones by tests/s04-control.
 */
#include "common/config/identity.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

static char folder[] = "/tmp/tidegate-identity-XXXXXX";
static int dir;

static struct proof proof_of(const struct identity *id, const char *nonce, const char *name, struct buf *b)
{
	struct err e = {0};

	buf_clear(b);
	assert_int_equal(identity_sign(id, nonce, name, b, &e), 0);
	return (struct proof){
		.nonce = nonce, .name = name, .cert = "", .key = identity_key(id), .signature = buf_str(b)};
}

static void key_is_made_once(void **state)
{
	struct err e = {0};
	struct identity *a = identity_of_file(dir, "key", &e), *b = identity_of_file(dir, "key", &e);
	struct stat st;

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_string_equal(identity_key(a), identity_key(b));
	assert_int_equal(strlen(identity_key(a)), 8 + 64);
	assert_string_equal(identity_cert(a), "");
	assert_int_equal(fstatat(dir, "key", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	identity_free(&a);
	identity_free(&b);
	assert_int_equal(close(openat(dir, "empty", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
	assert_null(identity_of_file(dir, "empty", &e));
	assert_int_equal(e.code, ERR_identity);
}

static void a_proof_is_for_one_name_and_nonce(void **state)
{
	struct err e = {0};
	struct identity *id = identity_of_file(dir, "one", &e), *other = identity_of_file(dir, "two", &e);
	struct buf b = {0};
	struct proof good = proof_of(id, "0123", "a", &b), bad;

	(void)state;
	assert_int_equal(identity_check_key(&good, &e), 0);
	bad = good;
	bad.name = "b";
	assert_int_equal(identity_check_key(&bad, &e), -1);
	bad = good;
	bad.nonce = "0124";
	assert_int_equal(identity_check_key(&bad, &e), -1);
	bad = good;
	bad.key = identity_key(other);
	assert_int_equal(identity_check_key(&bad, &e), -1);
	assert_int_equal(e.code, ERR_identity);
	bad = good;
	bad.signature.n--;
	assert_int_equal(identity_check_key(&bad, &e), -1);
	bad.signature.n = 0;
	assert_int_equal(identity_check_key(&bad, &e), -1);
	b.p[7] ^= 1;
	assert_int_equal(identity_check_key(&good, &e), -1);
	buf_free(&b);
	identity_free(&id);
	identity_free(&other);
}

static void odd_keys_and_certificates(void **state)
{
	static const char *const keys[] = {"", "ed25519:", "ed25519:00", "rsa:00",
		"ed25519:zz00000000000000000000000000000000000000000000000000000000000000",
		"ed25519:00000000000000000000000000000000000000000000000000000000000000000"};
	struct proof p = {.nonce = "1", .name = "a", .cert = "-----BEGIN CERTIFICATE-----\nAAAA\n"};
	enum role role;
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		p.key = keys[i];
		assert_int_equal(identity_check_key(&p, &e), -1);
	}
	assert_int_equal(identity_check_cert(&p, "", &role, &e), -1);
	assert_int_equal(e.code, ERR_identity);
	p.cert = "";
	assert_int_equal(identity_check_cert(&p, "no CA", &role, &e), -1);
	assert_null(identity_of_pem("", "", &e));
	assert_int_equal(e.code, ERR_config_bad);
}

/* Points of small order: a signature that needs no secret fits one of them every eighth time at least. */
static void a_key_that_proves_nothing(void **state)
{
	static const char *const keys[] = {"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"};
	static const char signature[64] = {1};
	char key[80], nonce[24];
	struct proof p = {.name = "a", .cert = "", .key = key, .nonce = nonce, .signature = {signature, 64}};
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		for (int k = 0; k < 100; k++) {
			snprintf(key, sizeof(key), "ed25519:%s", keys[i]);
			snprintf(nonce, sizeof(nonce), "%d", k);
			assert_int_equal(identity_check_key(&p, &e), -1);
		}
}

static char *text_of(BIO *b)
{
	char *data, *text;
	long n = BIO_get_mem_data(b, &data);

	assert_true(n > 0);
	text = strndup(data, (size_t)n);
	BIO_free(b);
	return text;
}

static char *key_text(EVP_PKEY *key)
{
	BIO *b = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL), 1);
	return text_of(b);
}

/* cn NULL: a subject without one. */
static char *cert_text(EVP_PKEY *key, const char *cn)
{
	BIO *b = BIO_new(BIO_s_mem());
	X509 *x = X509_new();

	assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), cn ? "CN" : "O", MBSTRING_ASC,
				 (const unsigned char *)(cn ? cn : "nobody"), -1, -1, 0),
		1);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	assert_int_equal(X509_set_pubkey(x, key), 1);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(b, x), 1);
	X509_free(x);
	return text_of(b);
}

static void a_key_file_of_another_kind(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	char *text = key_text(key);
	int fd = openat(dir, "ec", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct err e = {0};

	(void)state;
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	assert_null(identity_of_file(dir, "ec", &e));
	assert_int_equal(e.code, ERR_identity);
	assert_string_equal(e.text, "ec: no Ed25519 key");
	free(text);
	EVP_PKEY_free(key);
}

/* What was in e before changes nothing, and is not what is told. */
static void a_certificate_has_a_cn(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	char *text = key_text(key), *bare = cert_text(key, NULL), *good = cert_text(key, "alice");
	struct err e = {.code = ERR_io, .text = "of before"};
	struct identity *id;

	(void)state;
	assert_null(identity_of_pem(bare, text, &e));
	assert_int_equal(e.code, ERR_config_bad);
	assert_non_null(strstr(e.text, "its subject has no CN"));
	assert_null(identity_of_pem(bare, text, NULL));
	id = identity_of_pem(good, text, &e);
	assert_non_null(id);
	assert_string_equal(identity_name(id), "alice");
	identity_free(&id);
	free(text);
	free(bare);
	free(good);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_is_made_once),
		cmocka_unit_test(a_proof_is_for_one_name_and_nonce),
		cmocka_unit_test(odd_keys_and_certificates),
		cmocka_unit_test(a_key_that_proves_nothing),
		cmocka_unit_test(a_key_file_of_another_kind),
		cmocka_unit_test(a_certificate_has_a_cn),
	};

	if (!mkdtemp(folder) || (dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
