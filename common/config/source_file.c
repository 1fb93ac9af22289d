/*
 * DM's source.yaml to what operate-source takes, and what both files share: reading, endpoints, names. Called
 * by ctl. The password stays as it stands in the file; it is the caller's to encrypt.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/io.h"
#include "common/base/position.h"
#include "common/config/checked.h"
#include "common/config/endpoint.h"
#include "common/config/files.h"
#include "common/config/json.h"
#include "common/config/scalar.h"
#include "common/config/secret.h"
#include "common/config/yaml.h"

enum {
	FILE_MAX_SIZE = 4 << 20,
	PLAIN_PASSWORD_MAX = 350, /* encrypted it must fit struct endpoint */
	PURGE_INTERVAL_S = 3600,  /* DM's values */
	PURGE_REMAIN_GB = 15,
	CHECKER_MIN_MS = 1000, /* the agent's (agent/backoff.c) */
	CHECKER_MAX_MS = 60000,
};

const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int slurp(const char *file, struct buf *text, struct err *e)
{
	if (io_read_file(AT_FDCWD, file, FILE_MAX_SIZE, text, e) == 0)
		return 0;
	if (e)
		e->code = ERR_config_bad;
	return -1;
}

json_t *file_read(const char *file, const char *section, json_t *warnings, struct err *e)
{
	struct buf text = {0};
	json_t *o = NULL;

	if (slurp(file, &text, e) == 0)
		o = checked_read(file_name(file), buf_str(&text), section, warnings, e);
	if (text.p)
		explicit_bzero(text.p, text.n);
	buf_free(&text);
	return o;
}

/* Any of the keys (NULL behind the last) at the top? 1, 0, -1. */
static int has_any(const char *file, struct str text, const char *const *keys, struct err *e)
{
	int any = 0;

	for (; *keys && any == 0; keys++)
		any = checked_has(file_name(file), text, *keys, e);
	return any;
}

int config_kind(const char *file, enum config_kind *kind, struct err *e)
{
	static const char *const of_task[] = {"mysql-instances", "target-database", "task-mode", NULL};
	static const char *const of_source[] = {"from", "source-id", NULL};
	struct buf text = {0};
	int task = -1, source = 0;

	if (slurp(file, &text, e) == 0)
		task = has_any(file, buf_str(&text), of_task, e);
	if (task == 0)
		source = has_any(file, buf_str(&text), of_source, e);
	if (text.p)
		explicit_bzero(text.p, text.n);
	buf_free(&text);
	if (task < 0 || source < 0)
		return -1;
	if (!task && !source)
		return err_set(e, ERR_config_bad,
			"%s is neither a task file (it has mysql-instances) nor a source file (source-id, "
			"from)",
			file_name(file));
	*kind = task ? CONFIG_TASK : CONFIG_SOURCE;
	return 0;
}

int file_check_name(const char *name, const json_t *o, const char *key, struct err *e)
{
	const char *text = json_text(o, key, "");

	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == '/')
			return checked_error(name, o, key, e,
				"`%s` may hold only ASCII letters, digits and signs, no blank and no slash",
				key);
	return 0;
}

json_t *file_endpoint(const char *name, const json_t *o, const char *key, struct err *e)
{
	const json_t *s = json_object_get(o, key), *security = json_object_get(s, "security");
	const char *password = json_text(s, "password", "");
	struct endpoint ep;
	struct err why = {0};
	json_t *in, *out = NULL;

	if (!secret_is_encrypted(password) && strlen(password) > PLAIN_PASSWORD_MAX) {
		checked_error(
			name, s, "password", e, "`password` is longer than %d bytes", PLAIN_PASSWORD_MAX);
		return NULL;
	}
	in = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "host", json_text(s, "host", ""), "port",
		(json_int_t)json_num(s, "port", 0), "user", json_text(s, "user", ""), "password", password,
		"ssl_ca", json_text(security, "ssl-ca", ""), "ssl_cert", json_text(security, "ssl-cert", ""),
		"ssl_key", json_text(security, "ssl-key", ""));
	if (endpoint_from_json(in, &ep, &why) == 0)
		out = endpoint_to_json(&ep);
	else
		checked_error(name, security ? security : s, NULL, e, "%s", why.text);
	json_wipe(in, "password");
	json_decref(in);
	endpoint_wipe(&ep);
	return out;
}

/* What DM has without these keys holds for a file without them too. */
static void put_purge(json_t *options, const json_t *purge)
{
	json_object_set_new(
		options, "purge_interval_s", json_integer(json_num(purge, "interval", PURGE_INTERVAL_S)));
	json_object_set_new(options, "purge_expires_s", json_integer(json_num(purge, "expires", 0) * 3600));
	json_object_set_new(options, "purge_remain_bytes",
		json_integer(json_num(purge, "remain-space", PURGE_REMAIN_GB) << 30));
}

