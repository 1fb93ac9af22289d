/*
 * DM's files: the examples load; each broken variant of them gives one line with its place, its code and a
 * hint. A row is an edit of the good text, so that the tests say what they change and nothing else.
 */
#include "common/config/yaml.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/config/json.h"

static const char good_task[] = "name: orders\n"                           /* 1 */
				"task-mode: all\n"                         /* 2 */
				"target-database:\n"                       /* 3 */
				"  host: 127.0.0.1\n"                      /* 4 */
				"  port: 4000\n"                           /* 5 */
				"  user: root\n"                           /* 6 */
				"  password: hunter2\n"                    /* 7 */
				"mysql-instances:\n"                       /* 8 */
				"- source-id: s1\n"                        /* 9 */
				"  block-allow-list: bal\n"                /* 10 */
				"  mydumper-config-name: d\n"              /* 11 */
				"  loader-config-name: l\n"                /* 12 */
				"  syncer-config-name: s\n"                /* 13 */
				"block-allow-list:\n"                      /* 14 */
				"  bal:\n"                                 /* 15 */
				"    do-dbs: [app, \"~^shop\"]\n"          /* 16 */
				"    ignore-tables:\n"                     /* 17 */
				"    - {db-name: app, tbl-name: \"t*\"}\n" /* 18 */
				"mydumpers:\n"                             /* 19 */
				"  d:\n"                                   /* 20 */
				"    threads: 8\n"                         /* 21 */
				"    chunk-filesize: 64\n"                 /* 22 */
				"    extra-args: \"--consistency lock\"\n" /* 23 */
				"loaders:\n"                               /* 24 */
				"  l: {pool-size: 6}\n"                    /* 25 */
				"syncers:\n"                               /* 26 */
				"  s: {batch: 50}\n";                      /* 27 */

static const char good_source[] = "source-id: s1\n"            /* 1 */
				  "enable-relay: true\n"       /* 2 */
				  "server-id: 4294967295\n"    /* 3 */
				  "from:\n"                    /* 4 */
				  "  host: \"10.0.0.1\"\n"     /* 5 */
				  "  port: 3306\n"             /* 6 */
				  "  user: repl\n"             /* 7 */
				  "  password: \"hunter2\"\n"; /* 8 */

static int write_file(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct err e;

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, n, &e), 0);
	return close(fd);
}

/* The text with the first `find` made `put`; find "" appends. */
static void edit(const char *text, const char *find, const char *put, struct buf *out)
{
	const char *at = *find ? strstr(text, find) : text + strlen(text);

	if (!at)
		fail_msg("`%s` is not in the good text", find);
	buf_clear(out);
	buf_put(out, text, (size_t)(at - text));
	buf_puts(out, put);
	buf_puts(out, at + strlen(find));
}

struct broken {
	const char *find, *put;
	enum err_code code;
	const char *says;
};

