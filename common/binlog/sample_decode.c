/*
 * Test support: decodes any event as far as it goes, rows to their literals. Called by binlog's tests and
 * fuzzers and by the sync's tests; no process links it.
 */
#include "common/binlog/sample_decode.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/binlog/gtid.h"
#include "common/binlog/payload.h"

struct sample_column {
	const char *name, *type;
	enum column_kind kind;
	unsigned length;
	const char *charset;
};

static const struct sample_column shared[] = {
	{"id", "int(10) unsigned", COLUMN_INT, 0, ""},
	{"a", "tinyint(4)", COLUMN_INT, 0, ""},
	{"b", "mediumint(9)", COLUMN_INT, 0, ""},
	{"c", "decimal(10,3)", COLUMN_DECIMAL, 0, ""},
	{"d", "datetime(3)", COLUMN_DATETIME, 0, ""},
	{"e", "time(2)", COLUMN_TIME, 0, ""},
	{"f", "varchar(10)", COLUMN_TEXT, 0, "utf8mb4"},
};
static const struct sample_column mysql_rest[] = {
	{"g", "json", COLUMN_JSON, 0, ""},
	{"h", "bit(9)", COLUMN_BIT, 9, ""},
	{"i", "enum('x','y')", COLUMN_ENUM, 0, "utf8mb4"},
	{"j", "set('p','q')", COLUMN_SET, 0, "utf8mb4"},
	{"k", "float", COLUMN_FLOAT, 0, ""},
	{"l", "double", COLUMN_DOUBLE, 0, ""},
	{"m", "timestamp(6)", COLUMN_TIMESTAMP, 0, ""},
	{"n", "vector(2)", COLUMN_VECTOR, 2, ""},
	{"o", "year", COLUMN_INT, 0, ""},
	{"p", "binary(4)", COLUMN_BINARY, 4, ""},
	{"q", "char(3)", COLUMN_TEXT, 0, "latin1"},
	{"r", "blob", COLUMN_BINARY, 0, ""},
};
static const struct sample_column maria_rest[] = {
	{"g", "longtext", COLUMN_TEXT, 0, "utf8mb4"},
	{"h", "bit(9)", COLUMN_BIT, 9, ""},
	{"i", "enum('x','y')", COLUMN_ENUM, 0, "utf8mb4"},
	{"j", "set('p','q')", COLUMN_SET, 0, "utf8mb4"},
	{"k", "float", COLUMN_FLOAT, 0, ""},
	{"l", "double", COLUMN_DOUBLE, 0, ""},
	{"m", "timestamp(6)", COLUMN_TIMESTAMP, 0, ""},
	{"n", "uuid", COLUMN_UUID, 0, ""},
	{"o", "year(4)", COLUMN_INT, 0, ""},
	{"p", "binary(4)", COLUMN_BINARY, 4, ""},
	{"q", "inet6", COLUMN_INET6, 0, ""},
	{"r", "blob /*M!100301 COMPRESSED*/", COLUMN_BINARY, 0, ""},
	{"s", "inet4", COLUMN_INET4, 0, ""},
};

static void add(struct structure *s, const struct sample_column *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s->columns[s->ncolumns++] = (struct column){
			.name = xstrdup(c[i].name),
			.type = xstrdup(c[i].type),
			.kind = c[i].kind,
			.is_unsigned =
				strstr(c[i].type, "unsigned") != NULL || strncmp(c[i].type, "year", 4) == 0,
			.nullable = s->ncolumns > 0,
			.charset = xstrdup(c[i].charset),
			.collation = xstrdup(""),
			.length = c[i].length,
		};
}

struct structure *sample_structure(bool mariadb)
{
	struct structure *s = xcalloc(1, sizeof(*s));

	s->schema = xstrdup("s");
	s->table = xstrdup("t");
	s->columns = xcalloc(32, sizeof(*s->columns));
	add(s, shared, sizeof(shared) / sizeof(shared[0]));
	if (mariadb)
		add(s, maria_rest, sizeof(maria_rest) / sizeof(maria_rest[0]));
	else
		add(s, mysql_rest, sizeof(mysql_rest) / sizeof(mysql_rest[0]));
	s->keys = xcalloc(1, sizeof(*s->keys));
	s->nkeys = 1;
	s->keys[0] = (struct key){
		.name = xstrdup("PRIMARY"), .primary = true, .unique = true, .usable = true, .ncolumns = 1};
	s->keys[0].columns = xcalloc(1, sizeof(unsigned));
	return s;
}

static unsigned digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

