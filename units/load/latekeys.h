#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "common/base/buf.h"
#include "common/sql/structure.h"

/*
 * Which keys of a new table can be made behind its rows: plain secondary ones, of InnoDB, that neither guard
 * the rows nor are needed by a foreign key or by AUTO_INCREMENT. Pure. What is not understood stays where it
 * is.
 */

/* The columns that foreign keys of this CREATE TABLE point at: into refs,
 * {"schema":{"table":{"column":true}}}, in small letters. schema: of a name that says none. False: it has
 * none. */
bool latekeys_references(struct str create, const struct server *s, const char *schema, json_t *refs);
/*
 * create, as the downstream gets it, without those keys: into out; the keys: into keys, {"name":"KEY `name`
 * (`a`)"}. refs: of all tables. False: there are none, and nothing is written.
 */
bool latekeys_cut(struct str create, const struct server *to, const struct structure *s, const json_t *refs,
	struct buf *out, json_t *keys);