static const struct broken broken_tasks[] = {
	/* keys */
	{"", "foo: 1\n", ERR_config_unknown_key, "task.yaml:28:1: unknown key `foo` in a task file"},
	{"task-mode", "task-mod", ERR_config_unknown_key,
		"task.yaml:2:1: unknown key `task-mod` in a task file; did you mean `task-mode`?"},
	{"  block-allow-list: bal", "  mta: {}", ERR_config_unknown_key,
		"task.yaml:10:3: unknown key `mta` in mysql-instances; did you mean `meta`?"},
	{"  user: root", "  usr: root", ERR_config_unknown_key,
		"task.yaml:6:3: unknown key `usr` in target-database; did you mean `user`?"},
	{"threads: 8", "treads: 8", ERR_config_unknown_key,
		"task.yaml:21:5: unknown key `treads` in mydumpers; did you mean `threads`?"},
	{"threads: 8", "pool-size: 8", ERR_config_unknown_key,
		"unknown key `pool-size` in mydumpers; it belongs to loaders"},
	{"do-dbs", "do-db", ERR_config_unknown_key,
		"task.yaml:16:5: unknown key `do-db` in block-allow-list; did you mean `do-dbs`?"},
	{"tbl-name", "table-name", ERR_config_unknown_key, "unknown key `table-name` in table"},
	{"", "name: x\n", ERR_config_bad, "task.yaml:28:1: `name` is twice in a task file"},
	{"  port: 4000\n", "  port: 4000\n  port: 4001\n", ERR_config_bad,
		"task.yaml:6:3: `port` is twice in target-database"},
	{"", "<<: x\n", ERR_config_bad, "task.yaml:28:5: a merge key (<<) wants a map, or a list of maps"},
	{"", "<<: [[]]\n", ERR_config_bad, "task.yaml:28:6: a merge key (<<) wants a map"},
	{"", "<<: {task-mod: x}\n", ERR_config_unknown_key, "task.yaml:28:6: unknown key `task-mod`"},
	{"", "<<: &a {<<: *a}\n", ERR_config_bad, "task.yaml:28:5: merge keys (<<) lead back to themselves"},
	{"", "<<: &a {<<: [*a, *a, *a]}\n", ERR_config_bad, "lead back to themselves"},
	{"{pool-size: 6}", "{<<: {pool-size: 0}}", ERR_config_bad, "task.yaml:25:23: `pool-size` is 0"},
	{"    threads: 8", "    \"<<\": {threads: 8}", ERR_config_unknown_key,
		"unknown key `<<` in mydumpers"},
	{"", "? [a, b]\n: 1\n", ERR_config_bad, "a key in a task file is a list"},
	{"", "\"a\\x01\": 1\n", ERR_config_bad, "control character"},
	/* missing */
	{"name: orders\n", "", ERR_config_bad, "task.yaml:1:1: `name` is missing in a task file"},
	{"name: orders", "name: ", ERR_config_bad, "`name` is missing"},
	{"name: orders", "name: ~", ERR_config_bad, "`name` is missing"},
	{"task-mode: all\n", "", ERR_config_bad, "`task-mode` is missing"},
	{"  host: 127.0.0.1\n", "", ERR_config_bad, "task.yaml:4:3: `host` is missing in target-database"},
	{"source-id: s1", "meta: {}", ERR_config_bad,
		"task.yaml:9:3: `source-id` is missing in mysql-instances"},
	{"{db-name: app, tbl-name: \"t*\"}", "{db-name: app}", ERR_config_bad,
		"task.yaml:18:7: `tbl-name` is missing in table"},
	/* types */
	{"name: orders", "name: [orders]", ERR_config_bad,
		"task.yaml:1:7: `name` is a list, must be a single value"},
	{"port: 4000", "port: \"4000\"", ERR_config_bad,
		"task.yaml:5:9: `port` is `4000` in quotes, must be a whole number"},
	{"port: 4000", "port: 4e3", ERR_config_bad, "`port` is `4e3`, must be a whole number"},
	{"port: 4000", "port: 99999999999999999999", ERR_config_bad, "must be a whole number"},
	{"mysql-instances:\n- source-id: s1\n", "mysql-instances:\n  source-id: s1\n", ERR_config_bad,
		"`mysql-instances` is a map, must be a list"},
	{"block-allow-list: bal", "block-allow-list: [bal]", ERR_config_bad,
		"`block-allow-list` is a list, must be a single value"},
	{"    do-dbs: [app, \"~^shop\"]", "    do-dbs: app", ERR_config_bad,
		"task.yaml:16:13: `do-dbs` is a single value, must be a list"},
	{"    do-dbs: [app, \"~^shop\"]", "    do-dbs: [app, {a: b}]", ERR_config_bad,
		"`do-dbs` is a map, must be a single value"},
	{"    do-dbs: [app, \"~^shop\"]", "    do-dbs: [app, ~]", ERR_config_bad,
		"an empty item in `do-dbs`"},
	{"{pool-size: 6}", "6", ERR_config_bad, "loaders is a single value, must be a map of keys"},
	{"syncers:\n  s: {batch: 50}", "syncers: [s]", ERR_config_bad,
		"`syncers` is a list, must be a map of names"},
	{"", "case-sensitive: maybe\n", ERR_config_bad,
		"task.yaml:28:17: `case-sensitive` is `maybe`, must be true or false"},
	{"", "case-sensitive: 1\n", ERR_config_bad, "must be true or false"},
	{"chunk-filesize: 64", "chunk-filesize: 64XB", ERR_config_bad,
		"`chunk-filesize` is `64XB`, must be a size"},
	{"{batch: 50}", "{batch: 50, safe-mode-duration: soon}", ERR_config_bad,
		"`safe-mode-duration` is `soon`, must be a duration"},
	/* ranges and words */
	{"port: 4000", "port: 0", ERR_config_bad, "task.yaml:5:9: `port` is 0, must be 1 to 65535"},
	{"port: 4000", "port: 65536", ERR_config_bad, "`port` is 65536, must be 1 to 65535"},
	{"port: 4000", "port: -1", ERR_config_bad, "`port` is -1, must be 1 to 65535"},
	{"threads: 8", "threads: 0", ERR_config_bad, "`threads` is 0, must be 1 to 1024"},
	{"chunk-filesize: 64", "chunk-filesize: 64GiB", ERR_config_bad,
		"`chunk-filesize` is 68719476736 bytes, must be"},
	{"chunk-filesize: 64", "chunk-filesize: 1B", ERR_config_bad, "`chunk-filesize` is 1 bytes, must be"},
	{"pool-size: 6", "pool-size: 2000", ERR_config_bad,
		"task.yaml:25:18: `pool-size` is 2000, must be 1 to 1024"},
	{"task-mode: all", "task-mode: al", ERR_config_bad,
		"task.yaml:2:12: `task-mode` can't be `al`; did you mean `all`?; there are: full, all, "
		"incremental"},
	{"name: orders", "name: \"\"", ERR_config_bad, "`name` is empty"},
	{"name: orders", "name: a/b", ERR_config_bad, "task.yaml:1:7: `name` may hold only ASCII"},
	{"name: orders", "name: a b", ERR_config_bad, "`name` may hold only ASCII"},
	{"source-id: s1", "source-id: a123456789012345678901234567890123", ERR_config_bad,
		"`source-id` is 34 bytes long, at most 32 fit"},
	{"", "ignore-checking-items: [dump_privileg]\n", ERR_config_bad, "did you mean `dump_privilege`?"},
	/* not supported, by name */
	{"", "shard-mode: optimistic\n", ERR_config_unsupported,
		"task.yaml:28:1: `shard-mode` in a task file is not supported"},
	{"", "is-sharding: true\n", ERR_config_unsupported, "`is-sharding`"},
	{"", "routes: {r: {schema-pattern: a}}\n", ERR_config_bad, "`target-schema` is missing"},
	{"", "filters: {f: {action: Ignore}}\n", ERR_config_bad, "task.yaml:28:11: `f` in filters is used"},
	{"", "expression-filter: {e: {schema: a}}\n", ERR_config_bad, "`table`"},
	{"", "validators: {v: {mode: full}}\n", ERR_config_unsupported,
		"task.yaml:28:24: `mode: full` is not supported"},
	{"", "column-mappings: {c: {}}\n", ERR_config_unsupported, "`column-mappings`"},
	{"", "collation_compatible: hard\n", ERR_config_bad, "`collation_compatible` can't be `hard`"},
	{"", "collation-policy: near\n", ERR_config_bad, "`collation-policy` can't be `near`"},
	{"  block-allow-list: bal", "  route-rules: [r]", ERR_config_bad,
		"task.yaml:10:16: `route-rules: r` names nothing in routes"},
	{"{pool-size: 6}", "{import-mode: physical}", ERR_config_unsupported, "`import-mode: physical`"},
	{"threads: 8", "where: \"id > 3\"", ERR_config_unsupported, "`where` in mydumpers"},
	{"--consistency lock", "-W --consistency lock", ERR_config_unsupported, "`-W` in extra-args"},
	{"  user: root", "  user: root\n  session: {foreign_key_checks: 1}", ERR_config_unsupported,
		"`foreign_key_checks` in session"},
	{"  user: root", "  user: root\n  session: {wait_timeout: 1}", ERR_config_unsupported,
		"`wait_timeout` in session"},
	{"  user: root", "  user: root\n  security: {ssl-ca-base64: QUJD}", ERR_config_unsupported,
		"`ssl-ca-base64` in security"},
	{"  user: root", "  user: root\n  session: {FOREIGN_KEY_CHECKS: 1}", ERR_config_unsupported,
		"task.yaml:7:13: `FOREIGN_KEY_CHECKS` in session"},
	{"  user: root", "  user: root\n  security: {cert-allowed-cn: [x]}", ERR_config_unsupported,
		"`cert-allowed-cn` in security"},
	/* mistakes in what is not supported are found all the same */
	{"", "is-sharding: maybe\n", ERR_config_bad, "task.yaml:28:14: `is-sharding` is `maybe`"},
	{"", "shard-mode: optimistc\n", ERR_config_bad, "did you mean `optimistic`?"},
	{"", "routes: {r: {schema-patern: a}}\n", ERR_config_unknown_key,
		"task.yaml:28:14: unknown key `schema-patern` in routes; did you mean `schema-pattern`?"},
	{"", "routes: {r: {schema-pattern: \"~(\"}}\n", ERR_config_bad, "task.yaml:28:30: pattern \"~(\""},
	{"", "routes: {r: {extract-table: {table-regexp: \"(\"}}}\n", ERR_config_bad,
		"task.yaml:28:44: pattern \"(\""},
	{"", "filters: {f: {action: ignore}}\n", ERR_config_bad,
		"task.yaml:28:23: `action` can't be `ignore`; did you mean `Ignore`?"},
	{"", "filters: {f: {sql-pattern: [\"[\"]}}\n", ERR_config_bad, "task.yaml:28:29: pattern \"[\""},
	{"", "expression-filter: {e: {schema: a, delete-value-exp: b}}\n", ERR_config_unknown_key,
		"did you mean `delete-value-expr`?"},
	{"", "validators: {v: {mode: slow}}\n", ERR_config_bad, "`mode` can't be `slow`"},
	{"  user: root", "  user: root\n  security: {cert-allowed-cn: x}", ERR_config_bad,
		"`cert-allowed-cn` is a single value, must be a list"},
	/* patterns, zones, GTID sets */
	{"\"~^shop\"", "\"~^(shop\"", ERR_config_bad,
		"task.yaml:16:19: pattern \"~^(shop\": missing closing parenthesis"},
	{"\"~^shop\"", "\"s*p\"", ERR_config_bad, "task.yaml:16:19: pattern \"s*p\": '*' may only be"},
	{"\"~^shop\"", "\"\"", ERR_config_bad, "task.yaml:16:19: `do-dbs` is empty"},
	{"tbl-name: \"t*\"", "tbl-name: \"~(?<n\"", ERR_config_bad, "task.yaml:18:32: pattern"},
	{"", "shadow-table-rules: [\"^_.+_gho$\"]\n", ERR_config_bad,
		"task.yaml:28:22: `shadow-table-rules`: `^_.+_gho$` has 0 groups in parentheses, must have "
		"1"},
	{"", "timezone: \"+15:00\"\n", ERR_config_bad, "task.yaml:28:11: `timezone` is `+15:00`, must be"},
	{"", "timezone: Asia Shanghai\n", ERR_config_bad, "`timezone` is `Asia Shanghai`, must be"},
	{"  block-allow-list: bal", "  meta: {binlog-gtid: 1-2}", ERR_config_bad,
		"task.yaml:10:23: `binlog-gtid` is no GTID set"},
	/* what the table can't see */
	{"", "collation_compatible: strict\ncollation-policy: nearest\n", ERR_config_bad,
		"task.yaml:29:19: `collation-policy: nearest` contradicts `collation_compatible: strict`"},
	{"", "objects: tables\n", ERR_config_bad, "task.yaml:28:10:"},
	{"", "definer: somebody\n", ERR_config_bad, "task.yaml:28:10:"},
	{"", "validators: {v: {mode: none}}\n", ERR_config_bad,
		"task.yaml:28:14: `v` in validators is used by no instance (validator-config-name)"},
	{"  block-allow-list: bal", "  validator-config-name: v", ERR_config_bad,
		"task.yaml:10:26: `validator-config-name: v` names nothing in validators"},
	{"{batch: 50}", "{safe-mode: true, safe-mode-duration: 0s}", ERR_config_bad,
		"task.yaml:27:44: `safe-mode-duration: 0s` contradicts `safe-mode: true`"},
	{"block-allow-list: bal", "block-allow-list: bla", ERR_config_bad,
		"task.yaml:10:21: `block-allow-list: bla` names nothing in block-allow-list; did you mean "
		"`bal`?"},
	{"mydumper-config-name: d", "mydumper-config-name: x", ERR_config_bad,
		"`mydumper-config-name: x` names nothing in mydumpers"},
	{"mydumper-config-name: d", "mydumper: {threads: 1}", ERR_config_bad,
		"`d` in mydumpers is used by no instance"},
	{"syncer-config-name: s", "syncer-config-name: s\n  syncer: {batch: 1}", ERR_config_bad,
		"`syncer-config-name` and `syncer` together"},
	{"block-allow-list:\n  bal:", "black-white-list: {}\nblock-allow-list:\n  bal:", ERR_config_bad,
		"together"},
	{"mysql-instances:\n", "mysql-instances:\n- source-id: s1\n", ERR_config_bad,
		"task.yaml:10:14: source `s1` is twice"},
	{"--consistency lock", "--consistency snapshot", ERR_config_bad, "wants auto, flush, lock or none"},
	{"--consistency lock", "--consistency", ERR_config_bad, "wants auto, flush, lock or none"},
	{"task-mode: all", "task-mode: incremental", ERR_config_bad,
		"task.yaml:9:3: an incremental task wants `meta`"},
	{"  user: root", "  user: root\n  security: {ssl-key: /k}", ERR_config_bad, "ssl-cert and ssl-key"},
	/* no YAML at all */
	{"name: orders", "name: [orders", ERR_config_bad, "task.yaml:2"},
	{"name: orders", "name: \"orders", ERR_config_bad, "task.yaml:"},
	{"name: orders", "\tname: orders", ERR_config_bad, "task.yaml:1:1"},
	{"name: orders", "name: *nowhere", ERR_config_bad, "task.yaml:1:7"},
	{"name: orders", "name: \xff\xfe", ERR_config_bad, "task.yaml: byte"},
	{"", "---\nname: x\n", ERR_config_bad, "second document"},
};

