/*
 * Which of a copy's tables and ranges stay when its snapshot is lost. Called by the leader. Everything is
 * decided before anything is changed, and recorded in one transaction; a restart at any line decides the same
 * again.
 */
#include "units/load/resume.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/binlog/gtid.h"
#include "common/config/json.h"
#include "common/db/structure.h"
#include "units/load/dumplink.h"
#include "units/load/join.h"
#include "units/load/own.h"
#include "units/load/relaylink.h"
#include "units/load/target.h"

struct asking {
	struct load *l;
	struct db *c;
	const struct record *r;
	struct kept *k;
	const json_t *info; /* the dump's */
};

static struct plan_snapshot snapshot_of(const json_t *o)
{
	return (struct plan_snapshot){.file = (char *)(uintptr_t)json_text(o, "file", ""),
		.gtid = (char *)(uintptr_t)json_text(o, "gtid", ""),
		.offset = (uint64_t)json_num(o, "offset", 0)};
}

/* --- what happened in between --- */

/*
 * Does the later set hold all of the earlier one? Where it does not (RESET, and no relay log of before to
 * know it by), files of the same names are others. What can't be read as a set says nothing.
 */
static bool is_one_history(const char *earlier, const char *later)
{
	enum flavor f = strchr(earlier, ':') ? FLAVOR_MYSQL : FLAVOR_MARIADB;
	struct gtid_set *a = gtid_set_parse(f, str_of(earlier), NULL),
			*b = gtid_set_parse(f, str_of(later), NULL);
	bool good = !a || !b || gtid_set_contains(b, a);

	gtid_set_free(&a);
	gtid_set_free(&b);
	return good;
}

/* 1: looked at; 0: nothing can stay, `why` says so; -1. */
static int look_through(const struct asking *a, struct buf *why, struct err *e)
{
	const json_t *last = own_newest(a->r->own);
	struct plan_snapshot from = snapshot_of(last), to = snapshot_of(json_object_get(a->info, "snapshot"));
	struct scan *s;
	int r;

	if (strcmp(json_text(last, "identity", "?"), json_text(a->info, "identity", "")) != 0) {
		buf_puts(why, "the upstream is another server now");
		return 0;
	}
	from.server = to.server = (char *)(uintptr_t)json_text(last, "identity", "");
	if (!is_one_history(from.gtid, to.gtid)) {
		buf_puts(why, "the upstream's binlog was begun anew, its GTID set lacks what the copy has");
		return 0;
	}
	s = scan_new(a->l->rules);
	r = relaylink_scan(a->l, &from, &to, s, e);
	if (r == 0)
		buf_puts(why, e->text);
	if (r > 0 && scan_all(s)) {
		buf_puts(why, scan_all(s));
		r = 0;
	}
	if (r > 0)
		kept_scan(a->k, s);
	scan_free(&s);
	return r;
}

/* --- the downstream's side --- */

static int check_down(const struct asking *a, struct kept_table *t, struct err *e)
{
	struct structure *down;
	struct route_name to;
	bool found = false;

	if (route_table(rules_route(a->l->rules), str_of(t->schema), str_of(t->name), &to, e) < 0)
		return -1;
	if (!own_is_placed(a->r->own, t->schema, t->name, to.schema, to.table)) {
		t->why = "the task's routes lead elsewhere now";
		return 0;
	}
	down = db_structure(a->c, to.schema, to.table, &found, e);
	if (!down && e->code)
		return -1;
	if (!down)
		t->why = "it is not in the downstream any more";
	else if (!kept_is_whole(t))
		kept_converges(t->up, down, &t->why);
	structure_free(&down);
	return 0;
}

static int check_all_down(const struct asking *a, struct err *e)
{
	for (unsigned i = 0; i < a->k->n; i++)
		if (!a->k->t[i].why && check_down(a, &a->k->t[i], e) < 0)
			return err_add(e, "looking at what is loaded already");
	return 0;
}

/* --- merged tables --- */

/* Where it was loaded: of the record. */
static struct buf old_place(const struct asking *a, const struct kept_table *t)
{
	const json_t *v =
		json_object_get(json_object_get(json_object_get(a->r->own, "places"), t->schema), t->name);

	return v ? route_key(str_of(json_string_value(json_array_get(v, 0))),
			   str_of(json_string_value(json_array_get(v, 1))))
		 : route_key(str_of(t->schema), str_of(t->name));
}

/* By the rules of now, or as others were told when it was claimed. */
static bool is_shared(const struct asking *a, const struct kept_table *t, const struct route_name *to)
{
	struct err ignored;
	const char *schema, *name;

	own_place(a->r->own, t->schema, t->name, &schema, &name);
	return own_has(a->r->own, "shared", schema, name) ||
	       rules_shared(a->l->rules, str_of(t->schema), str_of(t->name), to, &ignored) != 0;
}

