#pragma once
#include <stdint.h>

#include "common/base/buf.h"

/* What gtid.c, gtid_parse.c and gtid_event.c share. Nobody outside includes it. */

/* Numbers of MySQL transactions are below this. */
#define GTID_GNO_END (UINT64_C(1) << 63)

struct gtid_interval {
	uint64_t from, to; /* to is not in it */
};

/* MySQL: all transactions of one uuid and tag; intervals sorted, none touching. */
struct gtid_origin {
	uint8_t uuid[16];
	char tag[33];
	struct gtid_interval *at;
	size_t n, cap;
};

/* MariaDB: the last transaction of a domain. */
struct gtid_domain {
	uint32_t domain, server_id;
	uint64_t seq;
};

void gtid_uuid_text(const uint8_t uuid[16], char out[37]);
/* MySQL's serialization library: an integer of 1 to 9 bytes; a tag. */
uint64_t gtid_varlen(struct cur *c);
void gtid_read_tag(struct cur *c, char tag[33]);

struct gtid_set;
void gtid_set_put_interval(
	struct gtid_set *s, const uint8_t uuid[16], const char *tag, struct gtid_interval v);
/* keep_greater: an entry of that domain with a greater sequence number stays. */
void gtid_set_put_domain(struct gtid_set *s, struct gtid_domain d, bool keep_greater);
