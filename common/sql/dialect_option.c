/*
 * Options of tables and databases, charsets and collations, engines, partitions. Rules of sql_translate. An
 * option that only the source's family knows is dropped and said; the rest is left alone.
 */
#include <string.h>

#include "common/sql/translate.h"

enum { MYSQL = 1, MARIADB = 2, TIDB = 4, NOWHERE = 0, NOT_INNODB = 8 };

/* Options that not every family takes. NOT_INNODB: dropped too where the engine became InnoDB. */
static const struct {
	const char *name;
	unsigned where;
} options[] = {
	{"PAGE_CHECKSUM", MARIADB | NOT_INNODB},
	{"TRANSACTIONAL", MARIADB | NOT_INNODB},
	{"TABLE_CHECKSUM", MARIADB},
	{"PAGE_COMPRESSED", MARIADB},
	{"PAGE_COMPRESSION_LEVEL", MARIADB},
	{"ENCRYPTED", MARIADB},
	{"ENCRYPTION_KEY_ID", MARIADB},
	{"IETF_QUOTES", MARIADB | NOT_INNODB},
	{"COMPRESSION", MYSQL | TIDB},
	{"ENCRYPTION", MYSQL | TIDB},
	{"SECONDARY_ENGINE", MYSQL},
	{"SECONDARY_ENGINE_ATTRIBUTE", MYSQL},
	{"ENGINE_ATTRIBUTE", MYSQL},
	{"AUTOEXTEND_SIZE", MYSQL},
	/* Places of the source's host. */
	{"TABLESPACE", NOWHERE},
	/* Of engines that are not kept. */
	{"UNION", MYSQL | MARIADB | TIDB | NOT_INNODB},
	{"INSERT_METHOD", MYSQL | MARIADB | TIDB | NOT_INNODB},
	{"CONNECTION", MYSQL | MARIADB | TIDB | NOT_INNODB},
	{"ROW_FORMAT", MYSQL | MARIADB | TIDB | NOT_INNODB},
	{"KEY_BLOCK_SIZE", MYSQL | MARIADB | TIDB | NOT_INNODB},
};

static unsigned family(const struct server *s)
{
	return s->flavor == FLAVOR_MARIADB ? MARIADB : s->flavor == FLAVOR_TIDB ? TIDB : MYSQL;
}

/* --- charsets --- */

/* MariaDB's short form, uca1400_ai_ci: of the charset beside it. */
const struct collation *tr_collation(struct tr *t, size_t charset, size_t collate)
{
	struct str name;

	if (collate == SIZE_MAX)
		return collation_default(str_of(tr_name(t, charset)), t->from);
	name = str_of(t->t[collate].type == SQL_STRING ? "" : tr_name(t, collate));
	if (t->t[collate].type == SQL_STRING)
		name = (struct str){t->source.p + t->t[collate].at + 1, t->t[collate].len - 2};
	if (str_starts(name, "uca1400_"))
		name = str_of(arena_printf(t->mem, "%s_%.*s",
			charset == SIZE_MAX ? "utf8mb4" : tr_name(t, charset), STR_ARG(name)));
	return collation_find(name);
}

static int refused(struct tr *t, const struct collation *c, const struct collation *nearest)
{
	tr_fail(t, "collation %s is not in the target, where %s is the nearest", collation_name(c, t->from),
		collation_name(nearest, t->to));
	if (t->e)
		t->e->code = ERR_collation_refused;
	return -1;
}

int tr_charset(struct tr *t, size_t charset, size_t collate, const char *equals)
{
	const struct collation *c, *n;
	const char *new_charset, *name;

	if (charset == SIZE_MAX && collate == SIZE_MAX)
		return 0;
	c = tr_collation(t, charset, collate);
	if (!c)
		return 0;
	n = collation_nearest(c, t->to);
	name = collation_name(n, t->to);
	new_charset = collation_charset(n, t->to);
	if (!sql_collation_may(str_of(c->name), t->from, t->to, t->collations))
		return refused(t, c, n);
	if (c != n)
		tr_note(t, "collation %s became %s", collation_name(c, t->from), name);
	if (charset != SIZE_MAX && !str_is_ci(str_of(tr_name(t, charset)), new_charset))
		tr_replace(t, charset, "%s", new_charset);
	if (collate != SIZE_MAX) {
		if (!str_is_ci(str_of(tr_name(t, collate)), name))
			tr_replace(t, collate, "%s", name);
	} else if (n != collation_default(str_of(new_charset), t->to)) {
		tr_append(t, charset, " COLLATE%s%s", equals, name);
	}
	return 0;
}