static const struct broken broken_sources[] = {
	{"source-id: s1\n", "", ERR_config_bad, "source.yaml:1:1: `source-id` is missing in a source file"},
	{"source-id: s1", "source-id: a b", ERR_config_bad,
		"source.yaml:1:12: `source-id` may hold only ASCII"},
	{"server-id: 4294967295", "server-id: 4294967296", ERR_config_bad,
		"`server-id` is 4294967296, must be 0 to 4294967295"},
	{"enable-relay: true", "enable-relay: \"true\"", ERR_config_bad,
		"`enable-relay` is `true`, must be true or false"},
	{"enable-relay: true", "enable-rely: true", ERR_config_unknown_key, "did you mean `enable-relay`?"},
	{"enable-relay: true", "enable: false", ERR_config_unsupported, "`enable` in a source file"},
	{"enable-relay: true", "relay-binlog-gtid: [a]", ERR_config_bad, "`relay-binlog-gtid`"},
	{"enable-relay: true", "relay-binlog-name: binlog", ERR_config_bad,
		"`binlog` is no binlog file's name"},
	{"enable-relay: true", "filters: [{events: [al]}]", ERR_config_bad, "`al` is no event"},
	{"enable-relay: true", "checker: {factor: 0.5}", ERR_config_bad, "`factor` is a number from 1"},
	{"enable-relay: true", "checker: {backoff-factor: two}", ERR_config_bad, "source.yaml:2:27:"},
	{"enable-relay: true", "checker: {backoff-min: 2m}", ERR_config_bad, "less than `backoff-min`"},
	{"enable-relay: true", "flavor: oracle", ERR_config_bad, "`flavor` can't be `oracle`"},
	{"from:", "form:", ERR_config_unknown_key, "did you mean `from`?"},
	{"  user: repl", "  pasword: x", ERR_config_unknown_key, "did you mean `password`?"},
	{"from:", "purge: {interval: abc}\nfrom:", ERR_config_bad,
		"`interval` is `abc`, must be a whole number"},
	{"from:", "checker: {backoff-max: 5x}\nfrom:", ERR_config_bad, "`backoff-max` is `5x`"},
	{"from:", "checker: {backoff-max: 0.9s}\nfrom:", ERR_config_bad,
		"source.yaml:4:24: `backoff-max` is `0.9s`, must be at least 1000 ms"},
	{"from:", "purge: {expires: -1}\nfrom:", ERR_config_bad, "`expires` is -1, must be 0 to"},
	{"from:", "purge: {remain_space: 1}\nfrom:", ERR_config_unknown_key, "did you mean `remain-space`?"},
	{"enable-relay: true", "enable: maybe", ERR_config_bad, "`enable` is `maybe`"},
	{"enable-relay: true", "relay-binlog-gtid: a-b", ERR_config_bad,
		"source.yaml:2:20: `relay-binlog-gtid` is no GTID set"},
	{"enable-relay: true", "filters: [{actoin: Do}]", ERR_config_unknown_key, "did you mean `action`?"},
};