/*
 * By their old places: a table that goes elsewhere now, or is not wanted any more, has its rows there. What
 * is led there only now starts again anyway (check_down), so what is there must, too.
 */
static int keep_merged(const struct asking *a, struct err *e)
{
	struct kept *k = a->k;
	struct buf *old = xcalloc(k->n + 1, sizeof(*old)), *now = xcalloc(k->n + 1, sizeof(*now));
	int r = 0;

	for (unsigned i = 0; i < k->n; i++) {
		struct kept_table *t = &k->t[i];
		struct route_name to = {"", ""};

		if (!t->why && !rules_table(a->l->rules, str_of(t->schema), str_of(t->name)))
			t->why = "";
		if (r == 0)
			r = route_table(rules_route(a->l->rules), str_of(t->schema), str_of(t->name), &to, e);
		r = r < 0 ? -1 : 0;
		if (r == 0 && !t->why && !kept_is_whole(t) && is_shared(a, t, &to))
			t->why = "rows of other sources may come to its target";
		old[i] = old_place(a, t);
		now[i] = route_key(str_of(to.schema), str_of(to.table));
	}
	/* What one of the two says may be news to the other. */
	while (r == 0 && kept_merge(k, old) + kept_merge(k, now) > 0)
		;
	for (unsigned i = 0; i < k->n; i++) {
		buf_free(&old[i]);
		buf_free(&now[i]);
	}
	free(old);
	free(now);
	return r;
}

/* --- deciding --- */

static void say(const struct kept *k)
{
	uint64_t chunks = 0, rows = 0, bytes = 0;
	unsigned whole = 0, part = 0, anew = 0;

	for (unsigned i = 0; i < k->n; i++) {
		const struct kept_table *t = &k->t[i];

		if (t->why) {
			anew++;
			if (*t->why)
				log_info("table `%s`.`%s` is copied again: %s", t->schema, t->name, t->why);
			continue;
		}
		chunks += t->chunks;
		rows += t->rows;
		bytes += t->bytes;
		if (kept_is_whole(t))
			whole++;
		else
			part++;
	}
	log_info("the copy goes on under another snapshot: %" PRIu64 " chunks, %" PRIu64 " rows, %" PRIu64
		 " bytes stay; %u tables are complete, %u are read on, %u from their beginning",
		chunks, rows, bytes, whole, part, anew);
}

static bool any_stays(const struct kept *k)
{
	for (unsigned i = 0; i < k->n; i++)
		if (!k->t[i].why)
			return true;
	return false;
}

static int decide(const struct asking *a, struct err *e)
{
	struct buf why = {0};
	int r = look_through(a, &why, e);

	if (r == 0)
		log_warn("nothing of the copy that was interrupted can stay: %s", buf_cstr(&why));
	buf_free(&why);
	if (r <= 0)
		return r;
	if (check_all_down(a, e) < 0)
		return -1;
	if (rules_route(a->l->rules) && keep_merged(a, e) < 0)
		return -1;
	kept_tie(a->k, json_object_get(a->info, "ties"));
	return any_stays(a->k);
}

/* 1: some of it stays. */
static int judge(struct asking *a, struct err *e)
{
	if (kept_read(a->l, a->c, a->r, a->k, e) < 0)
		return -1;
	if (!any_stays(a->k)) {
		log_info("nothing of the copy that was interrupted is of use");
		return 0;
	}
	return decide(a, e);
}

static int tell(const struct asking *a, const char *copy_id, bool stays, struct err *e)
{
	struct buf text = {0};
	int r;

	if (stays) {
		json_t *wanted = kept_wanted(a->k);

		json_write(wanted, &text);
		json_decref(wanted);
	}
	r = dumplink_want(a->l, copy_id, a->r->copy_id, buf_str(&text), e);
	buf_free(&text);
	return r;
}

/* A copy of one moment alone can't be brought to another one without the binlog in between. */
static bool can_go_on(const struct load *l, const struct record *r)
{
	if ((r->stage != RECORD_LOAD && r->stage != RECORD_SCHEMA) || own_snapshots(r->own) == 0)
		return false;
	if (!l->follows)
		log_info(
			"this task does not follow the binlog, which alone could bring chunks of two moments "
			"together");
	return l->follows;
}