/* --- engines --- */

/* A downstream table must be transactional, or its rows and the progress could part in a crash; BLACKHOLE
 * holds none. */
static bool engine_kept(const struct tr *t, struct str name)
{
	if (str_is_ci(name, "RocksDB") || str_is_ci(name, "TokuDB"))
		return t->to->flavor == FLAVOR_MARIADB && t->from->flavor == FLAVOR_MARIADB;
	return str_is_ci(name, "InnoDB") || str_is_ci(name, "BLACKHOLE");
}

bool tr_engine_name(const struct tr *t, size_t i, size_t *value, struct str *name)
{
	*value = i + 1 + tr_is_char(t, i + 1, '=');
	if (*value >= t->n)
		return false;
	*name = str_of(tr_name(t, *value));
	if (t->t[*value].type == SQL_STRING)
		*name = (struct str){t->source.p + t->t[*value].at + 1, t->t[*value].len - 2};
	return name->n > 0;
}

/* False: there is none, or the target (TiDB has one engine) takes every name. */
static bool engine_name(const struct tr *t, size_t i, size_t *value, struct str *name)
{
	return tr_engine_name(t, i, value, name) && t->to->flavor != FLAVOR_TIDB;
}

static size_t engine(struct tr *t, size_t i, bool quiet)
{
	size_t value;
	struct str name;

	if (!engine_name(t, i, &value, &name) || engine_kept(t, name))
		return value + 1;
	if (!quiet)
		tr_note(t, "engine %.*s became InnoDB: the target's tables must be transactional",
			STR_ARG(name));
	tr_replace(t, value, "InnoDB");
	return value + 1;
}

static bool changes_engine(const struct tr *t, size_t a, size_t b)
{
	for (; a < b; a++) {
		size_t value;
		struct str name;

		if (tr_is(t, a, "ENGINE") && t->t[a].depth == 0 && engine_name(t, a, &value, &name))
			return !engine_kept(t, name);
	}
	return false;
}

/* --- options --- */

/* Behind the value of an option at i: NAME [=] value, the value perhaps in parentheses. */
static size_t option_end(const struct tr *t, size_t i)
{
	size_t value = i + 1 + tr_is_char(t, i + 1, '=');

	if (tr_is_char(t, value, '('))
		return tr_close(t, value) + 1;
	return value < t->n ? value + 1 : t->n;
}

/* What begins so would go on with the name before the option: no server takes that, it stays as it is. */
static bool is_point(const struct tr *t, size_t i)
{
	return i < t->n && tr_text(t, i).n > 0 && tr_text(t, i).p[0] == '.';
}

static size_t drop_option(struct tr *t, size_t i, size_t end)
{
	size_t last = end > i ? end - 1 : i;
	struct str text = {t->source.p + t->t[i].at, t->t[last].at + t->t[last].len - t->t[i].at};

	if (is_point(t, end + tr_is_char(t, end, ',')))
		return end;
	if (tr_is(t, i, "CONNECTION")) /* may hold a password */
		tr_note(t, "dropped CONNECTION");
	else
		tr_note(t, "dropped %.*s", (int)(text.n < 120 ? text.n : 120), text.p);
	tr_drop(t, i, end);
	/* Options may be separated by commas: one of them goes with it. */
	if (tr_is_char(t, end, ',') && t->t[end].depth == t->t[i].depth &&
		t->ddl->verb == SQL_VERB_CREATE_TABLE)
		t->t[end++].drop = true;
	return end;
}

static size_t known_option(struct tr *t, size_t i)
{
	for (size_t k = 0; k < sizeof(options) / sizeof(options[0]); k++) {
		bool gone;

		if (!tr_is(t, i, options[k].name))
			continue;
		gone = !(options[k].where & family(t->to)) ||
		       ((options[k].where & NOT_INNODB) && t->engine_changed);
		return gone ? drop_option(t, i, option_end(t, i)) : option_end(t, i);
	}
	return 0;
}

static bool is_directory(const struct tr *t, size_t i)
{
	return (tr_is(t, i, "DATA") || tr_is(t, i, "INDEX")) && tr_is(t, i + 1, "DIRECTORY");
}