typedef json_t *load_fn(const char *file, struct err *e);

static void try_broken(const struct broken *b, const char *good, const char *path, load_fn *load)
{
	struct buf text = {0};
	struct err e = {0};
	json_t *o;

	edit(good, b->find, b->put, &text);
	write_file(path, text.p, text.n);
	o = load(path, &e);
	if (o)
		fail_msg("taken: %s -> %s", b->find, b->put);
	if (e.code != (uint32_t)b->code || !strstr(e.text, b->says) || strchr(e.text, '\n'))
		fail_msg("%s -> %s: %u %s", b->find, b->put, e.code, e.text);
	assert_null(strstr(e.text, "hunter2"));
	buf_free(&text);
}

static int in_temp_dir(void **state)
{
	static char dir[] = "/tmp/tg-yaml-XXXXXX";

	*state = mkdtemp(dir);
	return *state && chdir(dir) == 0 ? 0 : -1;
}

static int leave_temp_dir(void **state)
{
	unlink("task.yaml");
	unlink("source.yaml");
	return chdir("/") == 0 ? rmdir(*state) : -1;
}

static void test_broken(void **state)
{
	size_t tasks = sizeof(broken_tasks) / sizeof(broken_tasks[0]);
	size_t sources = sizeof(broken_sources) / sizeof(broken_sources[0]);

	(void)state;
	for (size_t i = 0; i < tasks; i++)
		try_broken(&broken_tasks[i], good_task, "task.yaml", config_load_task);
	for (size_t i = 0; i < sources; i++)
		try_broken(&broken_sources[i], good_source, "./source.yaml", config_load_source);
	assert_true(tasks + sources >= 60);
}

