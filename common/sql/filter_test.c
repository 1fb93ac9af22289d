/* Every event's name, how the lists of rules mean them, and how several rules decide. */
#include "common/sql/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct filter *make(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);
	struct filter *f = NULL;
	struct err e = {0};

	assert_non_null(o);
	if (filter_new(&f, o, false, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	json_decref(o);
	return f;
}

static const char *refusal(const char *text, bool case_sensitive)
{
	static struct err e;
	json_t *o = json_loads(text, 0, NULL);
	struct filter *f = NULL;

	memset(&e, 0, sizeof(e));
	assert_non_null(o);
	assert_int_equal(filter_new(&f, o, case_sensitive, &e), -1);
	assert_null(f);
	assert_int_equal(e.code, ERR_config_bad);
	json_decref(o);
	return e.text;
}

static enum filter_action says(const struct filter *f, const char *schema, const char *table,
	enum event_id id, const char *statement)
{
	struct event ev = {id, id, false};
	struct filter_ask ask = {
		str_of(schema), str_of(table), id == EVENT_COUNT ? NULL : &ev, str_of(statement)};
	struct filter_verdict v;
	struct err e = {0};

	assert_int_equal(filter_event(f, &ask, &v, &e), 0);
	assert_int_equal(v.rule > 0, v.action != FILTER_DO);
	return v.action;
}

/* What each name of the table means, said a second time by hand: its class decides which groups have it. */
static const struct {
	const char *name;
	char class; /* m: DML, d: DDL, i: incompatible, g: a group, n: never */
} known[] = {
	{"all", 'g'},
	{"all dml", 'g'},
	{"all ddl", 'g'},
	{"none", 'g'},
	{"none dml", 'g'},
	{"none ddl", 'g'},
	{"incompatible ddl changes", 'g'},
	{"incompatible ddl", 'g'},
	{"insert", 'm'},
	{"update", 'm'},
	{"delete", 'm'},
	{"create database", 'd'},
	{"create schema", 'd'},
	{"alter database", 'd'},
	{"alter schema", 'd'},
	{"create table", 'd'},
	{"create index", 'd'},
	{"create view", 'n'},
	{"drop view", 'n'},
	{"alter table", 'd'},
	{"add table partition", 'd'},
	{"drop database", 'i'},
	{"drop schema", 'i'},
	{"drop table", 'i'},
	{"drop index", 'i'},
	{"rename table", 'i'},
	{"truncate table", 'i'},
	{"drop table partition", 'i'},
	{"truncate table partition", 'i'},
	{"value range decrease", 'i'},
	{"precision decrease", 'i'},
	{"modify column", 'i'},
	{"rename column", 'i'},
	{"rename index", 'i'},
	{"drop column", 'i'},
	{"drop primary key", 'i'},
	{"drop unique key", 'i'},
	{"modify default value", 'i'},
	{"modify constraint", 'i'},
	{"modify columns order", 'i'},
	{"modify charset", 'i'},
	{"modify collation", 'i'},
	{"remove auto increment", 'i'},
	{"modify storage engine", 'i'},
	{"reorganize table partition", 'i'},
	{"rebuild table partition", 'i'},
	{"coalesce table partition", 'i'},
	{"split table partition", 'n'},
	{"exchange table partition", 'i'},
	{"add foreign key", 'i'},
	{"drop foreign key", 'i'},
	{"modify schema charset and collate", 'i'},
	{"modify table charset and collate", 'i'},
	{"modify table comment", 'i'},
	{"recover table", 'n'},
	{"alter table partitioning", 'i'},
	{"remove table partitioning", 'i'},
	{"add column", 'i'},
	{"set default value", 'i'},
	{"rebase auto id", 'i'},
	{"add primary key", 'i'},
	{"alter index visibility", 'i'},
	{"alter ttl info", 'n'},
	{"alter ttl remove", 'n'},
	{"multi schema change", 'i'},
};

static bool in(const char *names, enum event_id id)
{
	char text[400];
	struct filter *f;
	bool r;

	snprintf(text, sizeof(text), "[{\"events\":[%s],\"action\":\"Ignore\"}]", names);
	f = make(text);
	r = says(f, "s", "t", id, "") == FILTER_IGNORE;
	filter_free(&f);
	return r;
}

static void each_name(void **state)
{
	(void)state;
	assert_int_equal(sizeof(known) / sizeof(known[0]), EVENT_COUNT);
	for (int i = 0; i < EVENT_COUNT; i++) {
		enum event_id id = event_of(str_of(known[i].name));
		char quoted[80], c = known[i].class;

		assert_int_equal(id, i);
		assert_string_equal(event_name(id), known[i].name);
		if (c == 'g' || c == 'n')
			continue;
		snprintf(quoted, sizeof(quoted), "\"%s\"", known[i].name);
		if (id != EVENT_create_schema && id != EVENT_alter_schema && id != EVENT_drop_schema &&
			id != EVENT_multi_schema_change)
			assert_true(in(quoted, id));
		assert_true(in("\"ALL\"", id));
		assert_false(in("\"none\"", id));
		assert_int_equal(in("\"All DML\"", id), c == 'm');
		assert_int_equal(in("\"all ddl\"", id), c != 'm');
		assert_int_equal(in("\"incompatible ddl changes\"", id), c == 'i');
		assert_int_equal(in("\"incompatible DDL\"", id), c == 'i');
		assert_int_equal(in("\"none dml\",\"all\"", id), c != 'm');
		assert_int_equal(in("\"none ddl\",\"all\"", id), c == 'm');
		for (int k = 0; k < EVENT_COUNT; k++) /* and no other one is meant by it */
			if (k != i && known[k].class != 'g' && known[k].class != 'n' &&
				!strstr(known[i].name, "schema") && !strstr(known[k].name, "schema"))
				assert_false(in(quoted, (enum event_id)k));
	}
	assert_true(in("\"drop schema\"", EVENT_drop_database));
	assert_true(in("\"create schema\"", EVENT_create_database));
	assert_true(in("\"alter schema\"", EVENT_alter_database));
}

static void wide_names(void **state)
{
	struct event ev = {EVENT_add_foreign_key, EVENT_modify_constraint, true};
	enum event_id own = EVENT_add_foreign_key, wide = EVENT_modify_constraint,
		      multi = EVENT_multi_schema_change, incompatible = EVENT_incompatible;

	(void)state;
	assert_true(event_in(&ev, &own, 1) && event_in(&ev, &wide, 1) && event_in(&ev, &multi, 1) &&
		    event_in(&ev, &incompatible, 1));
	ev = (struct event){EVENT_add_column, EVENT_alter_table, false};
	assert_false(event_in(&ev, &incompatible, 1) || event_in(&ev, &multi, 1));
}

static void several_rules(void **state)
{
	struct filter *f =
		make("[{\"schema-pattern\":\"a*\",\"table-pattern\":\"t\",\"events\":[\"delete\"],\"action\":"
		     "\"Ignore\"},"
		     "{\"schema-pattern\":\"a\",\"events\":[\"all dml\"],\"action\":\"Error\"},"
		     "{\"schema-pattern\":\"do\",\"events\":[\"insert\",\"create table\"],\"action\":\"Do\"},"
		     "{\"schema-pattern\":\"DO\",\"table-pattern\":\"~^x\",\"events\":[\"insert\"],"
		     "\"action\":\"Ignore\"}]");

	(void)state;
	assert_int_equal(says(f, "a", "t", EVENT_delete, ""), FILTER_IGNORE); /* the first decides */
	assert_int_equal(says(f, "a", "t", EVENT_insert, ""), FILTER_ERROR);
	assert_int_equal(says(f, "ab", "t", EVENT_insert, ""), FILTER_DO); /* a rule that is not for it */
	assert_int_equal(says(f, "A", "T", EVENT_delete, ""), FILTER_IGNORE);
	assert_int_equal(says(f, "z", "t", EVENT_delete, ""), FILTER_DO);
	assert_int_equal(says(f, "do", "y", EVENT_insert, ""), FILTER_DO);
	assert_int_equal(says(f, "do", "y", EVENT_update, ""), FILTER_IGNORE); /* what Do does not name */
	assert_int_equal(says(f, "do", "y", EVENT_drop_table, "DROP TABLE y"), FILTER_IGNORE);
	assert_int_equal(says(f, "do", "x1", EVENT_insert, ""), FILTER_IGNORE); /* Do goes on */
	assert_int_equal(says(f, "do", "", EVENT_drop_database, "DROP DATABASE do"), FILTER_IGNORE);
	assert_int_equal(says(f, "ab", "", EVENT_drop_database, "DROP DATABASE ab"), FILTER_DO);
	assert_true(filter_concerns(f, str_of("ab"), str_of("t")));
	assert_false(filter_concerns(f, str_of("ab"), str_of("u")));
	assert_false(filter_concerns(NULL, str_of("ab"), str_of("u")));
	filter_free(&f);
}

/* They name no table: as in DM, patterns that match the empty name are for them. */
static void of_databases(void **state)
{
	static const struct {
		const char *pattern;
		bool meant;
	} rows[] = {{"", true}, {"*", true}, {"~.*", true}, {"~^(t|)$", true}, {"t*", false}, {"?", false},
		{"?*", false}, {"[a-z]*", false}, {"~^t", false}, {"~.", false}};
	char text[200];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static const char *const actions[] = {"Ignore", "Error"};
		struct filter *f;

		for (unsigned k = 0; k < 2; k++) {
			snprintf(text, sizeof(text),
				"[{\"schema-pattern\":\"s*\",\"table-pattern\":\"%s\",\"events\":[\"all "
				"ddl\"],"
				"\"action\":\"%s\"}]",
				rows[i].pattern, actions[k]);
			f = make(text);
			if ((says(f, "s", "", EVENT_drop_database, "DROP DATABASE s") != FILTER_DO) !=
				rows[i].meant)
				fail_msg("%s", text);
			assert_int_equal(says(f, "z", "", EVENT_drop_database, "DROP DATABASE z"), FILTER_DO);
			filter_free(&f);
		}
		/* what Do does not name, it leaves out */
		snprintf(text, sizeof(text),
			"[{\"table-pattern\":\"%s\",\"events\":[\"all dml\"],\"action\":\"Do\"}]",
			rows[i].pattern);
		f = make(text);
		assert_int_equal(
			says(f, "s", "", EVENT_create_database, "CREATE DATABASE s") == FILTER_IGNORE,
			rows[i].meant);
		filter_free(&f);
	}
}

