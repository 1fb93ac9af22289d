/*
 * etcd's requests and answers in its JSON: keys and values in base64, 64-bit numbers as strings, what is zero
 * left out. Called by store_etcd.c and store_lead.c; speaks by etcd_post alone.
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "master/etcd.h"

/*
 * etcd takes 128 operations in a transaction (max-txn-ops), nested ones included only along their depth: 60
 * transactions of 60 operations are one transaction of 3600.
 */
enum { OPS_FLAT = 100, OPS_NESTED = 60 };

json_t *etcd_b64(const char *bytes, size_t n)
{
	char *out = xmalloc(4 * (n / 3 + 1) + 1);
	int size = EVP_EncodeBlock((uint8_t *)out, (const uint8_t *)bytes, (int)n);
	json_t *text = json_stringn(out, (size_t)size);

	free(out);
	return text;
}

int etcd_unb64(const json_t *text, struct buf *out)
{
	const char *in = json_is_string(text) ? json_string_value(text) : "";
	size_t n = json_is_string(text) ? json_string_length(text) : 0, pad = 0;
	int size;

	if (n == 0)
		return 0;
	if (n % 4 != 0 || strcspn(in, "=") < n - 2)
		return -1;
	pad = (size_t)(in[n - 1] == '=') + (size_t)(in[n - 2] == '=');
	size = EVP_DecodeBlock((uint8_t *)buf_room(out, n), (const uint8_t *)in, (int)n);
	if (size < (int)pad)
		return -1;
	out->n += (size_t)size - pad;
	return 0;
}

uint64_t etcd_u64(const json_t *o, const char *key)
{
	return strtoull(json_text(o, key, "0"), NULL, 10);
}

uint64_t etcd_revision(const json_t *answer)
{
	return etcd_u64(json_object_get(answer, "header"), "revision");
}

static json_t *u64(uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	return json_string(text);
}

static json_t *key64(const char *key)
{
	return etcd_b64(key, strlen(key));
}

json_t *etcd_if_created(const char *key, uint64_t create_revision)
{
	return json_pack("{s:s, s:s, s:o, s:o}", "result", "EQUAL", "target", "CREATE", "key", key64(key),
		"create_revision", u64(create_revision));
}

json_t *etcd_if_value(const char *key, const char *value)
{
	return json_pack("{s:s, s:s, s:o, s:o}", "result", "EQUAL", "target", "VALUE", "key", key64(key),
		"value", key64(value));
}

json_t *etcd_op_put(const char *key, struct str value, uint64_t lease)
{
	return json_pack("{s:{s:o, s:o, s:o}}", "request_put", "key", key64(key), "value",
		etcd_b64(value.p, value.n), "lease", u64(lease));
}

json_t *etcd_op_delete(const char *key)
{
	return json_pack("{s:{s:o}}", "request_delete_range", "key", key64(key));
}

json_t *etcd_op_delete_below(const char *folder)
{
	struct buf first = {0}, end = {0};
	json_t *op;

	buf_putf(&first, "%s/", folder);
	buf_putf(&end, "%s0", folder); /* '0' follows '/' */
	op = json_pack("{s:{s:o, s:o}}", "request_delete_range", "key", etcd_b64(first.p, first.n),
		"range_end", etcd_b64(end.p, end.n));
	buf_free(&first);
	buf_free(&end);
	return op;
}

json_t *etcd_op_range(const char *key)
{
	return json_pack("{s:{s:o}}", "request_range", "key", key64(key));
}

static json_t *nest(json_t *ops)
{
	json_t *outer = json_array(), *op;
	size_t i, n = json_array_size(ops);

	for (i = 0; i < n;) {
		json_t *inner = json_array();

		for (; i < n && json_array_size(inner) < OPS_NESTED; i++) {
			op = json_array_get(ops, i);
			json_array_append(inner, op);
		}
		json_array_append_new(outer, json_pack("{s:{s:o}}", "request_txn", "success", inner));
	}
	json_decref(ops);
	return outer;
}

json_t *etcd_txn(json_t *compare, json_t *success, json_t *failure)
{
	if (json_array_size(success) > OPS_FLAT)
		success = nest(success);
	return json_pack("{s:o, s:o, s:o}", "compare", compare, "success", success, "failure", failure);
}

bool etcd_succeeded(const json_t *answer)
{
	return json_flag(answer, "succeeded", false);
}

const json_t *etcd_row(const json_t *answer, size_t i)
{
	const json_t *op = json_array_get(json_object_get(answer, "responses"), i);

	return json_array_get(json_object_get(json_object_get(op, "response_range"), "kvs"), 0);
}

int etcd_row_bytes(const json_t *row, const char *what, struct buf *out)
{
	buf_clear(out);
	return etcd_unb64(json_object_get(row, what), out);
}

int etcd_get(struct etcd *c, const char *key, unsigned ms, json_t **row, uint64_t *revision, struct err *e)
{
	json_t *request = json_pack("{s:o}", "key", key64(key)), *answer;
	int r = etcd_post(c, "/v3/kv/range", request, ms, &answer, e);

	*row = NULL;
	json_decref(request);
	if (r < 0)
		return -1;
	*row = json_incref(json_array_get(json_object_get(answer, "kvs"), 0));
	*revision = etcd_revision(answer);
	json_decref(answer);
	return 0;
}

int etcd_lease_grant(struct etcd *c, uint64_t id, unsigned *ttl_s, unsigned ms, struct err *e)
{
	json_t *request = json_pack("{s:o, s:o}", "ID", u64(id), "TTL", u64(*ttl_s)), *answer;
	int r = etcd_post(c, "/v3/lease/grant", request, ms, &answer, e);

	json_decref(request);
	if (r < 0)
		return -1;
	*ttl_s = (unsigned)etcd_u64(answer, "TTL");
	json_decref(answer);
	return 0;
}

int etcd_lease_keep(struct etcd *c, uint64_t id, unsigned *ttl_s, unsigned ms, struct err *e)
{
	json_t *request = json_pack("{s:o}", "ID", u64(id)), *answer;
	int r = etcd_post(c, "/v3/lease/keepalive", request, ms, &answer, e);

	json_decref(request);
	if (r < 0)
		return -1;
	*ttl_s = (unsigned)etcd_u64(json_object_get(answer, "result"), "TTL");
	json_decref(answer);
	return 0;
}

int etcd_lease_revoke(struct etcd *c, uint64_t id, unsigned ms, struct err *e)
{
	json_t *request = json_pack("{s:o}", "ID", u64(id)), *answer;
	int r = etcd_post(c, "/v3/lease/revoke", request, ms, &answer, e);

	json_decref(request);
	if (r == 0)
		json_decref(answer);
	return r;
}