/* The options that are more than NAME = value. Returns the token behind, 0: none of them. */
static size_t special_option(struct tr *t, size_t i)
{
	if (is_directory(t, i))
		return drop_option(t, i, option_end(t, i + 1));
	if (tr_is(t, i, "ENGINE"))
		return engine(t, i, t->t[i].depth > 0);
	if (tr_is(t, i, "WITH") && tr_is(t, i + 1, "SYSTEM") && tr_is(t, i + 2, "VERSIONING")) {
		if (!knows(t->to, FEATURE_system_versioning))
			return drop_option(t, i, i + 3);
		return i + 3;
	}
	/* Its rows come as events of their own (T17). */
	if (tr_is(t, i, "START") && tr_is(t, i + 1, "TRANSACTION")) {
		tr_drop(t, i, i + 2);
		return i + 2;
	}
	if (t->t[i].type == SQL_IDENT && tr_is_char(t, i + 1, '=')) {
		if (!knows(t->to, FEATURE_quoted_option) || t->engine_changed)
			return drop_option(t, i, option_end(t, i));
		return option_end(t, i);
	}
	if (tr_is(t, i, "STORAGE") && (tr_is(t, i + 1, "DISK") || tr_is(t, i + 1, "MEMORY"))) {
		if (!knows(t->to, FEATURE_column_format))
			return drop_option(t, i, i + 2);
		return i + 2;
	}
	return 0;
}

static size_t database_option(struct tr *t, size_t i)
{
	bool named = tr_is(t, i, "DEFAULT"); /* DEFAULT ENCRYPTION */

	if (tr_is(t, i, "COMMENT") && !knows(t->to, FEATURE_database_comment))
		return drop_option(t, i, option_end(t, i));
	if (tr_is(t, i + named, "ENCRYPTION") && !knows(t->to, FEATURE_database_encryption)) {
		size_t end = option_end(t, i + named);

		tr_drop(t, i, end); /* 'N' in every SHOW CREATE DATABASE: not worth a line */
		return end;
	}
	if (tr_is(t, i, "READ") && tr_is(t, i + 1, "ONLY") && t->to->flavor != FLAVOR_MYSQL)
		return drop_option(t, i, option_end(t, i + 1));
	return 0;
}

/* Partitions by time of change need the history, which is not copied. i is at PARTITION. */
static int partition(struct tr *t, size_t i, size_t b)
{
	if (tr_is(t, i + 1, "BY") && tr_is(t, i + 2, "SYSTEM_TIME") &&
		!knows(t->to, FEATURE_system_versioning)) {
		tr_note(t, "dropped PARTITION BY SYSTEM_TIME");
		tr_drop(t, i, b);
		return 0;
	}
	while (i < b) {
		size_t next = 0;

		if (t->t[i].depth > 0 &&
			(is_directory(t, i) || tr_is(t, i, "ENGINE") || tr_is(t, i, "TABLESPACE")))
			next = tr_is(t, i, "TABLESPACE") ? known_option(t, i) : special_option(t, i);
		i = next ? next : i + 1;
	}
	return 0;
}

size_t tr_charset_value(const struct tr *t, size_t i)
{
	size_t at = 0;

	if (tr_is(t, i, "CHARSET"))
		at = i + 1;
	else if ((tr_is(t, i, "CHARACTER") || tr_is(t, i, "CHAR")) && tr_is(t, i + 1, "SET"))
		at = i + 2;
	else if (tr_is(t, i, "COLLATE"))
		at = i + 1;
	if (!at)
		return 0;
	at += tr_is_char(t, at, '=');
	return at < t->n ? at : 0;
}

int tr_options(struct tr *t, size_t a, size_t b)
{
	size_t charset = SIZE_MAX, collate = SIZE_MAX;
	const char *equals = "=";
	bool database = t->ddl->verb == SQL_VERB_CREATE_DATABASE || t->ddl->verb == SQL_VERB_ALTER_DATABASE;

	t->engine_changed = t->engine_changed || changes_engine(t, a, b);
	while (a < b) {
		size_t next, value = tr_charset_value(t, a);

		if (value)
			equals = tr_is_char(t, value - 1, '=') ? "=" : " ";
		if (value && !tr_is(t, value, "DEFAULT")) {
			*(tr_is(t, a, "COLLATE") ? &collate : &charset) = value;
			a = value + 1;
			continue;
		}
		if (tr_is(t, a, "PARTITION")) {
			return tr_charset(t, charset, collate, equals) < 0 ? -1 : partition(t, a, b);
		}
		next = database ? database_option(t, a) : special_option(t, a);
		if (!next && !database)
			next = known_option(t, a);
		if (!next && tr_is_char(t, a, '('))
			next = tr_close(t, a) + 1;
		a = next ? next : a + 1;
	}
	return tr_charset(t, charset, collate, equals);
}
