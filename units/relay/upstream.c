/*
 * Before each stream: is this the server that we read from, and does it still have what we have (T20)?
 * Another server, or other names: a new sub-directory, that begins with the newest file whose head lies
 * within our GTID set. Called by the puller. Anything that does not fit is an error that a person must see:
 * what the upstream lost, can't be mended here.
 */
#include "units/relay/upstream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/io.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/db/binlog_stream.h"
#include "common/db/status.h"
#include "units/relay/evfile.h"
#include "units/relay/head.h"
#include "units/relay/surplus.h"
#include "units/relay/unlogged.h"

enum { LOOK_BYTES = 64 << 20 };

static int explain(struct db *d, struct err *e)
{
	struct err was = *e;

	if (was.sql_errno != 1227)
		return -1;
	err_set(e, ERR_check_privilege, "%s: GRANT %s ON *.* is missing: %s", db_where(d),
		db_monitor_privilege(d), was.text);
	e->sql_errno = was.sql_errno;
	return -1;
}

static int read_logs(struct db *d, struct logs *logs, struct err *e)
{
	struct db_rows *rows = db_query(d, STR_LIT("SHOW BINARY LOGS"), e);
	const struct str *v;
	char size[24];
	int n;

	if (!rows)
		return explain(d, e);
	while ((n = db_fetch(rows, &v, e)) > 0) {
		struct log *l;

		logs->list = xrealloc(logs->list, (logs->n + 1) * sizeof(*logs->list));
		l = &logs->list[logs->n++];
		snprintf(size, sizeof(size), "%.*s", STR_ARG(v[1]));
		l->size = strtoull(size, NULL, 10);
		if (binlog_name_split(v[0], l->base, sizeof(l->base), &l->number, e) < 0) {
			n = -1;
			break;
		}
	}
	db_rows_close(&rows);
	if (n == 0 && logs->n == 0)
		return err_set(e, ERR_check_binlog_off, "%s: the server has no binlog", db_where(d));
	return n;
}

/* MariaDB has no uuid: DM's words for it. */
int upstream_server(struct db *d, char *out, size_t size, struct err *e)
{
	bool mariadb = db_server(d)->flavor == FLAVOR_MARIADB, found;

	if (db_value(d,
		    mariadb ? "SELECT CONCAT(@@global.gtid_domain_id,'-',@@global.server_id)"
			    : "SELECT @@global.server_uuid",
		    out, size, &found, e) < 0)
		return -1;
	if (!found || !*out || strchr(out, '/') || strchr(out, '\n'))
		return err_set(e, ERR_relay_stream, "%s: the server does not say who it is", db_where(d));
	return 0;
}

int upstream_still(struct relay *r, struct db *d, struct err *e)
{
	char server[STORE_NAME];

	if (upstream_server(d, server, sizeof(server), e) < 0)
		return -1;
	if (strcmp(server, r->found) != 0)
		return err_set(e, ERR_relay_stream, "%s: another server answers (%s) than a moment ago (%s)",
			db_where(d), server, r->found);
	return 0;
}

static void set_writer(struct relay *r, uint64_t number)
{
	struct writer *w = &r->writer;

	io_close(&w->fd);
	buf_clear(&w->buf);
	w->number = number;
	w->written = 0;
}

static int begin_generation(
	struct relay *r, const char *server, const struct log *l, uint32_t number, struct err *e)
{
	/* What the old upstream sent last is complete on disk before the new one begins. */
	if (writer_save(&r->writer, e) < 0 ||
		store_add_generation(&r->store, server, l->base, l->number, number, e) < 0)
		return -1;
	set_writer(r, l->number);
	log_info("pulling from %s, beginning with %s.%06" PRIu64, server, l->base, l->number);
	return 0;
}

/* The newest file of the upstream whose head lies within the set; NULL: there is none. first: its head's set,
 * the caller's; NULL: not wanted. */
static int choose_with(struct relay *r, const struct logs *logs, const struct gtid_set *set,
	const struct log **out, struct gtid_set **first, struct err *e)
{
	char name[300];
	size_t i;

	*out = NULL;
	for (i = logs->n; i > 0 && !*out; i--) {
		struct head h = {0};

		binlog_name_make(name, sizeof(name), logs->list[i - 1].base, logs->list[i - 1].number);
		if (head_of_upstream(r, name, &h, e) < 0)
			return -1;
		if (h.complete && gtid_set_flavor(h.set) == gtid_set_flavor(set) &&
			gtid_set_contains(set, h.set))
			*out = &logs->list[i - 1];
		if (*out && first) {
			*first = h.set;
			h.set = NULL;
		}
		head_fini(&h);
	}
	return 0;
}

