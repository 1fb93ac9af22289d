/*
 * What was read of other servers before the generation that is written: what the upstream must have (T20),
 * and where each GTID domain of MariaDB has to go on. Called by the writer and by upstream.c, in the puller
 * alone. Must never say more than what was read: a good server would be taken for one that has lost it.
 */
#include "units/relay/known.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/config/json.h"

static const char file_name[] = "known";
enum { KNOWN_MAX = 32 << 20 };

void known_fini(struct known *k)
{
	gtid_set_free(&k->read);
	gtid_set_free(&k->end);
	gtid_set_free(&k->here);
}

/* --- the file --- */

static int take(struct known *k, const json_t *o, struct err *e)
{
	const char *flavor = json_text(o, "flavor", ""), *read = json_text(o, "read", NULL),
		   *end = json_text(o, "end", NULL);
	enum flavor f = strcmp(flavor, "mariadb") == 0 ? FLAVOR_MARIADB : FLAVOR_MYSQL;

	if (!read || !end || strcmp(flavor, flavor_name(f)) != 0)
		return err_set(e, ERR_relay_parse, "flavor, read or end is missing, or of nobody");
	k->read = gtid_set_parse(f, str_of(read), e);
	k->end = k->read ? gtid_set_parse(f, str_of(end), e) : NULL;
	if (k->end)
		return 0;
	known_fini(k);
	return -1;
}

int known_load(struct known *k, int dir, struct err *e)
{
	struct buf b = {0};
	json_error_t wrong;
	json_t *o;
	int rc;

	if (faccessat(dir, file_name, F_OK, 0) < 0 && errno == ENOENT)
		return 0;
	if (io_read_file(dir, file_name, KNOWN_MAX, &b, e) < 0) {
		buf_free(&b);
		return -1;
	}
	o = json_loadb(b.p, b.n, 0, &wrong);
	if (o && !json_is_object(o))
		snprintf(wrong.text, sizeof(wrong.text), "no object");
	rc = json_is_object(o) ? take(k, o, e)
			       : err_set(e, ERR_relay_parse, "line %d: %s", wrong.line, wrong.text);
	json_decref(o);
	buf_free(&b);
	return rc < 0 ? err_add(e, "the relay log's file %s", file_name) : 0;
}

int known_keep(const struct known *k, int dir, struct err *e)
{
	struct buf read = {0}, end = {0};
	char *text;
	json_t *o;
	int rc;

	gtid_set_text(k->read, &read);
	gtid_set_text(k->end, &end);
	o = json_pack("{s:s, s:s, s:s}", "flavor", flavor_name(gtid_set_flavor(k->end)), "read",
		buf_cstr(&read), "end", buf_cstr(&end));
	text = json_dumps(o, JSON_INDENT(1));
	rc = io_replace_file(dir, file_name, text, strlen(text), 0640, e);
	free(text);
	json_decref(o);
	buf_free(&read);
	buf_free(&end);
	return rc;
}

int known_forget(struct known *k, int dir, struct err *e)
{
	known_fini(k);
	if (unlinkat(dir, file_name, 0) < 0)
		return errno == ENOENT ? 0 : err_sys(e, ERR_io, "removing %s", file_name);
	return fsync(dir) < 0 ? err_set(e, ERR_io, "fsync of the relay log's folder: %s", strerror(errno))
			      : 0;
}

/* --- a switch --- */

/* Of another family than what the log ends with: it says nothing. */
static bool has_read(const struct known *k, const struct gtid_set *now)
{
	return k->read && (!now || gtid_set_flavor(k->read) == gtid_set_flavor(now));
}

struct gtid_set *known_all(const struct known *k, const struct gtid_set *end)
{
	struct gtid_set *all = end ? gtid_set_copy(end) : NULL;

	if (!has_read(k, end))
		return all;
	if (!all)
		return gtid_set_copy(k->read);
	gtid_set_merge(all, k->read, true);
	return all;
}