static const char *password_of(const json_t *o)
{
	const json_t *end = json_object_get(o, "downstream");

	return json_text(end ? end : json_object_get(o, "endpoint"), "password", "");
}

/* The file as text again means the same; the password is in it only once it is put there. Taken out of o. */
static void means_the_same(json_t *o, const char *path, load_fn *load)
{
	const char *yaml = json_text(o, "yaml", ""), *password = password_of(o);
	struct err e = {0};
	struct buf text = {0};
	json_t *again, *copy;

	if (strlen(password) > 3)
		assert_null(strstr(yaml, password));
	assert_int_equal(config_with_password(yaml, password, &text, &e), 0);
	write_file(path, text.p, text.n);
	again = load(path, &e);
	if (!again)
		fail_msg("%s: %s:\n%s", path, e.text, buf_cstr(&text));
	json_object_del(o, "yaml");
	json_object_del(again, "yaml");
	copy = json_copy(o);
	json_object_del(copy, "warnings"); /* they name lines */
	json_object_del(again, "warnings");
	if (!json_equal(copy, again))
		fail_msg("%s means something else:\n%s", path, buf_cstr(&text));
	json_decref(copy);
	json_decref(again);
	buf_free(&text);
}

static json_t *load_text(const char *path, const char *text, load_fn *load)
{
	struct err e = {0};
	json_t *o;

	write_file(path, text, strlen(text));
	o = load(path, &e);
	if (!o)
		fail_msg("%s: %s", path, e.text);
	means_the_same(o, path, load);
	return o;
}

static void same_json(const json_t *o, const char *text)
{
	json_t *want = json_loads(text, 0, NULL);
	struct buf b = {0};

	assert_non_null(want);
	json_write(o, &b);
	if (!json_equal(o, want))
		fail_msg("%s\nis not\n%s", buf_cstr(&b), text);
	buf_free(&b);
	json_decref(want);
}