static int choose(struct relay *r, const struct logs *logs, const struct gtid_set *set,
	const struct log **out, struct err *e)
{
	return choose_with(r, logs, set, out, NULL, e);
}

/* What of the set the upstream has not executed. */
static int lacks(struct db *d, const struct gtid_set *set, struct buf *out, struct err *e)
{
	struct db_master_status m;
	struct gtid_set *theirs;

	if (db_master_status(d, &m, e) < 0)
		return -1;
	theirs = gtid_set_parse(gtid_set_flavor(set), str_of(m.gtid), e);
	free(m.gtid);
	if (!theirs)
		return -1;
	gtid_set_subtract_text(set, theirs, out);
	gtid_set_free(&theirs);
	return 0;
}

static int must_have(struct db *d, const char *text, struct err *e)
{
	enum flavor f = db_server(d)->flavor == FLAVOR_MARIADB ? FLAVOR_MARIADB : FLAVOR_MYSQL;
	struct gtid_set *set = gtid_set_parse(f, str_of(text), e);
	struct buf more = {0};
	int rc = set ? lacks(d, set, &more, e) : -1;

	gtid_set_free(&set);
	if (rc == 0 && more.n > 0)
		rc = err_set(e, ERR_relay_ahead, "%s: it lacks transactions that were applied before: %s",
			db_where(d), buf_cstr(&more));
	buf_free(&more);
	return rc;
}

/* What lies between the set and the upstream's binlog, executed there and not in it, nobody would get. */
static int must_have_logged(struct relay *r, struct db *d, const struct gtid_set *set, struct err *e)
{
	struct buf more = {0};
	int rc = unlogged_beyond(r, d, set, &more, e);

	if (rc == 0 && more.n > 0)
		rc = err_set(e, ERR_relay_gone,
			"%s: it has executed transactions that were not read yet, and does not have them in "
			"its binlog (purged, or log_replica_updates was off, or it was made from a copy): %s",
			db_where(d), buf_cstr(&more));
	buf_free(&more);
	return rc;
}

/* Where a task begins that has only a set: *l moves there if that is earlier. */
static int reach_set(struct relay *r, struct db *d, const struct logs *logs, const char *text,
	const struct log **l, struct err *e)
{
	enum flavor f = db_server(d)->flavor == FLAVOR_MARIADB ? FLAVOR_MARIADB : FLAVOR_MYSQL;
	struct gtid_set *set = gtid_set_parse(f, str_of(text), e);
	const struct log *found = NULL;
	struct buf more = {0};
	int rc = set ? choose(r, logs, set, &found, e) : -1;

	if (rc == 0 && lacks(d, set, &more, e) < 0)
		rc = -1;
	if (rc == 0 && more.n > 0)
		rc = err_set(e, ERR_relay_ahead,
			"%s: a task begins at a GTID set with %s, which it does not have", db_where(d),
			buf_cstr(&more));
	buf_free(&more);
	if (rc == 0)
		rc = must_have_logged(r, d, set, e);
	gtid_set_free(&set);
	if (rc == 0 && !found)
		rc = err_set(e, ERR_relay_gone,
			"%s: a task begins at the GTID set %s, and none of the binlog files that there are "
			"begins within it",
			db_where(d), text);
	if (rc == 0 && (!*l || found->number < (*l)->number))
		*l = found;
	return rc;
}

/* The file that is named; NULL: none is. */
static int named_file(
	struct relay *r, struct db *d, const struct logs *logs, const struct log **l, struct err *e)
{
	char base[256];
	uint64_t number;

	if (!*r->o.start_file)
		return 0;
	if (binlog_name_split(str_of(r->o.start_file), base, sizeof(base), &number, e) < 0)
		return -1;
	*l = logs_find(logs, base, number);
	if (r->o.start_wish && (!*l || r->o.start_offset > (*l)->size)) {
		log_warn("%s: it has no %s:%" PRIu64 " (any more), where a copy was begun", db_where(d),
			r->o.start_file, r->o.start_offset);
		*l = &logs->list[0];
		return 0;
	}
	if (!*l)
		return err_set(
			e, ERR_relay_gone, "%s: it has no file %s (any more)", db_where(d), r->o.start_file);
	if (r->o.start_offset > (*l)->size)
		return err_set(e, ERR_relay_ahead, "%s: %s has %" PRIu64 " bytes, the start is at %" PRIu64,
			db_where(d), r->o.start_file, (*l)->size, r->o.start_offset);
	return 0;
}