static void by_statement(void **state)
{
	struct filter *f = make("[{\"schema-pattern\":\"*\",\"sql-pattern\":[\"^drop\\\\s+procedure\","
				"\"FULLTEXT\"],\"action\":\"Ignore\"},"
				"{\"schema-pattern\":\"e\",\"sql-pattern\":[\"nolog\"],\"action\":\"Error\"},"
				"{\"schema-pattern\":\"d\",\"events\":[\"all\"],\"sql-pattern\":[\"ADD "
				"COLUMN\"],\"action\":\"Do\"}]");

	(void)state;
	assert_int_equal(
		says(f, "s", "t", EVENT_alter_table, "alter table t add fulltext(a)"), FILTER_IGNORE);
	assert_int_equal(says(f, "s", "t", EVENT_alter_table, "alter table t add key(a)"), FILTER_DO);
	assert_int_equal(
		says(f, "e", "t", EVENT_alter_table, "alter /* NOLOG */ table t add key(a)"), FILTER_ERROR);
	assert_int_equal(says(f, "d", "t", EVENT_alter_table, "alter table t add column a int"), FILTER_DO);
	assert_int_equal(says(f, "d", "t", EVENT_alter_table, "alter table t drop column a"), FILTER_IGNORE);
	assert_int_equal(says(f, "d", "t", EVENT_insert, ""), FILTER_DO); /* rows have no text */
	assert_int_equal(
		says(f, "", "", EVENT_COUNT, "DROP  PROCEDURE whatever"), FILTER_IGNORE); /* unread */
	assert_int_equal(says(f, "", "", EVENT_COUNT, "something nolog"), FILTER_DO);
	filter_free(&f);
}

