#pragma once
#include "common/db/db.h"
#include "common/sql/structure.h"

/* Reads a table's structure from information_schema. *found false (and NULL) where there is no such table. */
struct structure *db_structure(
	struct db *d, const char *schema, const char *table, bool *found, struct err *e);
/*
 * The same of n tables of one schema, by the names that information_schema has for them: from MySQL 8 in
 * two questions, each of which takes it longer than the answer; MariaDB and older ones would open all tables
 * of the schema for one of several. out[i] NULL: there is no such table.
 */
int db_structures(struct db *d, const char *schema, char *const *tables, unsigned n, struct structure **out,
	struct err *e);
enum { DB_ENGINE = 65, DB_TABLE_TYPE = 65, DB_CHARSET = 65 };
/* TABLE_TYPE as information_schema has it ("BASE TABLE", "VIEW", MariaDB's "SEQUENCE", …); "" where there is
 * no such table. */
int db_table_type(
	struct db *d, const char *schema, const char *table, char type[DB_TABLE_TYPE], struct err *e);
/*
 * A table's engine where it has no transactions, so that what is rolled back would stay; "" where it has, or
 * where there is no such table. BLACKHOLE keeps nothing, and counts as one that has.
 */
int db_engine_without_transactions(
	struct db *d, const char *schema, const char *table, char engine[DB_ENGINE], struct err *e);
/* Are a table's rows of this engine those of another server, or of files? */
bool db_engine_is_elsewhere(struct str engine);
/* A table's default charset; "" where there is no such table. */
int db_table_charset(
	struct db *d, const char *schema, const char *table, char charset[DB_CHARSET], struct err *e);
