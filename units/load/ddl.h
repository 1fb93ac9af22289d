#pragma once
#include "units/load/load.h"

/* Statements about the downstream's objects, on a DB_DDL connection. */
enum { DDL_SCHEMA_EXISTS = 1007, DDL_SCHEMA_UNKNOWN = 1049 };
enum ddl_object { DDL_OBJECT_NONE, DDL_OBJECT_TABLE, DDL_OBJECT_VIEW };

void ddl_put_text(struct buf *sql, const char *text);
int ddl_object_type(struct db *c, const char *schema, const char *name, enum ddl_object *what, struct err *e);
/* Is a table or view of one of these names there? All of one schema. As the server compares names, or wider.
 */
int ddl_any_there(struct db *c, const struct plan_item *t, unsigned n, bool *any, struct err *e);
int ddl_schema_exists(struct db *c, const char *schema, bool *there, struct err *e);
/* "<words>`schema`.`name`"; a schema that is not there is no error. */
int ddl_about(struct db *c, const char *words, const char *schema, const char *name, struct err *e);
int ddl_use(struct db *c, const char *schema, struct err *e);
/* Could it be made? Nothing is sent. */
int ddl_can_translate(struct load *l, const struct plan_item *i, struct err *e);
/* Executes the item's CREATE, moved to the downstream's family; what was changed is logged. */
int ddl_translated(struct load *l, struct db *c, const struct plan_item *i, struct err *e);
/* The same without the keys that can be made behind the rows (latekeys.h): those are put into keys. */
int ddl_make_without_keys(struct load *l, struct db *c, const struct plan_item *t, const json_t *refs,
	json_t *keys, struct err *e);