static bool has_sets(const struct relay *r)
{
	const json_t *set;
	size_t i;

	json_array_foreach(r->o.start_else, i, set)
		if (json_is_string(set) && *json_string_value(set))
			return true;
	return false;
}

/* Is the upstream's file of that name the one that another host's relay had read? */
static int is_proved(struct relay *r, struct db *d, const struct logs *logs, bool *same, struct err *e)
{
	struct head h = {0};
	const struct log *l;
	char base[256];
	uint64_t number;

	if (binlog_name_split(str_of(r->o.proof_file), base, sizeof(base), &number, e) < 0)
		return -1;
	l = logs_find(logs, base, number);
	/* A name alone proves nothing where the sets can tell. */
	*same = l && (r->o.proof_id || !has_sets(r));
	if (*same && r->o.proof_id) {
		if (head_of_upstream(r, r->o.proof_file, &h, e) < 0)
			return -1;
		*same = binlog_format_id(buf_str(&h.format)) == r->o.proof_id;
		head_fini(&h);
	}
	if (*same && r->o.proof_offset > l->size)
		return err_set(e, ERR_relay_ahead,
			"%s: %s has %" PRIu64 " bytes, and it was applied up to %" PRIu64, db_where(d),
			r->o.proof_file, l->size, r->o.proof_offset);
	return 0;
}

/* A set that is not there, or can't be reached: 0 where it may be so. */
static int reach_copy(struct relay *r, struct db *d, const struct logs *logs, const json_t *copy,
	const struct log **l, struct err *e)
{
	const char *set = json_text(copy, "gtid", ""), *server = json_text(copy, "server", "");
	struct err wrong = {0};

	if (*set && reach_set(r, d, logs, set, l, &wrong) == 0)
		return 0;
	if (!*set && *server)
		err_set(&wrong, ERR_relay_gone,
			"%s: a copy was made from another server (%s) than this one, and without GTIDs "
			"nobody can tell where to go on",
			db_where(d), server);
	if (wrong.code && (!json_flag(copy, "wish", false) ||
				  (wrong.code != ERR_relay_gone && wrong.code != ERR_relay_ahead))) {
		*e = wrong;
		return -1;
	}
	if (wrong.code)
		log_warn("a copy that is under way can't go on from where it was begun: %s", wrong.text);
	return 0;
}

/* Tasks that have applied nothing yet begin in files of the server of before: by their sets. A copy that is
 * under way goes on without, and begins anew where it must. */
static int reach_copies(
	struct relay *r, struct db *d, const struct logs *logs, const struct log **l, struct err *e)
{
	const json_t *copy;
	size_t i;

	json_array_foreach(r->o.start_copies, i, copy)
		if (reach_copy(r, d, logs, copy, l, e) < 0)
			return -1;
	return 0;
}

/* A copy is done that was made from another server: nothing of that one's files is here. */
static bool is_copied_elsewhere(const struct relay *r, const char *server)
{
	const json_t *copy;
	size_t i;

	json_array_foreach(r->o.start_copies, i, copy) {
		const char *from = json_text(copy, "server", "");

		if (*from && strcmp(from, server) != 0 && !json_flag(copy, "wish", false)) {
			log_info("a copy was made from %s, this is %s: going on by GTIDs", from, server);
			return true;
		}
	}
	return false;
}

/*
 * What another host has applied the upstream must have executed (T20). Where its files are not those that
 * were read there (it was switched, begun anew, or has purged them) the sets tell where to go on.
 */
static int begin_elsewhere(struct relay *r, struct db *d, const struct logs *logs, bool same,
	const struct log **l, struct err *e)
{
	const struct log *found;
	const json_t *set;
	bool any = false;
	size_t i;

	json_array_foreach(r->o.start_else, i, set) {
		if (!json_is_string(set) || !*json_string_value(set))
			continue;
		any = true;
		found = *l;
		/* Where the file is proved only that it has all of the set is asked. */
		if (same && must_have(d, json_string_value(set), e) < 0)
			return -1;
		if (!same && reach_set(r, d, logs, json_string_value(set), &found, e) < 0)
			return -1;
		*l = found;
	}
	if (!same && reach_copies(r, d, logs, l, e) < 0)
		return -1;
	if (same || any || !*r->o.proof_file)
		return 0;
	return err_set(e, ERR_relay_gone,
		"%s: it has no file %s (any more), that another host has read, and without GTIDs nobody can "
		"tell where to go on",
		db_where(d), r->o.proof_file);
}

