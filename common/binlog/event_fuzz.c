/* Any bytes as events behind a real FORMAT and TABLE_MAP: first byte 0 MySQL, 1 MariaDB; then u16 length and
 * bytes of each event. */
#include <stdlib.h>

#include "common/base/xalloc.h"
#include "common/binlog/sample_decode.h"
#include "common/binlog/samples_test.h"

static void one(struct sample_state *s, const uint8_t *p, size_t n)
{
	char *copy = xmalloc(n + 1);
	struct err e = {0};

	memcpy(copy, p, n);
	if (n >= BINLOG_HEADER_SIZE)
		for (unsigned i = 0; i < 4; i++)
			copy[9 + i] = (char)(n >> (8 * i));
	sample_decode(s, (struct str){copy, n}, &e);
	/* A TABLE_MAP keeps pointing at its bytes. */
	s->table.ncolumns = s->table.schema.p == copy || n < BINLOG_HEADER_SIZE || p[4] == BINLOG_TABLE_MAP
				    ? 0
				    : s->table.ncolumns;
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct sample_state s = {0};
	struct err e = {0};
	size_t nformat, nmap;
	bool mariadb = n > 0 && p[0] & 1;
	char *format = sample_bytes(mariadb ? maria_format : mysql_format, &nformat);
	char *map = sample_bytes(mariadb ? maria_table_map : mysql_table_map, &nmap);
	struct structure *structure = sample_structure(mariadb);

	s.arena = arena_new(4096);
	s.structure = structure;
	binlog_read_format((struct str){format, nformat}, &s.format, &e);
	sample_decode(&s, (struct str){map, nmap}, &e);
	if (n > 1)
		one(&s, p + 1, n - 1);
	buf_free(&s.text);
	arena_free(&s.arena);
	structure_free(&structure);
	free(format);
	free(map);
	return 0;
}