static json_t *relay_options(const char *name, const json_t *o, struct err *e)
{
	const char *start = json_text(o, "relay-binlog-name", "");
	json_t *options = json_object();
	uint64_t number;
	char base[256];

	if (start[0] && binlog_name_split(str_of(start), base, sizeof(base), &number, NULL) < 0) {
		checked_error(name, o, "relay-binlog-name", e,
			"`%s` is no binlog file's name (mysql-bin.000003)", start);
		json_decref(options);
		return NULL;
	}
	if (json_num(o, "server-id", 0) > 0)
		json_object_set_new(options, "server_id", json_integer(json_num(o, "server-id", 0)));
	if (start[0]) {
		json_object_set_new(options, "start_file", json_string(start));
		json_object_set_new(options, "start_offset", json_integer(4));
	}
	if (!start[0] && json_text(o, "relay-binlog-gtid", "")[0])
		json_object_set_new(
			options, "start_gtids", json_pack("[s]", json_text(o, "relay-binlog-gtid", "")));
	put_purge(options, json_object_get(o, "purge"));
	return options;
}

/* 1 to 100; NULL: absent, or *wrong names the key whose value is none. */
static json_t *read_factor(const json_t *o, const char **wrong)
{
	const char *key = json_object_get(o, "backoff-factor") ? "backoff-factor" : "factor";
	const char *text = json_text(o, key, "");
	char *end;
	double factor = strtod(text, &end);

	if (!*text)
		return NULL;
	if (*end || !(factor >= 1 && factor <= 100)) {
		*wrong = key;
		return NULL;
	}
	return json_real(factor);
}

/* Its form was checked with the file. */
static void put_time(json_t *out, const char *as, const json_t *o, const char *key)
{
	int64_t ms;

	if (json_object_get(o, key) && scalar_time(str_of(json_text(o, key, "")), &ms))
		json_object_set_new(out, as, json_integer(ms));
}

static void put_flag(json_t *out, const char *as, const json_t *o, const char *key)
{
	if (json_object_get(o, key))
		json_object_set(out, as, json_object_get(o, key));
}

/* What is not written is the agent's to say. NULL: an error. */
static json_t *read_checker(const char *name, const json_t *o, struct err *e)
{
	const char *wrong = NULL;
	json_t *out = json_object(), *factor = read_factor(o, &wrong);

	put_time(out, "min_ms", o, "backoff-min");
	put_time(out, "max_ms", o, "backoff-max");
	put_time(out, "forgiven_ms", o, "backoff-rollback");
	put_flag(out, "enable", o, "check-enable");
	put_flag(out, "jitter", o, "jitter");
	put_flag(out, "jitter", o, "backoff-jitter");
	if (factor)
		json_object_set_new(out, "factor", factor);
	if (wrong)
		checked_error(name, o, wrong, e, "`%s` is a number from 1 to 100", wrong);
	else if (json_num(out, "max_ms", CHECKER_MAX_MS) < json_num(out, "min_ms", CHECKER_MIN_MS))
		checked_error(name, o, json_object_get(o, "backoff-max") ? "backoff-max" : "backoff-min", e,
			"`backoff-max` is less than `backoff-min`");
	else
		return out;
	json_decref(out);
	return NULL;
}

static void put_filters(json_t *source, const char *name, const json_t *o, json_t *warnings)
{
	json_t *list = json_array();
	const json_t *rule;
	size_t i;

	json_array_foreach(json_object_get(o, "filters"), i, rule)
		json_array_append_new(list, file_filter(name, rule, warnings));
	if (json_array_size(list) > 0)
		json_object_set(source, "filters", list);
	json_decref(list);
}

static json_t *convert(const char *name, const json_t *o, json_t *warnings, struct err *e)
{
	json_t *endpoint, *relay, *source, *checker = json_object_get(o, "checker");

	if (file_check_name(name, o, "source-id", e) < 0)
		return NULL;
	endpoint = file_endpoint(name, o, "from", e);
	relay = endpoint ? relay_options(name, o, e) : NULL;
	if (!relay) {
		json_decref(endpoint);
		return NULL;
	}
	source = json_pack("{s:s, s:o, s:b, s:o}", "source-id", json_text(o, "source-id", ""), "endpoint",
		endpoint, "enable_relay", json_flag(o, "enable-relay", false), "relay", relay);
	if (json_text(o, "relay-binlog-name", "")[0] && json_text(o, "relay-binlog-gtid", "")[0])
		checked_warn(warnings, name, o, "relay-binlog-gtid",
			"`relay-binlog-gtid` has no effect here: `relay-binlog-name` says where to begin");
	if (checker && !(checker = read_checker(name, checker, e))) {
		json_decref(source);
		return NULL;
	}
	if (checker)
		json_object_set_new(source, "checker", checker);
	json_object_set(source, "yaml", checked_text(o));
	put_filters(source, name, o, warnings);
	if (json_object_get(o, "case-sensitive"))
		json_object_set(source, "case_sensitive", json_object_get(o, "case-sensitive"));
	return source;
}

json_t *config_load_source(const char *file, struct err *e)
{
	json_t *warnings = json_array(), *o = file_read(file, "source", warnings, e), *source = NULL;

	if (o)
		source = convert(file_name(file), o, warnings, e);
	if (source)
		json_object_set(source, "warnings", warnings);
	json_wipe(json_object_get(o, "from"), "password");
	json_decref(o);
	json_decref(warnings);
	return source;
}