int resume_ask(struct load *l, struct db *c, const struct record *r, struct resume *u, struct err *e)
{
	struct asking a = {l, c, r, &u->kept, NULL};
	json_t *info = NULL;
	char *copy_id = NULL;
	int rc;

	if (!r->copy_id || !r->copy_id[0])
		return 0;
	rc = dumplink_snapshot(l, &copy_id, &info, e);
	a.info = info;
	/* The dump is still there, or its spool was complete. */
	if (rc == 0 && strcmp(copy_id, r->copy_id) != 0) {
		rc = can_go_on(l, r) ? judge(&a, e) : 0;
		if (rc >= 0) {
			u->on = rc > 0;
			rc = tell(&a, copy_id, u->on, e);
		}
		if (rc == 0 && u->on)
			say(&u->kept);
	}
	json_decref(info);
	free(copy_id);
	return rc < 0 ? -1 : 0;
}

void resume_fini(struct resume *u)
{
	kept_fini(&u->kept);
}

/* --- the new record --- */

static json_t *this_snapshot(const struct load *l)
{
	const struct plan_snapshot *s = &l->plan.snapshot;

	return json_pack("{s:s, s:s, s:I, s:s, s:s, s:b}", "copy_id", l->plan.copy_id, "file", s->file,
		"offset", (json_int_t)s->offset, "gtid", s->gtid, "identity", l->plan.identity, "follows",
		l->follows);
}

void resume_put_new(const struct load *l, json_t *own)
{
	json_object_del(own, "snapshots");
	json_object_del(own, "tables");
	own_add_snapshot(own, this_snapshot(l));
	for (unsigned i = 0; i < l->plan.tables.n; i++)
		own_set_table(own, l->plan.tables.p[i].schema, l->plan.tables.p[i].name, 0, 0, false);
}

/* A DDL that was not logged (sql_log_bin=0) would go unseen otherwise. */
static int check_structure(const struct plan_item *t, const struct kept_table *k, struct err *e)
{
	const struct structure *a = t->structure, *b = k->up;
	bool same = a->ncolumns == b->ncolumns;

	for (unsigned i = 0; same && i < a->ncolumns; i++)
		same = strcmp(a->columns[i].name, b->columns[i].name) == 0 &&
		       strcmp(a->columns[i].type, b->columns[i].type) == 0;
	if (same)
		return 0;
	return err_set(e, ERR_load_failed,
		"table `%s`.`%s` has other columns than when its copy began, and the binlog does not say "
		"why: stop the "
		"task, start it again with remove-meta",
		t->schema, t->name);
}

static int put_tables(const struct load *l, const struct resume *u, json_t *own, struct err *e)
{
	unsigned now = u->kept.snapshots;

	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		const struct plan_item *t = &l->plan.tables.p[i];
		const struct kept_table *k = kept_find(&u->kept, t->schema, t->name);

		if (!k || k->why) {
			own_set_table(own, t->schema, t->name, now, now, false);
			continue;
		}
		if (check_structure(t, k, e) < 0)
			return -1;
		own_set_table(own, t->schema, t->name, k->first, kept_is_whole(k) ? k->last : now, k->acts);
	}
	return 0;
}

/* The task's rules leave them out now. */
static void forget_unwanted(struct kept *k, const json_t *own)
{
	for (unsigned i = 0; i < k->n; i++)
		if (!own_has(own, "tables", k->t[i].schema, k->t[i].name))
			k->t[i].why = "";
}

int resume_begin(struct load *l, struct db *c, struct record *r, struct resume *u, struct err *e)
{
	json_t *own = json_object(), *snapshots = json_deep_copy(json_object_get(r->own, "snapshots"));
	int rc;

	if (strcmp(l->plan.goes_on, r->copy_id) != 0)
		rc = err_set(e, ERR_dump_changed, "the dump's plan does not go on where this copy was");
	else
		rc = target_claim(l, c, r->own, own, e);
	json_object_set_new(own, "snapshots", snapshots);
	json_object_del(own, "tables");
	own_add_snapshot(own, this_snapshot(l));
	if (rc == 0)
		rc = put_tables(l, u, own, e);
	if (rc == 0)
		rc = join_decide(l, c, r->copy_id, own, e);
	forget_unwanted(&u->kept, own);
	if (rc == 0)
		rc = record_go_on(l, c, own, &u->kept, join_verify, e);
	json_decref(r->own);
	r->own = own;
	return rc;
}

void resume_mark(struct load *l, const json_t *own)
{
	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		struct plan_item *t = &l->plan.tables.p[i];

		t->mixed = own_is_mixed(own, t->schema, t->name);
		/* Also if the others have left the task since: their rows are there. */
		t->shared = t->shared || own_has(own, "shared", t->to_schema, t->to_name);
	}
}