static void a_matcher_gives_up(void **state)
{
	struct filter *f = make("[{\"sql-pattern\":[\"(a+)+$\"],\"action\":\"Ignore\"}]");
	struct event ev = {EVENT_alter_table, EVENT_alter_table, false};
	struct filter_ask ask = {str_of("s"), str_of("t"), &ev,
		str_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")};
	struct filter_verdict v;
	struct err e = {0};

	(void)state;
	assert_int_equal(filter_event(f, &ask, &v, &e), -1);
	assert_int_equal(e.code, ERR_sync_filter);
	filter_free(&f);
}

static void refused(void **state)
{
	struct filter *f = NULL;

	(void)state;
	assert_non_null(
		strstr(refusal("[{\"action\":\"Do\"},{\"events\":[\"insertt\"],\"action\":\"Do\"}]", false),
			"rule 2 of filters"));
	assert_non_null(strstr(refusal("[{\"events\":[\"insert\"]}]", false), "Do, Ignore or Error"));
	assert_non_null(strstr(refusal("[{\"action\":\"ignore\"}]", true), "Do, Ignore or Error"));
	assert_non_null(
		strstr(refusal("[{\"sql-pattern\":[\"(\"],\"action\":\"Do\"}]", true), "sql-pattern"));
	assert_non_null(
		strstr(refusal("[{\"schema-pattern\":\"a*b\",\"action\":\"Do\"}]", true), "schema-pattern"));
	refusal("{}", true);
	assert_int_equal(filter_new(&f, NULL, true, NULL), 0);
	assert_null(f);
	assert_int_equal(says(NULL, "a", "b", EVENT_insert, ""), FILTER_DO);
}

static void doubts(void **state)
{
	static const struct {
		const char *rule;
		bool doubt;
	} rules[] = {{"{\"action\":\"Do\"}", true}, {"{\"action\":\"Ignore\"}", true},
		{"{\"action\":\"Ignore\",\"sql-pattern\":[\"a\"]}", false},
		{"{\"action\":\"Do\",\"sql-pattern\":[\"a\"]}", true},
		{"{\"action\":\"Do\",\"events\":[\"all\"]}", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		json_t *o = json_loads(rules[i].rule, 0, NULL);

		assert_int_equal(filter_doubt(o) != NULL, rules[i].doubt);
		json_decref(o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_name),
		cmocka_unit_test(wide_names),
		cmocka_unit_test(several_rules),
		cmocka_unit_test(of_databases),
		cmocka_unit_test(by_statement),
		cmocka_unit_test(a_matcher_gives_up),
		cmocka_unit_test(refused),
		cmocka_unit_test(doubts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