static void test_good_task(void **state)
{
	json_t *o = load_text("task.yaml", good_task, config_load_task);

	(void)state;
	same_json(o, "{\"name\":\"orders\",\"mode\":\"all\",\"meta_schema\":\"dm_meta\",\"sources\":[\"s1\"],"
		     "\"downstream\":{"
		     "\"host\":\"127.0.0.1\",\"port\":4000,\"user\":\"root\",\"password\":\"hunter2\","
		     "\"tls\":\"preferred\","
		     "\"ssl_ca\":\"\",\"ssl_cert\":\"\",\"ssl_key\":\"\"},\"ignore_checking_items\":[],"
		     "\"instances\":{\"s1\":{"
		     "\"rules\":{\"do_dbs\":[\"app\",\"~^shop\"],\"ignore_dbs\":[],\"do_tables\":[],\"ignore_"
		     "tables\":[{\"db-name\":"
		     "\"app\",\"tbl-name\":\"t*\"}],\"case_sensitive\":false,\"online\":{}},\"dump\":{"
		     "\"threads\":8,"
		     "\"chunk_bytes\":67108864,"
		     "\"consistency\":\"lock\"},\"load\":{\"threads\":6},\"sync\":{\"batch_rows\":50},"
		     "\"start\":{}}},\"rules\":{"
		     "\"do_dbs\":[\"app\",\"~^shop\"],\"ignore_dbs\":[],\"do_tables\":[],\"ignore_tables\":[{"
		     "\"db-name\":\"app\","
		     "\"tbl-name\":\"t*\"}],\"case_sensitive\":false,\"online\":{}},\"dump\":{\"threads\":8,"
		     "\"chunk_"
		     "bytes\":67108864,"
		     "\"consistency\":\"lock\"},\"load\":{\"threads\":6},\"sync\":{\"batch_rows\":50},"
		     "\"warnings\":[]}");
	json_decref(o);
}

static void test_good_source(void **state)
{
	json_t *o = load_text("source.yaml", good_source, config_load_source);

	(void)state;
	same_json(o,
		"{\"source-id\":\"s1\",\"endpoint\":{\"host\":\"10.0.0.1\",\"port\":3306,\"user\":\"repl\","
		"\"password\":\"hunter2\",\"tls\":\"preferred\",\"ssl_ca\":\"\",\"ssl_cert\":\"\",\"ssl_"
		"key\":\"\"},"
		"\"enable_relay\":true,\"relay\":{\"server_id\":4294967295,\"purge_interval_s\":3600,"
		"\"purge_expires_s\":0,\"purge_remain_bytes\":16106127360},"
		"\"warnings\":[]}");
	json_decref(o);
}

static void test_checker(void **state)
{
	static const char text[] =
		"source-id: s1\nfrom: {host: h, port: 3306, user: u}\nchecker: {check-enable: false, "
		"backoff-min: 250ms, backoff-max: 2m, backoff-rollback: 30s, backoff-jitter: true, "
		"backoff-factor: 1.5}\n";
	json_t *o = load_text("source.yaml", text, config_load_source);

	(void)state;
	same_json(json_object_get(o, "checker"),
		"{\"enable\":false,\"min_ms\":250,\"max_ms\":120000,\"forgiven_ms\":30000,\"jitter\":true,"
		"\"factor\":1.5}");
	json_decref(o);
}

/* Keys of storage stay out of the kept text; an alias of the password is no password. */
static void test_kept_text(void **state)
{
	static const char text[] = "source-id: s1\nfrom: {host: h, port: 3306, user: &u same, password: *u}\n"
				   "relay-dir: \"s3://b/x?access-key=A&secret-access-key=S3CRET\"\n";
	json_t *o;
	struct buf out = {0};
	struct err e = {0};
	const char *yaml;

	(void)state;
	write_file("source.yaml", text, strlen(text));
	o = config_load_source("source.yaml", &e);
	if (!o)
		fail_msg("%s", e.text);
	yaml = json_text(o, "yaml", "");
	assert_null(strstr(yaml, "S3CRET"));
	assert_non_null(strstr(yaml, "s3://b/x"));
	assert_non_null(strstr(yaml, "user: "));
	assert_non_null(strstr(yaml, "same"));
	assert_int_equal(config_with_password(yaml, "tg1:AAAA", &out, &e), 0);
	assert_non_null(strstr(buf_cstr(&out), "same"));
	assert_non_null(strstr(buf_cstr(&out), "password: \"tg1:AAAA\""));
	buf_free(&out);
	json_decref(o);
}