/* MariaDB: of a domain that has not come in this generation the log ends where it did before. */
static struct gtid_set *end_of(const struct known *k, const struct gtid_set *end)
{
	struct gtid_set *s;

	if (!k->end || gtid_set_flavor(end) != FLAVOR_MARIADB || gtid_set_flavor(k->end) != FLAVOR_MARIADB)
		return gtid_set_copy(end);
	s = gtid_set_copy(k->end);
	gtid_set_merge(s, end, false);
	return s;
}

struct gtid_set *known_end(const struct known *k, const struct gtid_set *now)
{
	struct gtid_set *end;

	if (!now)
		return k->end ? gtid_set_copy(k->end) : NULL;
	end = end_of(k, now);
	if (gtid_set_empty(now) || (has_read(k, now) && !gtid_set_contains(end, k->read))) {
		gtid_set_free(&end);
		end = gtid_set_copy(now);
	}
	return end;
}

struct known known_next(const struct known *k, const struct gtid_set *end)
{
	return (struct known){.read = known_all(k, end), .end = end_of(k, end)};
}

int known_settle(struct known *k, int dir, const struct gtid_set *now, struct err *e)
{
	if (!now || !k->end || gtid_set_empty(k->read) || !has_read(k, now) ||
		!gtid_set_contains(now, k->read))
		return 0;
	gtid_set_free(&k->read);
	k->read = gtid_set_new(gtid_set_flavor(k->end));
	return known_keep(k, dir, e);
}

void known_begin(struct known *k, struct known *next)
{
	known_fini(k);
	*k = *next;
	*next = (struct known){0};
}

/* --- the stream --- */

/*
 * A server that was made from a copy, and logs what it applies since, has nothing in its binlog of what came
 * before the copy. Its files' heads say nothing then of a domain, which lies within every set; only the
 * number of the domain's first transaction tells. Holes in numbers are everywhere else no proof (replication
 * filters).
 */
static int check_first(const struct known *k, const struct binlog_gtid_event *g, struct err *e)
{
	char text[128];
	uint32_t server, other;
	uint64_t seq, most = 0;

	if (k->here && gtid_set_last(k->here, g->domain, &server, &seq))
		return 0;
	if (!gtid_set_last(k->end, g->domain, &server, &seq))
		return 0;
	/* The last one need not have the greatest number, without gtid_strict_mode. */
	if (k->read)
		gtid_set_last(k->read, g->domain, &other, &most);
	if (g->seq <= (most > seq ? most : seq) + 1)
		return 0;
	gtid_event_text(g, text, sizeof(text));
	return err_set(e, ERR_relay_gone,
		"the upstream's binlog begins with %s in its GTID domain, and of the server before all up to "
		"%u-%u-%" PRIu64 " was read: what is between is not in it (the server was made from a copy "
		"later than that). Lead the source to a server whose binlog has it, then resume-task",
		text, g->domain, server, seq);
}

static int transaction(
	struct known *k, struct str event, const struct binlog_format *f, bool checked, struct err *e)
{
	struct binlog_gtid_event g;

	if (binlog_read_gtid(event, f, &g, e) < 0 || (checked && check_first(k, &g, e) < 0))
		return -1;
	if (!k->here)
		k->here = gtid_set_new(FLAVOR_MARIADB);
	return gtid_set_add(k->here, &g, e);
}

int known_event(struct known *k, struct str event, const struct binlog_format *f, bool checked, struct err *e)
{
	struct binlog_header h;

	if (!k->end || gtid_set_flavor(k->end) != FLAVOR_MARIADB)
		return 0;
	if (binlog_read_header(event, &h, e) < 0)
		return -1;
	if (h.type == BINLOG_MARIA_GTID)
		return transaction(k, event, f, checked, e);
	if (h.type != BINLOG_MARIA_GTID_LIST)
		return 0;
	gtid_set_free(&k->here);
	k->here = gtid_set_read_event(event, f, e);
	return k->here ? 0 : -1;
}
