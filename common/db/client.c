/*
 * The client library (libmariadb 3.3), behind client.h: the only file that includes <mysql.h>. Called by the
 * other files of common/db alone. Never prints, never keeps a password longer than the library does, never
 * reads an option file. Never opens a file that a server asks for: what LOAD DATA LOCAL wants is given by a
 * function, for one statement of ours, whatever name the server says.
 *
 * Three entries are semi-private: methods->db_command, in the installed header but documented nowhere,
 * mysql_net_read_packet and ma_pvio_register_callback, exported but in no header. The first two are needed to
 * speak the replication protocol to either family (docs/design/binlog-client.md); client_connect refuses a
 * library without the first. The third tells what is read over TLS, and client_trim does to NET.buff what the
 * library itself does where a packet is larger than it: so that rows of many MiB don't stay (T28).
 */
#include "common/db/client.h"
#include "common/db/internal.h"

#include <mysql.h>

#include <errmsg.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/db/db.h"
#include "common/db/packets.h"

unsigned long STDCALL mysql_net_read_packet(MYSQL *mysql);
int ma_pvio_register_callback(
	my_bool on, void (*callback)(int mode, MYSQL *mysql, const unsigned char *bytes, size_t n));

/* 2 GiB - 1: an event may be larger than the largest max_allowed_packet (1 GiB) by its headers. */
static const size_t packet_limit = 0x7fffffff;

struct client {
	MYSQL m;
	MYSQL_RES *rows;
	bool multi;
	const struct client_infile *infile; /* of the statement under way; NULL: there is nothing to be had */
	struct client_error other; /* of what the library does not keep in m, or did not do; number 0: of m */
	size_t large;              /* packets of that size are followed; 0: none */
	struct frames frames;
	void (*on_large)(void *arg);
	void *on_large_arg;
};

_Static_assert(offsetof(struct client, m) == 0, "the library names its connection, and means ours");

/* The library's own start is not safe in two threads at once, nor is what a login loads: of two that log in
 * by a plugin that neither has, one may fail with "it is already loaded". */
static pthread_once_t library_once = PTHREAD_ONCE_INIT;

/* MYSQL_CLIENT_AUTHENTICATION_PLUGIN of a header that wants others which are not installed. */
enum { LOGIN_PLUGIN = 2 };

/* Whatever is read, of any connection. n is -1 where reading failed. */
static void on_read(int mode, MYSQL *m, const unsigned char *bytes, size_t n)
{
	struct client *c = (struct client *)m;

	if (mode != 0 || !c || c->large == 0 || n > INT32_MAX)
		return;
	if (frames_pass(&c->frames, bytes, n, c->large) && c->on_large)
		c->on_large(c->on_large_arg);
}

static void library_start(void)
{
	static const char *const logins[] = {"caching_sha2_password", "client_ed25519", "sha256_password"};
	MYSQL m;

	mysql_server_init(0, NULL, NULL);
	ma_pvio_register_callback(1, on_read);
	mysql_init(&m);
	/* One that is not installed is no matter here: the login that wants it says so. */
	for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++)
		mysql_client_find_plugin(&m, logins[i], LOGIN_PLUGIN);
	mysql_close(&m);
}

static bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/*
 * The library checks the certificate's chain as soon as it has a CA, and the host name with
 * VERIFY_SERVER_CERT. Without a CA "preferred" and "required" encrypt without checking, as the servers' own
 * clients do; "verify-ca" without one goes by the system's authorities, and then the name must be right too.
 */
