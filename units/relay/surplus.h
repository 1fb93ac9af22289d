#pragma once
#include "common/base/buf.h"
#include "common/db/db.h"
#include "units/relay/relay.h"

/* One of the upstream's binlog files, as it lists them. */
struct log {
	char base[256];
	uint64_t number, size;
};

struct logs {
	struct log *list;
	size_t n;
};

/* NULL: not listed. */
const struct log *logs_find(const struct logs *logs, const char *base, uint64_t number);

/*
 * MariaDB: which of `ours` ("0-1-103,7-2-9") the upstream never had. `state`: all that it names, for each
 * domain and server the last number (gtid_binlog_state, gtid_slave_pos). A greater number of another server
 * is no proof: it may have gone its own way. Appends "0-1-103 (there until 0-1-90)".
 */
void surplus_mariadb(const char *ours, const char *state, struct buf *lost);
/*
 * MariaDB: which of `ours` are not in the upstream's binlog (`binlog`: its gtid_binlog_state), and not the
 * last ones either that it has replicated (`replicated`: its gtid_slave_pos): what lies between never comes
 * from there. MariaDB lets no replica begin so either.
 */
void surplus_unlogged(const char *ours, const char *binlog, const char *replicated, struct buf *out);
/* Appends the first column of all rows, each with a comma. */
int surplus_value(struct db *d, const char *sql, struct buf *out, struct err *e);
/* Of a GTID set that was read (NULL: none), what the upstream has not executed; nothing appended: it has all.
 */
int surplus_gtids(struct db *d, const struct gtid_set *ours, struct buf *lost, struct err *e);
/*
 * By names and sizes: true where the upstream's files hold less than ours of this generation; *from is the
 * first place that it lacks. not_same: our newest file is known to be another one than the upstream's.
 */
bool surplus_files(struct relay *r, const struct store_generation *g, const struct logs *logs, bool not_same,
	struct position *from);
/* The GTIDs that our log has from there on, as text; nothing where it has none, or asked to leave. */
void surplus_list(struct relay *r, struct position from, struct buf *list);
