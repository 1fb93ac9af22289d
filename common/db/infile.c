/*
 * LOAD DATA LOCAL, from memory. Used by the load through db.h. Judges no count: who asked knows what it
 * should be.
 */
#include <stdlib.h>
#include <string.h>

#include "common/db/internal.h"

/* "Records: 3  Deleted: 0  Skipped: 0  Warnings: 0", in whatever language the server's messages are. */
bool db_read_load_info(const char *info, struct db_load *l)
{
	uint64_t *const fields[] = {&l->records, &l->deleted, &l->skipped, &l->warnings};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		char *end;

		info += strcspn(info, "0123456789");
		if (!*info)
			return false;
		*fields[i] = strtoull(info, &end, 10);
		info = end;
	}
	return true;
}

int db_load(struct db *d, struct str sql, struct db_load *l, struct err *e)
{
	struct client_infile from = {l->read, l->arg};

	if (client_load(d->c, sql, &from) < 0)
		return db_fail(d, sql, ERR_db_execute, e);
	if (!db_read_load_info(client_info(d->c), l))
		return err_set(e, ERR_db_execute,
			"%s: LOAD DATA was answered by \"%.100s\", without its counts", d->where,
			client_info(d->c));
	return 0;
}
