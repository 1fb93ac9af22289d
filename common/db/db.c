/*
 * One connection to a server: opening it, executing, cutting it off from another thread. Used by the units
 * through db.h; the library is behind client.h, the session's settings in session.c, results in rows.c. Never
 * retries: who asked decides.
 */
#include "common/db/db.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/xalloc.h"
#include "common/db/internal.h"

enum { CONNECT_TIMEOUT_S = 10, DATA_TIMEOUT_S = 600, STREAM_TIMEOUT_S = 30 };

static unsigned read_timeout(const struct db_options *o)
{
	if (o->read_timeout_s)
		return o->read_timeout_s;
	return o->session == DB_DDL ? 0 : o->session == DB_BINLOG ? STREAM_TIMEOUT_S : DATA_TIMEOUT_S;
}

unsigned db_read_timeout_ms(const struct db *d)
{
	return read_timeout(&d->o) * 1000;
}

/* The raw stream's two semi-private entries, tried: a COM_PING must be answered by OK. */
static int check_raw(struct db *d, struct err *e)
{
	enum { COM_PING_ = 0x0e };
	struct str packet;

	if (client_send_command(d->c, COM_PING_, (struct str){"", 0}) < 0 ||
		client_read_packet(d->c, &packet) < 0)
		return db_fail(d, STR_LIT("(ping)"), ERR_db_driver, e);
	if (packet.p[0] != 0)
		return err_set(
			e, ERR_db_driver, "%s: libmariadb's raw commands do not work as expected", d->where);
	return 0;
}

static int start(struct db *d, struct err *e)
{
	if (db_server_detect(d, e) < 0 || db_session_start(d, e) < 0)
		return -1;
	return d->o.session == DB_BINLOG ? check_raw(d, e) : 0;
}

struct db *db_open(const struct endpoint *ep, const struct db_options *o, struct err *e)
{
	struct client_options co = {
		.connect_timeout_s = o->connect_timeout_s ? o->connect_timeout_s : CONNECT_TIMEOUT_S,
		.read_timeout_s = read_timeout(o),
		.multi = o->session == DB_APPLY && !o->one_statement,
		.infile = o->infile,
	};
	struct client_error why;
	struct client *c = client_connect(ep, &co, &why);
	struct db *d;
	char show[400];

	if (!c) {
		db_login_error(ep, o->upstream, &why, e);
		return NULL;
	}
	d = xcalloc(1, sizeof(*d));
	d->c = c;
	d->o = *o;
	d->interrupt_fd = dup(client_socket(c));
	endpoint_show(ep, show, sizeof(show));
	snprintf(d->where, sizeof(d->where), "%s %s", o->upstream ? "upstream" : "downstream", show);
	snprintf(d->user, sizeof(d->user), "%s", ep->user);
	if (start(d, e) < 0)
		db_close(&d);
	return d;
}

void db_close(struct db **d)
{
	if (!*d)
		return;
	client_close(&(*d)->c);
	if ((*d)->interrupt_fd >= 0)
		close((*d)->interrupt_fd);
	free(*d);
	*d = NULL;
}

const struct server *db_server(const struct db *d)
{
	return &d->server;
}

const char *db_monitor_privilege(const struct db *d)
{
	bool maria105 = d->server.flavor == FLAVOR_MARIADB && d->server.version >= 100500;

	return maria105 ? "BINLOG MONITOR" : "REPLICATION CLIENT";
}

uint64_t db_connection_id(const struct db *d)
{
	return d->id;
}

const char *db_where(const struct db *d)
{
	return d->where;
}

void db_interrupt(struct db *d)
{
	shutdown(d->interrupt_fd, SHUT_RDWR);
}

bool db_read_matched(const char *info, uint64_t *matched)
{
	static const char head[] = "Rows matched: ";

	if (strncmp(info, head, sizeof(head) - 1) != 0)
		return false;
	*matched = strtoull(info + sizeof(head) - 1, NULL, 10);
	return true;
}

/* What the present answer says, kept: the library forgets it with the next one. */
static int take_answer(struct db *d)
{
	if (client_columns(d->c) > 0 && client_drop(d->c) < 0)
		return -1;
	d->affected = client_affected(d->c);
	d->warnings = client_warnings(d->c);
	d->has_matched = db_read_matched(client_info(d->c), &d->matched);
	return 0;
}

static void note(struct db_multi *m, const struct db *d)
{
	if (!m)
		return;
	if (m->done < m->count) {
		m->affected[m->done] = d->affected;
		m->matched[m->done] = d->has_matched ? d->matched : d->affected;
	}
	m->done++;
}

static int run(struct db *d, struct str sql, struct db_multi *m, struct err *e)
{
	int r = client_query(d->c, sql) < 0 ? -1 : 1;

	while (r == 1) {
		if (take_answer(d) < 0)
			r = -1;
		else {
			note(m, d);
			r = client_next(d->c);
		}
	}
	return r < 0 ? db_fail(d, sql, ERR_db_execute, e) : 0;
}

int db_exec(struct db *d, struct str sql, struct err *e)
{
	return run(d, sql, NULL, e);
}

int db_execf(struct db *d, struct err *e, const char *fmt, ...)
{
	va_list ap;
	char *sql;
	int r;

	va_start(ap, fmt);
	sql = xvasprintf(fmt, ap);
	va_end(ap);
	r = db_exec(d, str_of(sql), e);
	free(sql);
	return r;
}

uint64_t db_affected(const struct db *d)
{
	return d->affected;
}

bool db_matched(const struct db *d, uint64_t *matched)
{
	*matched = d->matched;
	return d->has_matched;
}

unsigned db_warnings(const struct db *d)
{
	return d->warnings;
}

int db_exec_multi(struct db *d, struct str sql, struct db_multi *m, struct err *e)
{
	m->done = 0;
	if (client_set_multi(d->c, true) < 0)
		return db_fail(d, sql, ERR_db_execute, e);
	return run(d, sql, m, e);
}