char *sample_bytes(const char *hex, size_t *n)
{
	char *p;

	*n = strlen(hex) / 2;
	p = xmalloc(*n);
	for (size_t i = 0; i < *n; i++)
		p[i] = (char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
	return p;
}

static int put_row(struct sample_state *s, const struct binlog_value *v, char sign, struct err *e)
{
	bool first = true;

	buf_putf(&s->text, "%c(", sign);
	for (unsigned i = 0; i < s->table.ncolumns; i++) {
		if (!v[i].present)
			continue;
		if (!first)
			buf_putc(&s->text, ',');
		first = false;
		if (binlog_put_literal(&s->text, &v[i], &s->structure->columns[i], e) < 0)
			return -1;
	}
	buf_putc(&s->text, ')');
	return 0;
}

static int decode_rows(struct sample_state *s, struct str event, struct err *e)
{
	size_t n = s->table.ncolumns;
	struct binlog_value *before, *after;
	struct binlog_rows r;
	uint64_t id;
	int more;

	if (binlog_rows_table_id(event, &s->format, &id, e) < 0)
		return -1;
	if (n == 0 || binlog_table_check(&s->table, s->structure, e) < 0)
		return n ? -1 : err_set(e, ERR_sync_binlog, "no TABLE_MAP");
	binlog_table_adopt(&s->table, s->structure);
	before = arena_alloc(s->arena, n * sizeof(*before));
	after = arena_alloc(s->arena, n * sizeof(*after));
	if (binlog_rows_open(event, &s->format, &s->table, s->arena, &r, e) < 0)
		return -1;
	while ((more = binlog_rows_next(&r, &s->table, before, after, e)) > 0) {
		if (r.change != BINLOG_INSERT && put_row(s, before, '-', e) < 0)
			return -1;
		if (r.change != BINLOG_DELETE && put_row(s, after, '+', e) < 0)
			return -1;
	}
	return more;
}

static int decode_payload(struct sample_state *s, struct str event, struct err *e)
{
	struct binlog_payload *p = binlog_payload_open(event, &s->format, e);
	bool checksum = s->format.checksum;
	struct str inner;
	int more;

	if (!p)
		return -1;
	s->format.checksum = false;
	while ((more = binlog_payload_next(p, &inner, e)) > 0) {
		char *copy = arena_strdup(s->arena, inner);

		if (sample_decode(s, (struct str){copy, inner.n}, e) < 0) {
			more = -1;
			break;
		}
	}
	s->format.checksum = checksum;
	binlog_payload_close(&p);
	return more;
}

static int decode_set(struct sample_state *s, struct str event, struct err *e)
{
	struct gtid_set *set = gtid_set_read_event(event, &s->format, e);

	if (!set)
		return -1;
	gtid_set_text(set, &s->text);
	gtid_set_free(&set);
	return 0;
}

static int decode_gtid(struct sample_state *s, struct str event, struct err *e)
{
	struct binlog_gtid_event g;
	char text[128];

	if (binlog_read_gtid(event, &s->format, &g, e) < 0)
		return -1;
	gtid_event_text(&g, text, sizeof(text));
	buf_puts(&s->text, text);
	return 0;
}

static int decode_query(struct sample_state *s, struct str event, struct err *e)
{
	struct binlog_query q;

	if (binlog_read_query(event, &s->format, s->arena, &q, e) < 0)
		return -1;
	buf_putf(&s->text, "%.*s: ", STR_ARG(q.schema));
	buf_put(&s->text, q.sql.p, q.sql.n);
	return 0;
}

static int decode_small(struct sample_state *s, struct str event, uint8_t type, struct err *e)
{
	struct binlog_format format;
	struct binlog_rotate rotate;
	uint64_t xid;

	switch (type) {
	case BINLOG_FORMAT:
		return binlog_read_format(event, &format, e);
	case BINLOG_ROTATE:
		if (binlog_read_rotate(event, &s->format, &rotate, e) < 0)
			return -1;
		buf_put(&s->text, rotate.file.p, rotate.file.n);
		return 0;
	case BINLOG_XID:
		return binlog_read_xid(event, &s->format, &xid, e);
	default:
		return 0;
	}
}

int sample_decode(struct sample_state *s, struct str event, struct err *e)
{
	struct binlog_header h;

	if (binlog_read_header(event, &h, e) < 0)
		return -1;
	buf_clear(&s->text);
	if (binlog_is_rows(h.type))
		return decode_rows(s, event, e);
	switch (h.type) {
	case BINLOG_TABLE_MAP:
		return binlog_read_table_map(event, &s->format, s->arena, &s->table, e);
	case BINLOG_QUERY:
	case BINLOG_MARIA_QUERY_COMPRESSED:
		return decode_query(s, event, e);
	case BINLOG_GTID:
	case BINLOG_ANONYMOUS_GTID:
	case BINLOG_GTID_TAGGED:
	case BINLOG_MARIA_GTID:
		return decode_gtid(s, event, e);
	case BINLOG_PREVIOUS_GTIDS:
	case BINLOG_MARIA_GTID_LIST:
		return decode_set(s, event, e);
	case BINLOG_TRANSACTION_PAYLOAD:
		return decode_payload(s, event, e);
	default:
		return decode_small(s, event, h.type, e);
	}
}
