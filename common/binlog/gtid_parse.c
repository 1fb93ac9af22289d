/*
 * GTID sets from text (a server's answer, a task file, dm_meta) and from the event at a binlog file's head.
 * Both are foreign bytes: nothing is taken on trust.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "common/binlog/gtid.h"
#include "common/binlog/gtid_uuid.h"
#include "common/binlog/wire.h"

struct text {
	const char *p, *end;
};

static void skip_space(struct text *t)
{
	while (t->p < t->end && isspace((unsigned char)*t->p))
		t->p++;
}

static bool take_char(struct text *t, char c)
{
	skip_space(t);
	if (t->p == t->end || *t->p != c)
		return false;
	t->p++;
	return true;
}

static bool take_number(struct text *t, uint64_t max, uint64_t *v)
{
	skip_space(t);
	if (t->p == t->end || !isdigit((unsigned char)*t->p))
		return false;
	for (*v = 0; t->p < t->end && isdigit((unsigned char)*t->p); t->p++) {
		uint64_t digit = (uint64_t)(*t->p - '0');

		if (*v > (max - digit) / 10)
			return false;
		*v = *v * 10 + digit;
	}
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_uuid(struct text *t, uint8_t uuid[16])
{
	skip_space(t);
	for (unsigned i = 0; i < 16; i++) {
		int hi, lo;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && t->p < t->end && *t->p == '-')
			t->p++;
		if (t->end - t->p < 2)
			return false;
		hi = hex_digit(t->p[0]);
		lo = hex_digit(t->p[1]);
		if (hi < 0 || lo < 0)
			return false;
		uuid[i] = (uint8_t)(hi << 4 | lo);
		t->p += 2;
	}
	return true;
}

static bool take_tag(struct text *t, char tag[33])
{
	unsigned n = 0;

	skip_space(t);
	if (t->p == t->end || !(isalpha((unsigned char)*t->p) || *t->p == '_'))
		return false;
	for (; t->p < t->end && (isalnum((unsigned char)*t->p) || *t->p == '_'); t->p++) {
		if (n == 32)
			return false;
		tag[n++] = (char)tolower((unsigned char)*t->p);
	}
	tag[n] = '\0';
	return true;
}

static bool take_interval(struct text *t, struct gtid_interval *v)
{
	if (!take_number(t, GTID_GNO_END - 1, &v->from) || v->from == 0)
		return false;
	v->to = v->from;
	if (take_char(t, '-') && !take_number(t, GTID_GNO_END - 1, &v->to))
		return false;
	v->to++;
	return v->from < v->to;
}

/* uuid:1-5:7:tag:1-3 */
static bool take_origin(struct text *t, struct gtid_set *s)
{
	uint8_t uuid[16];
	char tag[33] = "";

	if (!take_uuid(t, uuid))
		return false;
	skip_space(t);
	if (t->p == t->end || *t->p != ':')
		return false;
	while (take_char(t, ':')) {
		struct gtid_interval v;

		if (take_tag(t, tag))
			continue;
		if (!take_interval(t, &v))
			return false;
		gtid_set_put_interval(s, uuid, tag, v);
	}
	return true;
}

static bool take_domain(struct text *t, struct gtid_set *s)
{
	uint64_t domain, server_id, seq;

	if (!take_number(t, UINT32_MAX, &domain) || !take_char(t, '-') ||
		!take_number(t, UINT32_MAX, &server_id) || !take_char(t, '-') ||
		!take_number(t, UINT64_MAX, &seq))
		return false;
	gtid_set_put_domain(s, (struct gtid_domain){(uint32_t)domain, (uint32_t)server_id, seq}, true);
	return true;
}

struct gtid_set *gtid_set_parse(enum flavor f, struct str text, struct err *e)
{
	struct gtid_set *s = gtid_set_new(f);
	const char *from = text.n ? text.p : "";
	struct text t = {from, from + text.n};

	skip_space(&t);
	while (t.p < t.end) {
		bool ok = f == FLAVOR_MARIADB ? take_domain(&t, s) : take_origin(&t, s);

		skip_space(&t);
		/* A comma after the last is what servers allow too. */
		if (!ok || (t.p < t.end && *t.p != ',')) {
			err_set(e, ERR_gtid_parse, "'%.*s' is no GTID set of %s (at byte %zu)",
				(int)(text.n > 200 ? 200 : text.n), text.p, flavor_name(f),
				(size_t)(t.p - from));
			gtid_set_free(&s);
			return NULL;
		}
		if (t.p < t.end)
			t.p++;
		skip_space(&t);
	}
	return s;
}

/* How many origins, and whether tags are between: format 1 has it in both outer bytes. */
static uint64_t read_count(struct cur *c, bool *tagged)
{
	uint64_t v = cur_u64(c);

	*tagged = v >> 56 == 1;
	if (*tagged)
		return v >> 8 & 0xffffffffffff;
	if (v >> 56)
		c->bad = true;
	return v;
}

static void read_previous(struct cur *c, struct gtid_set *s)
{
	bool tagged;
	uint64_t n = read_count(c, &tagged);

	for (uint64_t i = 0; i < n && !c->bad; i++) {
		const uint8_t *uuid = cur_bytes(c, 16);
		char tag[33] = "";
		uint64_t intervals;

		if (tagged)
			gtid_read_tag(c, tag);
		intervals = cur_u64(c);
		for (uint64_t k = 0; k < intervals && !c->bad; k++) {
			struct gtid_interval v;

			v.from = cur_u64(c);
			v.to = cur_u64(c);
			if (v.from == 0 || v.from >= v.to || v.to > GTID_GNO_END)
				c->bad = true;
			if (!c->bad)
				gtid_set_put_interval(s, uuid, tag, v);
		}
	}
}

static void read_list(struct cur *c, struct gtid_set *s)
{
	uint32_t n = cur_u32(c) & 0x0fffffff;

	for (uint32_t i = 0; i < n && !c->bad; i++) {
		struct gtid_domain d;

		d.domain = cur_u32(c);
		d.server_id = cur_u32(c);
		d.seq = cur_u64(c);
		/* Several servers of one domain: the last in the list is the newest. */
		if (!c->bad)
			gtid_set_put_domain(s, d, false);
	}
}

struct gtid_set *gtid_set_read_event(struct str event, const struct binlog_format *f, struct err *e)
{
	struct gtid_set *s;
	struct binlog_header h;
	struct cur c;

	if (wire_open(event, f, &h, &c, e) < 0)
		return NULL;
	if (h.type != BINLOG_PREVIOUS_GTIDS && h.type != BINLOG_MARIA_GTID_LIST) {
		err_set(e, ERR_sync_binlog, "a %s event where a GTID list belongs", binlog_type_name(h.type));
		return NULL;
	}
	s = gtid_set_new(h.type == BINLOG_MARIA_GTID_LIST ? FLAVOR_MARIADB : FLAVOR_MYSQL);
	if (h.type == BINLOG_MARIA_GTID_LIST)
		read_list(&c, s);
	else
		read_previous(&c, s);
	if (wire_done(&c, &h, e) < 0)
		gtid_set_free(&s);
	return s;
}