/* The very first start: what is wanted, or the upstream's present file, from its head. */
static int place_first(
	struct relay *r, struct db *d, const char *server, const struct logs *logs, struct err *e)
{
	uint32_t number = r->o.start_generation;
	const struct log *l = NULL;
	const json_t *set;
	bool same = true;
	size_t i;

	if (number && is_proved(r, d, logs, &same, e) < 0)
		return -1;
	/* The copy's server is the first generation; this one comes behind it. */
	if (!number && is_copied_elsewhere(r, server)) {
		number = 1;
		same = false;
	}
	if (same && named_file(r, d, logs, &l, e) < 0)
		return -1;
	json_array_foreach(r->o.start_gtids, i, set)
		if (json_is_string(set) && reach_set(r, d, logs, json_string_value(set), &l, e) < 0)
			return -1;
	if (number && begin_elsewhere(r, d, logs, same, &l, e) < 0)
		return -1;
	return begin_generation(r, server, l ? l : &logs->list[logs->n - 1], same ? number : number + 1, e);
}

static int lacks_read(struct db *d, const struct buf *lost, struct err *e)
{
	return err_set(e, ERR_relay_ahead, "%s: it lacks transactions that were read before: %.*s",
		db_where(d), (int)lost->n, lost->p);
}

/*
 * T20: what we have, the upstream must have executed. in_files: the files where we read it are there, the
 * newest the same one by its head, as long as ours. Then MySQL has only not committed it yet: it sends what
 * stands in the binlog, and commits behind that, with semi-synchronous replication not before a replica has
 * answered.
 */
static int check_gtids(struct relay *r, struct db *d, bool in_files, struct err *e)
{
	struct buf before = {0}, lost = {0};
	int rc = surplus_gtids(d, r->writer.known.read, &before, e);

	if (rc == 0)
		rc = surplus_gtids(d, r->writer.track.set, &lost, e);
	if (rc < 0)
		rc = explain(d, e);
	else if (before.n > 0) /* of a server before: no file here shows that it is there */
		rc = lacks_read(d, &before, e);
	else if (lost.n > 0 && in_files && db_server(d)->flavor == FLAVOR_MYSQL)
		rc = err_set(e, ERR_relay_uncommitted,
			"%s: these transactions are in its binlog, and not committed there: %s", db_where(d),
			buf_cstr(&lost));
	else if (lost.n > 0)
		rc = lacks_read(d, &lost, e);
	buf_free(&before);
	buf_free(&lost);
	return rc;
}

/* The one error that says all that is known of what the upstream lost. */
static int lost_files(
	struct relay *r, struct db *d, const struct store_generation *g, struct position from, struct err *e)
{
	struct buf lost = {0}, list = {0};
	char first[300], last[300];
	struct position end = store_end(&r->store, first, sizeof(first));
	struct gtid_set *all = known_all(&r->writer.known, r->writer.track.set);
	struct err ignored;

	if (surplus_gtids(d, all, &lost, &ignored) < 0 || lost.n == 0)
		surplus_list(r, from, &list);
	binlog_name_make(first, sizeof(first), g->base, from.file);
	binlog_name_make(last, sizeof(last), g->base, end.file);
	err_set(e, ERR_relay_ahead,
		"%s: it lacks what was read before from %s:%" PRIu64 " to %s:%" PRIu64 "%s%s%s%s",
		db_where(d), first, from.offset, last, end.offset,
		lost.n ? ", transactions that are not there: " : "", buf_cstr(&lost),
		list.n ? ", GTIDs that are not there, or are others now: " : "", buf_cstr(&list));
	buf_free(&lost);
	buf_free(&list);
	gtid_set_free(&all);
	return -1;
}

/* A RESET MASTER, or a crash that lost files, gives old names to new files: the heads tell. */
static int is_same_file(struct relay *r, const struct store_generation *g, bool *same, struct err *e)
{
	struct head ours = {0}, theirs = {0};
	char path[STORE_PATH], name[300];
	int rc;

	store_path(&r->store, g->number, r->writer.number, path, sizeof(path));
	binlog_name_make(name, sizeof(name), g->base, r->writer.number);
	rc = head_of_file(r->store.dir, path, &ours, e);
	if (rc == 0)
		rc = head_of_upstream(r, name, &theirs, e);
	*same = rc == 0 && head_same(&ours, &theirs);
	head_fini(&ours);
	head_fini(&theirs);
	return rc;
}