static void set_tls(MYSQL *m, const struct endpoint *ep)
{
	my_bool on = 1;

	tls_authorities.wanted = false;
	if (is(ep->tls, "disabled"))
		return;
	mysql_optionsv(m, MYSQL_OPT_SSL_ENFORCE, &on);
	tls_authorities.wanted = is(ep->tls, "verify-identity") || (is(ep->tls, "verify-ca") && !*ep->ssl_ca);
	if (tls_authorities.wanted)
		mysql_optionsv(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
	if (*ep->ssl_ca)
		mysql_optionsv(m, MYSQL_OPT_SSL_CA, ep->ssl_ca);
	if (*ep->ssl_cert)
		mysql_optionsv(m, MYSQL_OPT_SSL_CERT, ep->ssl_cert);
	if (*ep->ssl_key)
		mysql_optionsv(m, MYSQL_OPT_SSL_KEY, ep->ssl_key);
}

/* --- LOAD DATA LOCAL --- */

static int infile_begin(void **state, const char *name, void *arg)
{
	struct client *c = arg;

	(void)name;
	*state = c;
	return c->infile ? 0 : 1;
}

static int infile_read(void *state, char *out, unsigned n)
{
	const struct client *c = state;

	return c->infile->read(c->infile->arg, out, n);
}

static void infile_end(void *state)
{
	(void)state;
}

static int infile_error(void *state, char *out, unsigned n)
{
	const struct client *c = state;

	snprintf(out, n, "%s",
		c && c->infile ? "the rows can't be read"
			       : "the server wants a local file that nobody offered it");
	return CR_UNKNOWN_ERROR;
}

static void set_options(struct client *c, const struct endpoint *ep, const struct client_options *o)
{
	MYSQL *m = &c->m;
	unsigned tcp = MYSQL_PROTOCOL_TCP, infile = o->infile;
	unsigned connect_s = o->connect_timeout_s, io_s = o->read_timeout_s;

	mysql_optionsv(m, MYSQL_OPT_PROTOCOL, &tcp);
	mysql_optionsv(m, MYSQL_OPT_LOCAL_INFILE, &infile);
	/* Always: the library's own would open the file. */
	mysql_set_local_infile_handler(m, infile_begin, infile_read, infile_end, infile_error, c);
	mysql_optionsv(m, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_optionsv(m, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_limit);
	mysql_optionsv(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	if (io_s) {
		mysql_optionsv(m, MYSQL_OPT_READ_TIMEOUT, &io_s);
		mysql_optionsv(m, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
	}
	set_tls(m, ep);
}

static void say(struct client_error *why, unsigned number, const char *text)
{
	why->number = number;
	snprintf(why->text, sizeof(why->text), "%s", text);
}

/* The library goes on in plain text with a server that knows no TLS, also where TLS was asked for. */
static bool tls_as_wanted(MYSQL *m, const struct endpoint *ep)
{
	bool optional = is(ep->tls, "disabled") || is(ep->tls, "preferred") || !*ep->tls;

	return optional || mysql_get_ssl_cipher(m) != NULL;
}

static int try_connect(
	struct client *c, const struct endpoint *ep, const struct client_options *o, struct client_error *why)
{
	unsigned long flags = o->multi ? CLIENT_MULTI_STATEMENTS : 0;

	memset(c, 0, sizeof(*c));
	c->multi = o->multi;
	mysql_init(&c->m);
	if (!c->m.methods || !c->m.methods->db_command) {
		say(why, CR_UNKNOWN_ERROR,
			"this libmariadb lacks the command interface that Tidegate relies on");
		return -1;
	}
	set_options(c, ep, o);
	if (!mysql_real_connect(&c->m, ep->host, ep->user, ep->password, NULL, ep->port, NULL, flags))
		say(why, mysql_errno(&c->m), mysql_error(&c->m));
	else if (!tls_as_wanted(&c->m, ep))
		say(why, CR_SSL_CONNECTION_ERROR, "TLS is required, but the server does not offer it");
	else
		return 0;
	mysql_close(&c->m);
	return -1;
}

struct client *client_connect(
	const struct endpoint *ep, const struct client_options *o, struct client_error *why)
{
	struct client *c = xcalloc(1, sizeof(*c));
	struct endpoint plain;
	int ok;

	pthread_once(&library_once, library_start);
	why->number = 0;
	ok = try_connect(c, ep, o, why);
	if (ok < 0 && why->number == CR_SSL_CONNECTION_ERROR && is(ep->tls, "preferred") && !*ep->ssl_ca) {
		/* A server whose TLS is too old for this library: "preferred" means that plain text will do.
		 */
		plain = *ep;
		snprintf(plain.tls, sizeof(plain.tls), "disabled");
		ok = try_connect(c, &plain, o, why);
		endpoint_wipe(&plain);
	}
	if (ok == 0)
		return c;
	free(c);
	return NULL;
}

void client_close(struct client **c)
{
	if (!*c)
		return;
	client_rows_end(*c);
	mysql_close(&(*c)->m);
	free(*c);
	*c = NULL;
}

const char *client_version(const struct client *c)
{
	return mysql_get_server_info((MYSQL *)&c->m);
}

unsigned client_errno(const struct client *c)
{
	return c->other.number ? c->other.number : mysql_errno((MYSQL *)&c->m);
}

const char *client_error(const struct client *c)
{
	return c->other.number ? c->other.text : mysql_error((MYSQL *)&c->m);
}

void client_set_error(struct client *c, const struct client_error *why)
{
	c->other = *why;
}

int client_socket(const struct client *c)
{
	return (int)mysql_get_socket((MYSQL *)&c->m);
}

bool client_readable(const struct client *c)
{
	struct pollfd p = {.fd = client_socket(c), .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

bool client_is_plain(const struct client *c)
{
	return mysql_get_ssl_cipher((MYSQL *)&c->m) == NULL;
}

int client_query(struct client *c, struct str sql)
{
	c->other.number = 0;
	return mysql_real_query(&c->m, sql.p, sql.n) ? -1 : 0;
}

int client_load(struct client *c, struct str sql, const struct client_infile *from)
{
	int r;

	c->infile = from;
	r = client_query(c, sql);
	c->infile = NULL;
	return r;
}

int client_set_multi(struct client *c, bool on)
{
	if (c->multi == on)
		return 0;
	if (mysql_set_server_option(
		    &c->m, on ? MYSQL_OPTION_MULTI_STATEMENTS_ON : MYSQL_OPTION_MULTI_STATEMENTS_OFF))
		return -1;
	c->multi = on;
	return 0;
}

int client_next(struct client *c)
{
	int r;

	if (!mysql_more_results(&c->m))
		return 0;
	r = mysql_next_result(&c->m);
	return r > 0 ? -1 : r == 0 ? 1 : 0;
}

int client_drop(struct client *c)
{
	MYSQL_RES *r;

	if (client_columns(c) == 0)
		return 0;
	r = mysql_use_result(&c->m);
	if (!r)
		return -1;
	while (mysql_fetch_row(r))
		;
	mysql_free_result(r);
	return client_errno(c) ? -1 : 0;
}

uint64_t client_affected(const struct client *c)
{
	return mysql_affected_rows((MYSQL *)&c->m);
}

const char *client_info(const struct client *c)
{
	const char *info = mysql_info((MYSQL *)&c->m);

	return info ? info : "";
}

unsigned client_warnings(const struct client *c)
{
	return mysql_warning_count((MYSQL *)&c->m);
}

unsigned client_columns(const struct client *c)
{
	return mysql_field_count((MYSQL *)&c->m);
}

int client_rows(struct client *c)
{
	client_rows_end(c);
	c->rows = mysql_use_result(&c->m);
	return c->rows ? 0 : -1;
}

const char *client_column_name(const struct client *c, unsigned i)
{
	return mysql_fetch_field_direct(c->rows, i)->name;
}

int client_row(struct client *c, struct str *values)
{
	MYSQL_ROW row = mysql_fetch_row(c->rows);
	unsigned long *lengths;
	unsigned i, n;

	if (!row)
		return client_errno(c) ? -1 : 0;
	lengths = mysql_fetch_lengths(c->rows);
	n = mysql_num_fields(c->rows);
	for (i = 0; i < n; i++)
		values[i] = (struct str){row[i], row[i] ? lengths[i] : 0};
	return 1;
}

void client_rows_end(struct client *c)
{
	if (c->rows)
		mysql_free_result(c->rows);
	c->rows = NULL;
}

void client_follow(struct client *c, size_t large)
{
	c->large = large;
	c->frames = (struct frames){0};
	c->on_large = NULL;
}

void client_on_large(struct client *c, void (*fn)(void *arg), void *arg)
{
	c->on_large_arg = arg;
	c->on_large = fn;
}

bool client_in_large(const struct client *c)
{
	return c->large > 0 && frames_in_large(&c->frames);
}

void client_trim(struct client *c)
{
	enum { SMALL = 16384, HEADS = 64 };
	NET *net = &c->m.net;
	unsigned char *buff;

	if (net->max_packet <= SMALL)
		return;
	buff = xrealloc(net->buff, SMALL + HEADS);
	net->buff = net->write_pos = net->read_pos = buff;
	net->max_packet = SMALL;
	net->buff_end = buff + SMALL;
}

#ifdef MARIADB_PACKAGE_VERSION
struct client_bulk {
	struct client *c;
	MYSQL_STMT *statement;
};

_Static_assert((int)STMT_INDICATOR_NULL == (int)DB_BULK_NULL, "the library's number for NULL");

bool client_can_bulk(const struct client *c)
{
	unsigned long flags = 0;

	return mariadb_get_infov((MYSQL *)&c->m, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &flags) ==
		       0 &&
	       (flags & (unsigned long)(MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32));
}

static void fail_bulk(struct client_bulk *b)
{
	say(&b->c->other, mysql_stmt_errno(b->statement), mysql_stmt_error(b->statement));
}

struct client_bulk *client_bulk_open(struct client *c, struct str sql)
{
	struct client_bulk *b = xcalloc(1, sizeof(*b));

	c->other.number = 0;
	b->c = c;
	b->statement = mysql_stmt_init(&c->m);
	if (b->statement && mysql_stmt_prepare(b->statement, sql.p, sql.n) == 0)
		return b;
	if (b->statement)
		fail_bulk(b);
	client_bulk_close(&b);
	return NULL;
}

static void bind(MYSQL_BIND *to, const struct db_bulk_column *from)
{
	static const enum enum_field_types types[] = {
		[DB_BULK_INT] = MYSQL_TYPE_LONGLONG,
		[DB_BULK_UNSIGNED] = MYSQL_TYPE_LONGLONG,
		[DB_BULK_DOUBLE] = MYSQL_TYPE_DOUBLE,
		[DB_BULK_BYTES] = MYSQL_TYPE_STRING,
	};

	to->buffer_type = types[from->type];
	to->is_unsigned = from->type == DB_BULK_UNSIGNED;
	to->buffer = from->values;
	to->length = from->lengths;
	to->u.indicator = from->nulls;
}

int client_bulk_run(struct client_bulk *b, const struct db_bulk_column *columns, unsigned n, unsigned rows)
{
	MYSQL_BIND *binds = xcalloc(n, sizeof(*binds));
	bool ok;

	b->c->other.number = 0;
	for (unsigned i = 0; i < n; i++)
		bind(&binds[i], &columns[i]);
	ok = mysql_stmt_attr_set(b->statement, STMT_ATTR_ARRAY_SIZE, &rows) == 0 &&
	     mysql_stmt_bind_param(b->statement, binds) == 0 && mysql_stmt_execute(b->statement) == 0;
	if (!ok)
		fail_bulk(b);
	free(binds);
	return ok ? 0 : -1;
}

uint64_t client_bulk_affected(const struct client_bulk *b)
{
	return mysql_stmt_affected_rows(b->statement);
}

void client_bulk_close(struct client_bulk **b)
{
	if (!*b)
		return;
	if ((*b)->statement)
		mysql_stmt_close((*b)->statement);
	free(*b);
	*b = NULL;
}
#else
bool client_can_bulk(const struct client *c)
{
	(void)c;
	return false;
}

struct client_bulk *client_bulk_open(struct client *c, struct str sql)
{
	(void)c;
	(void)sql;
	return NULL;
}

int client_bulk_run(struct client_bulk *b, const struct db_bulk_column *columns, unsigned n, unsigned rows)
{
	(void)b;
	(void)columns;
	(void)n;
	(void)rows;
	return -1;
}

uint64_t client_bulk_affected(const struct client_bulk *b)
{
	(void)b;
	return 0;
}

void client_bulk_close(struct client_bulk **b)
{
	*b = NULL;
}
#endif

int client_send_command(struct client *c, uint8_t command, struct str arg)
{
	c->other.number = 0;
	return c->m.methods->db_command(&c->m, (enum enum_server_command)command, arg.p, arg.n, 1, NULL) ? -1
													 : 0;
}

int client_read_packet(struct client *c, struct str *packet)
{
	unsigned long n = mysql_net_read_packet(&c->m);

	if (n == packet_error || n == 0)
		return -1;
	*packet = (struct str){(const char *)c->m.net.read_pos, n};
	return 0;
}
