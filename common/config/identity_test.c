/*
 * Keys and proofs without a socket: what is signed proves this name to this nonce, and nothing else.
 * Certificates are proved against real ones by tests/s04-control.
 */
#include "common/config/identity.h"

#include <fcntl.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_is_made_once),
		cmocka_unit_test(a_proof_is_for_one_name_and_nonce),
		cmocka_unit_test(odd_keys_and_certificates),
	};

	if (!mkdtemp(folder) || (dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
