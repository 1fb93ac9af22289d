/* libFuzzer: what a stranger may send as a proof: certificates, a key, a name, a signature. Nothing may be
 * taken for proved: the CA is one that made none of them. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/config/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first line of what is left, without NULs. */
static char *piece(const uint8_t **data, size_t *size, char end)
{
	const uint8_t *at = memchr(*data, end, *size);
	size_t n = at ? (size_t)(at - *data) : *size;
	char *text = xstrndup((const char *)*data, n);

	n += at != NULL;
	*data += n;
	*size -= n;
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char ca[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
	char *name, *key, *cert;
	struct proof p = {.nonce = "00"};
	enum role role;
	struct err e;

	if (size == 0)
		return 0;
	name = piece(&data, &size, '\n');
	key = piece(&data, &size, '\n');
	cert = piece(&data, &size, '\0');
	p.name = name;
	p.key = key;
	p.cert = cert;
	p.signature = (struct str){(const char *)data, size};
	assert(identity_check_cert(&p, ca, &role, &e) < 0);
	assert(identity_check_key(&p, &e) < 0);
	free(name);
	free(key);
	free(cert);
	return 0;
}