static int place_same(struct relay *r, struct db *d, const struct store_generation *g,
	const struct logs *logs, struct err *e)
{
	const struct log *l = logs_find(logs, g->base, r->writer.number);
	const struct log *first = &logs->list[0];
	struct position from;
	bool same = true;
	char name[300];

	binlog_name_make(name, sizeof(name), g->base, r->writer.number);
	if (!l && r->writer.number < first->number)
		return err_set(e, ERR_relay_gone,
			"%s: %s is wanted next, its oldest file is %s.%06" PRIu64
			": nobody has what is between, so the copy is to be made anew: stop-task (or end the "
			"run), remove sources/%u/relay in the state folder, then start-task --remove-meta (a "
			"run whose copy was not complete: the same command)",
			db_where(d), name, first->base, first->number, r->env->slot);
	if (l && r->writer.written > 0 && is_same_file(r, g, &same, e) < 0)
		return -1;
	if (surplus_files(r, g, logs, !same, &from))
		return lost_files(r, d, g, from, e);
	/* The file before has ended, and this one does not begin before somebody writes: not listed yet. */
	if (!l && !logs_find(logs, g->base, r->writer.number - 1))
		return err_set(
			e, ERR_relay_ahead, "%s: it has no file %s, that was read before", db_where(d), name);
	return check_gtids(r, d, l && r->writer.written > 0, e);
}

/* Does another host know a generation that this log has not reached? */
static bool is_behind(struct relay *r)
{
	char base[256];

	return r->o.start_generation > store_end(&r->store, base, sizeof(base)).generation;
}

/* The newest file whose head lies within the set, where that is earlier than *l. */
static int reach_back(
	struct relay *r, const struct logs *logs, const char *text, const struct log **l, struct err *e)
{
	struct gtid_set *set = gtid_set_parse(gtid_set_flavor(r->writer.track.set), str_of(text), e);
	const struct log *found = NULL;
	int rc = set ? choose(r, logs, set, &found, e) : -1;

	gtid_set_free(&set);
	if (rc == 0 && found && found->number < (*l)->number)
		*l = found;
	return rc;
}

/*
 * Another host has followed a switch that this log, which is kept as a task still needs it, has not seen. The
 * upstream must have what was applied there; the file that was read from there, or one that begins within the
 * sets, is in the new generation, and the number is one that means nothing else.
 */
static int reach_elsewhere(struct relay *r, struct db *d, const struct logs *logs, const struct log **l,
	uint32_t *number, struct err *e)
{
	const struct log *found;
	const json_t *set;
	char base[256];
	uint64_t file;
	bool same;
	size_t i;

	if (is_proved(r, d, logs, &same, e) < 0 ||
		binlog_name_split(str_of(r->o.proof_file), base, sizeof(base), &file, e) < 0)
		return -1;
	*number = same ? r->o.start_generation : r->o.start_generation + 1;
	found = same ? logs_find(logs, base, file) : NULL;
	if (found && found->number < (*l)->number)
		*l = found;
	json_array_foreach(r->o.start_else, i, set) {
		const char *text = json_is_string(set) ? json_string_value(set) : "";

		if (must_have(d, text, e) < 0 || (!same && reach_back(r, logs, text, l, e) < 0))
			return -1;
	}
	return 0;
}

/* Was anything read that has one? The log's own end may have none yet, behind a switch. */
static bool has_gtids(struct relay *r)
{
	struct gtid_set *all = known_all(&r->writer.known, r->writer.track.set);
	bool has = r->writer.track.set && all && !gtid_set_empty(all);

	gtid_set_free(&all);
	return has;
}

/* As far as the binlog goes now, or for a bounded part of it: what comes later is looked at in the stream. */
static int look_through(struct binlog_stream *s, void *known, struct err *e)
{
	struct binlog_format f = {0};
	struct binlog_header h;
	struct str event;
	uint64_t bytes = 0;
	int rc = 0;

	while (rc == 0 && bytes < LOOK_BYTES && (rc = binlog_stream_next(s, &event, e)) > 0) {
		bytes += event.n;
		rc = binlog_read_header(event, &h, e);
		if (rc == 0 && h.type == BINLOG_FORMAT)
			rc = binlog_read_format(event, &f, e);
		else if (rc == 0)
			rc = known_event(known, event, &f, true, e);
	}
	return rc;
}

