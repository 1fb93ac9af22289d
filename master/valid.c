/*
 * Checks of what commands bring. Called by the commands; the file readers of the command line check more and
 * with line numbers, but a master believes nobody.
 */
#include "master/valid.h"

#include <string.h>

#include "common/base/position.h"
#include "common/config/endpoint.h"
#include "common/config/json.h"
#include "common/config/mode.h"
#include "common/config/secret.h"
#include "common/sql/rules.h"

int valid_name(const char *name, size_t max, const char *what, struct err *e)
{
	size_t n = strlen(name);

	if (n == 0 || n > max)
		return err_set(e, ERR_config_bad, "the name of a %s has 1 to %zu characters", what, max);
	for (size_t i = 0; i < n; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
			return err_set(e, ERR_config_bad,
				"the name of a %s may hold only ASCII letters, digits and signs, no blank "
				"and no slash",
				what);
	return 0;
}

int valid_mode(const char *mode, struct err *e)
{
	if (mode_find(mode))
		return 0;
	return err_set(e, ERR_config_unsupported,
		"task-mode `%.40s` (there are full, all, incremental, dump, load, load&sync)", mode);
}

int valid_endpoint(const json_t *endpoint, const char *what, struct err *e)
{
	struct endpoint ep;
	int r = 0;

	if (endpoint_from_json(endpoint, &ep, e) < 0)
		return err_add(e, "%s", what);
	if (ep.password[0] && !secret_is_encrypted(ep.password))
		r = err_set(e, ERR_secret_bad,
			"%s: the password must be encrypted (tg1:…) before it comes here", what);
	endpoint_wipe(&ep);
	return r;
}

int valid_rules(const json_t *rules, const char *meta_schema, struct err *e)
{
	struct rules *r = rules_new(rules, meta_schema, e);

	if (!r)
		return -1;
	rules_free(&r);
	return 0;
}

int valid_start(const json_t *start, struct err *e)
{
	const char *file = json_text(start, "file", "");
	uint64_t number;
	char base[256];

	if (!file[0] && json_text(start, "gtid", "")[0])
		return 0;
	if (!file[0])
		return err_set(e, ERR_config_bad,
			"an incremental task wants a start position (binlog file and offset, or a GTID set)");
	if (binlog_name_split(str_of(file), base, sizeof(base), &number, NULL) < 0)
		return err_set(
			e, ERR_config_bad, "`%.100s` is no binlog file's name (mysql-bin.000003)", file);
	if (json_num(start, "offset", 4) < 4)
		return err_set(e, ERR_config_bad, "a binlog's first event is at offset 4");
	return 0;
}
