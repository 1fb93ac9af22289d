#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/binlog/event.h"
#include "server.h"

/*
 * GTID sets. MySQL: uuid[:tag] -> intervals ("3E11FA47-…:1-5:7, …:tag:1-3"). MariaDB: for each domain the
 * last server id and sequence number
 * ("0-1-100,1-2-5").
 */
struct gtid_set;

struct gtid_set *gtid_set_new(enum flavor f);
void gtid_set_free(struct gtid_set **s);
struct gtid_set *gtid_set_parse(enum flavor f, struct str text,
	struct err *e); /* NULL with e; "" is the empty set; white space and newlines allowed */
struct gtid_set *gtid_set_copy(const struct gtid_set *s);
enum flavor gtid_set_flavor(const struct gtid_set *s);
void gtid_set_text(
	const struct gtid_set *s, struct buf *out); /* canonical: sorted, merged, lower-case uuids */
bool gtid_set_empty(const struct gtid_set *s);
bool gtid_set_contains(
	const struct gtid_set *big, const struct gtid_set *small); /* MariaDB: per domain, seq >= */
bool gtid_set_has(const struct gtid_set *s, const struct binlog_gtid_event *g);
/* MariaDB: the last transaction of a domain; false: none. */
bool gtid_set_last(const struct gtid_set *s, uint32_t domain, uint32_t *server_id, uint64_t *seq);
int gtid_set_add(struct gtid_set *s, const struct binlog_gtid_event *g, struct err *e);
/*
 * Adds a set of the same flavor. MariaDB: a domain that both have becomes more's, with keep_greater only
 * where its number is greater.
 */
void gtid_set_merge(struct gtid_set *s, const struct gtid_set *more, bool keep_greater);
/* a minus b, as text for people ("what the upstream lost", T20). */
void gtid_set_subtract_text(const struct gtid_set *a, const struct gtid_set *b, struct buf *out);
/* The set at a file's head: MySQL PREVIOUS_GTIDS, MariaDB GTID_LIST. */
struct gtid_set *gtid_set_read_event(struct str event, const struct binlog_format *f, struct err *e);
/* "0-1-100" or "uuid:7" of one transaction; out of 128 bytes always does. */
void gtid_event_text(const struct binlog_gtid_event *g, char *out, size_t size);