/*
 * Does the other server's binlog, from the file on where the log is to begin, go on behind what was read
 * (known.h)? Asked before anything of it is in the log, as long as there is a way back to the old server.
 */
static int goes_on(struct relay *r, const struct log *l, const struct known *next, struct err *e)
{
	struct known k = {.read = gtid_set_copy(next->read), .end = gtid_set_copy(next->end)};
	char name[300];
	int rc;

	binlog_name_make(name, sizeof(name), l->base, l->number);
	rc = head_stream(r, name, look_through, &k, e);
	known_fini(&k);
	return rc;
}

/* Has the binlog anything that is to be looked at so? */
static bool may_have_gaps(const struct known *next)
{
	return gtid_set_flavor(next->end) == FLAVOR_MARIADB;
}

/* The next generation is a file of another server. */
static int begin_next(struct relay *r, struct db *d, const char *server, const struct log *l, uint32_t number,
	const struct gtid_set *first, struct err *e)
{
	struct known next = known_next(&r->writer.known, r->writer.track.set);
	int rc = may_have_gaps(&next) ? goes_on(r, l, &next, e) : 0;

	/* All of it on disk before the generation is there. */
	if (rc == 0)
		rc = unlogged_note(r, d, first, e);
	if (rc == 0)
		rc = known_keep(&next, r->store.dir, e);
	if (rc == 0)
		rc = begin_generation(r, server, l, number, e);
	if (rc == 0)
		known_begin(&r->writer.known, &next);
	known_fini(&next);
	return rc;
}

/* end: where the log ends. */
static int switch_to(struct relay *r, struct db *d, const char *server, const struct logs *logs,
	const struct gtid_set *end, struct err *e)
{
	struct gtid_set *first = NULL, *in = unlogged_with(r, end, e);
	uint32_t number = 0;
	const struct log *l = NULL;
	int rc = in && check_gtids(r, d, false, e) == 0 && must_have_logged(r, d, end, e) == 0
			 ? choose_with(r, logs, in, &l, &first, e)
			 : -1;

	if (rc == 0 && !l)
		rc = err_set(e, ERR_relay_gone,
			"%s: this is another server (%s), and it has purged what comes next", db_where(d),
			server);
	if (rc == 0 && is_behind(r))
		rc = reach_elsewhere(r, d, logs, &l, &number, e);
	if (rc == 0)
		rc = begin_next(r, d, server, l, number, first, e);
	gtid_set_free(&first);
	gtid_set_free(&in);
	return rc;
}

static int place_switched(
	struct relay *r, struct db *d, const char *server, const struct logs *logs, struct err *e)
{
	struct gtid_set *end;
	int rc;

	if (!has_gtids(r))
		return err_set(e, ERR_relay_gone,
			"%s: this is another server (%s) or its binlog was renamed, and without GTIDs nobody "
			"can tell where to go "
			"on",
			db_where(d), server);
	end = known_end(&r->writer.known, r->writer.track.set);
	rc = switch_to(r, d, server, logs, end, e);
	gtid_set_free(&end);
	return rc;
}

static int place(struct relay *r, struct db *d, const struct logs *logs, struct err *e)
{
	char server[STORE_NAME], last[STORE_NAME];
	struct store_generation g;
	struct store_file f;
	bool nothing;

	if (upstream_server(d, server, sizeof(server), e) < 0)
		return -1;
	snprintf(r->found, sizeof(r->found), "%s", server);
	if (!store_last(&r->store, &g, &f, last, sizeof(last)))
		return place_first(r, d, server, logs, e);
	nothing = store_bytes(&r->store) == 0 && g.nfiles == 0 && !r->writer.known.end;
	/* The old server again, behind a switch to another one, is as good as a third one. */
	if (strcmp(server, last) == 0 && !is_behind(r) &&
		(nothing || strcmp(g.base, logs->list[0].base) == 0))
		return place_same(r, d, &g, logs, e);
	if (nothing)
		return place_first(r, d, server, logs, e);
	return place_switched(r, d, server, logs, e);
}

int upstream_place(struct relay *r, struct db *d, struct err *e)
{
	struct logs logs = {0};
	int rc = read_logs(d, &logs, e);

	if (rc == 0 && store_empty(&r->store))
		rc = unlogged_forget(r, e) < 0 ? -1 : known_forget(&r->writer.known, r->store.dir, e);
	if (rc == 0)
		rc = place(r, d, &logs, e);
	if (rc == 0)
		rc = unlogged_note(r, d, r->writer.track.set, e);
	free(logs.list);
	return rc;
}
