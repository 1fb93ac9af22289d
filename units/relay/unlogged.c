/*
 * Transactions that an upstream has executed, and that its binlog never had or has no more: of a replica
 * without log_replica_updates, of a server that was made from a backup or by CLONE. Where they are not ours
 * already, a switch to it would lose them. Called by upstream.c, in the puller.
 *
 * MySQL names them all in gtid_purged. Files' heads (PREVIOUS_GTIDS) leave out what was never in a binlog, so
 * our own set lacks what the first upstream brought along from before: the file `unlogged` has that.
 */
#include "units/relay/unlogged.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/io.h"

static const char file_name[] = "unlogged";
enum { UNLOGGED_MAX = 16 << 20 };

static int purged(struct db *d, struct gtid_set **out, struct err *e)
{
	struct db_rows *rows = db_query(d, STR_LIT("SELECT @@global.gtid_purged"), e);
	struct gtid_set *set = NULL;
	const struct str *v;
	int n;

	if (!rows)
		return -1;
	n = db_fetch(rows, &v, e);
	if (n > 0 && !(set = gtid_set_parse(FLAVOR_MYSQL, v[0], e)))
		n = -1;
	db_rows_close(&rows);
	if (n == 0)
		set = gtid_set_new(FLAVOR_MYSQL);
	*out = set;
	return n < 0 ? -1 : 0;
}

int unlogged_text(const struct relay *r, struct buf *out, struct err *e)
{
	if (faccessat(r->store.dir, file_name, F_OK, 0) < 0)
		return errno == ENOENT ? 0 : err_sys(e, ERR_io, "looking for %s", file_name);
	return io_read_file(r->store.dir, file_name, UNLOGGED_MAX, out, e);
}

/* The set, and what is known of the upstreams so far. set: may be NULL. */
struct gtid_set *unlogged_with(const struct relay *r, const struct gtid_set *set, struct err *e)
{
	struct gtid_set *both = NULL;
	struct buf text = {0};
	int rc;

	if (set && gtid_set_flavor(set) == FLAVOR_MARIADB)
		return gtid_set_copy(set);
	rc = unlogged_text(r, &text, e);
	if (rc == 0 && set && text.n > 0)
		buf_putc(&text, ',');
	if (rc == 0 && set)
		gtid_set_text(set, &text);
	if (rc == 0)
		both = gtid_set_parse(FLAVOR_MYSQL, buf_str(&text), e);
	buf_free(&text);
	return both;
}

static int keep(struct relay *r, const struct gtid_set *set, struct err *e)
{
	struct buf text = {0};
	int rc;

	gtid_set_text(set, &text);
	rc = io_replace_file(r->store.dir, file_name, text.p, text.n, 0640, e);
	buf_free(&text);
	return rc;
}

/* An earlier upstream's stay: it may be the next one again. */
static int add_known(struct relay *r, const struct gtid_set *theirs, struct err *e)
{
	struct gtid_set *all = unlogged_with(r, theirs, e);
	int rc = all ? keep(r, all, e) : -1;

	gtid_set_free(&all);
	return rc;
}

int unlogged_forget(struct relay *r, struct err *e)
{
	if (unlinkat(r->store.dir, file_name, 0) < 0)
		return errno == ENOENT ? 0 : err_sys(e, ERR_io, "removing %s", file_name);
	return fsync(r->store.dir) < 0
		       ? err_set(e, ERR_io, "fsync of the relay log's folder: %s", strerror(errno))
		       : 0;
}

int unlogged_note(struct relay *r, struct db *d, const struct gtid_set *first, struct err *e)
{
	struct gtid_set *theirs, *ours;
	struct buf more = {0};
	int rc;

	if (db_server(d)->flavor == FLAVOR_MARIADB)
		return 0;
	if (purged(d, &theirs, e) < 0)
		return -1;
	ours = unlogged_with(r, first, e);
	rc = ours ? 0 : -1;
	if (ours)
		gtid_set_subtract_text(theirs, ours, &more);
	if (more.n > 0)
		rc = add_known(r, theirs, e);
	buf_free(&more);
	gtid_set_free(&ours);
	gtid_set_free(&theirs);
	return rc;
}

static int beyond_mysql(
	struct relay *r, struct db *d, const struct gtid_set *set, struct buf *out, struct err *e)
{
	struct gtid_set *theirs, *ours;
	int rc;

	if (purged(d, &theirs, e) < 0)
		return -1;
	ours = unlogged_with(r, set, e);
	rc = ours ? 0 : -1;
	if (ours)
		gtid_set_subtract_text(theirs, ours, out);
	gtid_set_free(&theirs);
	gtid_set_free(&ours);
	return rc;
}

static int beyond_mariadb(struct db *d, const struct gtid_set *set, struct buf *out, struct err *e)
{
	struct buf binlog = {0}, replicated = {0}, text = {0};
	int rc = surplus_value(d, "SELECT @@global.gtid_binlog_state", &binlog, e);

	if (rc == 0)
		rc = surplus_value(d, "SELECT @@global.gtid_slave_pos", &replicated, e);
	if (rc == 0) {
		gtid_set_text(set, &text);
		surplus_unlogged(buf_cstr(&text), buf_cstr(&binlog), buf_cstr(&replicated), out);
	}
	buf_free(&binlog);
	buf_free(&replicated);
	buf_free(&text);
	return rc;
}

int unlogged_beyond(struct relay *r, struct db *d, const struct gtid_set *set, struct buf *out, struct err *e)
{
	return gtid_set_flavor(set) == FLAVOR_MARIADB ? beyond_mariadb(d, set, out, e)
						      : beyond_mysql(r, d, set, out, e);
}