/* What most of DM's own examples hold: taken, and each key without effect is named once. */
static void test_warnings(void **state)
{
	static const char text[] =
		"name: t1\ntask-mode: incremental\nshard-mode: \"\"\nis-sharding: false\nroutes: {}\n"
		"filters:\ntimezone: \"+00:00\"\nonline-ddl: true\nenable-heartbeat: "
		"false\ncollation-policy: fail\nblack-white-list:\n"
		"  b: {do-dbs: [a]}\nignore-checking-items: [auto_increment_ID]\ntarget-database:\n  host: "
		"h\n"
		"  port: 4000\n  user: u\n  password:\n  max-allowed-packet: 67108864\n"
		"  session: {sql_mode: ANSI_QUOTES, foreign_key_checks: OFF}\n  security: {ssl-ca: /ca}\n"
		"mysql-instances:\n- source-id: 1\n  black-white-list: b\n  syncer-thread: 16\n  "
		"mydumper-thread: 3\n"
		"  route-rules: []\n  meta: {binlog-name: mysql-bin.000009, binlog-pos: 154}\n"
		"  syncer: {worker-count: 16, batch: 100, compact: false, missing-row: count, safe-mode: "
		"true, preserve-commit-order: true, split-transaction: 5000}\n";
	static const char *const says[] = {"task.yaml:7:1: `timezone` has no effect",
		"9:1: `enable-heartbeat` is deprecated",
		"11:1: `black-white-list` is deprecated: its name is block-allow-list",
		"19:3: `max-allowed-packet` is deprecated", "`sql_mode`", "24:3: `black-white-list`",
		"`compact`"};
	json_t *o = load_text("task.yaml", text, config_load_task), *w = json_object_get(o, "warnings"), *one;
	const size_t n = sizeof(says) / sizeof(says[0]);
	size_t i;

	(void)state;
	assert_int_equal(json_array_size(w), n);
	json_array_foreach(w, i, one)
		if (!strstr(json_string_value(one), says[i]))
			fail_msg("%zu: %s", i, json_string_value(one));
	one = json_object_get(json_object_get(o, "instances"), "1");
	same_json(json_object_get(one, "start"),
		"{\"file\":\"mysql-bin.000009\",\"offset\":154,\"gtid\":\"\"}");
	same_json(json_object_get(one, "dump"), "{\"threads\":3}");
	same_json(json_object_get(one, "sync"),
		"{\"batch_rows\":100,\"workers\":16,\"preserve_commit_order\":true,"
		"\"split_transaction\":5000,\"missing_row\":\"count\",\"collations\":\"fail\",\"safe_mode\":"
		"true}");
	same_json(json_object_get(one, "load"), "{\"collations\":\"fail\"}");
	same_json(json_object_get(json_object_get(one, "rules"), "do_dbs"), "[\"a\"]");
	same_json(json_object_get(o, "ignore_checking_items"), "[\"auto_increment_ID\"]");
	assert_string_equal(json_text(json_object_get(o, "downstream"), "tls", ""), "verify-ca");
	assert_string_equal(json_text(json_object_get(o, "downstream"), "password", "-"), "");
	json_decref(o);
}

/* What is cut, left over or written twice is said, once; the checks of values let pass what is right. */
static void test_told(void **state)
{
	static const char task[] =
		"name: t\ntask-mode: incremental\ntimezone: \"-12:30\"\ntarget-database:\n  host: h\n  port: "
		"1\n"
		"  user: u\n  session: {TIME_ZONE: x}\nvalidators:\n  v: {mode: none, worker-count: 2}\n"
		"block-allow-list:\n  a: {}\n  b: {do-dbs: [x]}\nloaders:\n  l: {pool-size: 200}\n"
		"mydumpers:\n  d: {chunk-filesize: \"\"}\nshadow-table-rules: [\"^_(.+)_(?:new|gho)$\"]\n"
		"mysql-instances:\n"
		"- &i {source-id: s1, loader-config-name: l, mydumper-config-name: d, block-allow-list: b,\n"
		"   validator-config-name: v, meta: {binlog-pos: 5,\n"
		"   binlog-gtid: \"3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7:tag:1,\n"
		"     3e11fa47-71ca-11e1-9e33-c80aa9429563:1\"}}\n"
		"- {source-id: s2, loader-config-name: l, mydumper: {threads: 1}, meta: {binlog-gtid: "
		"0-1-2}}\n";
	static const char *const says[] = {"3:1: `timezone`", "8:13: `time_zone`", "10:19: `worker-count`",
		"15:18: `pool-size: 200` is taken for 64", "`binlog-pos` has no effect here",
		"12:3: `a` in block-allow-list is used by no instance"};
	json_t *o = load_text("task.yaml", task, config_load_task), *w = json_object_get(o, "warnings"), *one;
	const char *source = "source-id: s\nrelay-binlog-name: b.000001\nrelay-binlog-gtid: 0-1-2\n"
			     "checker: {check-interval: 1m0.5s}\nfrom: {host: h, port: 1, user: u}\n";
	size_t i;

	(void)state;
	json_array_foreach(w, i, one)
		if (i >= sizeof(says) / sizeof(says[0]) || !strstr(json_string_value(one), says[i]))
			fail_msg("%zu: %s", i, json_string_value(one));
	assert_int_equal(json_array_size(w), sizeof(says) / sizeof(says[0]));
	one = json_object_get(json_object_get(o, "instances"), "s1");
	same_json(json_object_get(one, "load"), "{\"threads\":64}");
	assert_string_equal(json_text(json_object_get(one, "start"), "gtid", ""),
		"3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7:tag:1,3e11fa47-71ca-11e1-9e33-c80aa9429563:1");
	json_decref(o);
	o = load_text("source.yaml", source, config_load_source);
	assert_int_equal(json_array_size(json_object_get(o, "warnings")), 2);
	json_decref(o);
}

/* YAML's merge keys: what is written out goes before, then the first map of a list. */
static void test_merge(void **state)
{
	static const char text[] =
		"name: t\ntask-mode: full\ntarget-database: &db {host: h, port: 1, user: u, password: p}\n"
		"syncers:\n  a: &a {batch: 10, worker-count: 2}\n  b: &b {worker-count: 3, missing-row: "
		"count}\n"
		"  c: {<<: [*a, *b], batch: 30}\n"
		"mysql-instances:\n- {source-id: s1, syncer-config-name: a}\n"
		"- {source-id: s2, syncer-config-name: b}\n- {source-id: s3, syncer-config-name: c}\n";
	json_t *o = load_text("task.yaml", text, config_load_task), *all = json_object_get(o, "instances");

	(void)state;
	same_json(json_object_get(json_object_get(all, "s3"), "sync"),
		"{\"batch_rows\":30,\"workers\":2,\"missing_row\":\"count\"}");
	same_json(json_object_get(json_object_get(all, "s2"), "sync"),
		"{\"workers\":3,\"missing_row\":\"count\"}");
	json_decref(o);
}

/* A password as long as it may be, and one more; encrypted ones are longer. */
static void test_password_length(void **state)
{
	char text[2000];
	struct err e = {0};
	json_t *o;

	(void)state;
	snprintf(text, sizeof(text),
		"source-id: s\nfrom: {host: h, port: 1, user: u, password: \"%0350d\"}\n", 1);
	o = load_text("source.yaml", text, config_load_source);
	json_decref(o);
	snprintf(text, sizeof(text),
		"source-id: s\nfrom: {host: h, port: 1, user: u, password: \"%0351d\"}\n", 1);
	write_file("source.yaml", text, strlen(text));
	assert_null(config_load_source("source.yaml", &e));
	assert_non_null(strstr(e.text, "source.yaml:2:"));
	assert_null(strstr(e.text, "00000"));
	snprintf(text, sizeof(text),
		"source-id: s\nfrom: {host: h, port: 1, user: u, password: \"tg1:%0500d\"}\n", 1);
	o = load_text("source.yaml", text, config_load_source);
	json_decref(o);
}

static void test_kind(void **state)
{
	enum config_kind kind;
	struct err e = {0};

	(void)state;
	write_file("task.yaml", good_task, strlen(good_task));
	write_file("source.yaml", good_source, strlen(good_source));
	assert_int_equal(config_kind("task.yaml", &kind, &e), 0);
	assert_int_equal(kind, CONFIG_TASK);
	assert_int_equal(config_kind("source.yaml", &kind, &e), 0);
	assert_int_equal(kind, CONFIG_SOURCE);
	write_file("task.yaml", "a: 1\n", 5);
	assert_int_equal(config_kind("task.yaml", &kind, &e), -1);
	assert_int_equal(e.code, ERR_config_bad);
	write_file("task.yaml", "name: x\nroutes: {\n", 19);
	assert_int_equal(config_kind("task.yaml", &kind, &e), -1);
	assert_non_null(strstr(e.text, "task.yaml:"));
	write_file("task.yaml", "", 0);
	assert_int_equal(config_kind("task.yaml", &kind, &e), -1);
	assert_null(config_load_task("task.yaml", &e));
	assert_non_null(strstr(e.text, "empty"));
	assert_int_equal(config_kind("not there.yaml", &kind, &e), -1);
	assert_int_equal(e.code, ERR_config_bad);
	assert_non_null(strstr(e.text, "not there.yaml"));
}

/* Aliases that refer to their own ancestors, and very deep nesting, end in an error and not in a crash. */
static void test_hostile(void **state)
{
	static const char loop[] = "name: &a\n  - *a\n";
	struct buf deep = {0};
	enum config_kind kind;
	struct err e = {0};
	uint64_t began;

	(void)state;
	write_file("task.yaml", loop, strlen(loop));
	assert_null(config_load_task("task.yaml", &e));
	for (int i = 0; i < 100000; i++)
		buf_putc(&deep, '[');
	write_file("task.yaml", deep.p, deep.n);
	began = clock_ms();
	assert_null(config_load_task("task.yaml", &e));
	assert_non_null(strstr(e.text, "task.yaml:1:33: lists and maps more than 32 deep"));
	assert_int_equal(config_kind("task.yaml", &kind, &e), -1);
	assert_true(clock_ms() - began < 5000); /* it was half a minute */
	buf_clear(&deep);
	buf_puts(&deep, "syncers:\n  m0: &m0 {batch: 1}\n"); /* 3^12 merges in the last one */
	for (int i = 1; i <= 12; i++)
		buf_putf(&deep, "  m%d: &m%d {<<: [*m%d, *m%d, *m%d]}\n", i, i, i - 1, i - 1, i - 1);
	write_file("task.yaml", deep.p, deep.n);
	assert_null(config_load_task("task.yaml", &e));
	assert_non_null(strstr(e.text, "bring more than 10000 keys"));
	buf_clear(&deep);
	buf_puts(&deep, "routes: &a {b: *a}\nname: x\n");
	write_file("task.yaml", deep.p, deep.n);
	assert_null(config_load_task("task.yaml", &e));
	buf_free(&deep);
}

static void test_examples(void **state)
{
	struct err e = {0};
	json_t *task = config_load_task(TIDEGATE_CONF "/task.yaml", &e), *source;

	(void)state;
	if (!task)
		fail_msg("%s", e.text);
	source = config_load_source(TIDEGATE_CONF "/source.yaml", &e);
	if (!source)
		fail_msg("%s", e.text);
	assert_int_equal(json_array_size(json_object_get(task, "warnings")), 0);
	assert_int_equal(json_array_size(json_object_get(source, "warnings")), 0);
	json_decref(task);
	json_decref(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_task),
		cmocka_unit_test(test_good_source),
		cmocka_unit_test(test_checker),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_kept_text),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_password_length),
		cmocka_unit_test(test_kind),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_examples),
	};

	return cmocka_run_group_tests(tests, in_temp_dir, leave_temp_dir);
}
