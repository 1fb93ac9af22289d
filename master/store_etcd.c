/*
 * The store of several masters: etcd, a key a document, all below one prefix:
 *   PREFIX/leader         who leads, held by its lease (store_lead.c)
 *   PREFIX/master/LEASE   a master that is there (store_present.c)
 *   PREFIX/meta/cluster   the cluster's id; it is written last, so what has none is no whole store
 *   PREFIX/meta/import    the id of a cluster whose rows are being moved in; gone when that is done
 *   PREFIX/meta/version   of this layout
 *   PREFIX/meta/revision  "revision token": the token is new with each commit
 *   PREFIX/TABLE/KEY      the documents
 * Each write is one transaction that compares the leader key's create revision and meta/revision: it is done
 * in the term that it was meant for and on what it was made from, or not at all. A reply that is lost costs
 * nothing: the same transaction sent again finds its own token. What stays unknown ends the term; the next
 * load says what was. Called by store.c; it never logs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/io.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "master/etcd.h"
#include "master/store_lead.h"
#include "master/store_unique.h"

enum {
	VERSION = 1,
	COMMIT_MS = 5000,
	LOAD_MS = 5000,
	PAGE = 256, /* rows a question; fewer where that fails */
	PAGE_CUT = 16,
	LOADS = 2, /* that may fail in a term */
	IMPORT_ROWS = 50,
	IMPORT_BYTES = 512 << 10, /* a request; etcd takes 1.5 MiB unless told otherwise */
	KEY = 512,
	STATE = 48,
};

struct store {
	struct store_head head;
	const struct etcd_conf *conf;
	struct etcd *etcd;
	struct lead *lead;
	struct unique *unique;
	uint64_t term;     /* of the last load; 0: load first */
	char state[STATE]; /* meta/revision as it is by our knowledge */
	char leader_key[KEY], revision_key[KEY], cluster_key[KEY], version_key[KEY], import_key[KEY];
	unsigned failed; /* loads, one after the other */
};

/* What a load finds beside the tables. */
struct found {
	char cluster[33], import[33], state[STATE];
	uint64_t version;
	size_t rows;
};

static int not_leader(struct err *e)
{
	return err_set(e, ERR_not_leader, "this master does not lead (any more)");
}

/* Nothing more in this term: what was done is not known, or somebody else was there. */
static void end_term(struct store *s)
{
	lead_resign(s->lead, s->term);
	s->term = 0;
}

static void row_key(const struct store *s, enum store_table t, const char *key, char out[KEY])
{
	snprintf(out, KEY, "%s/%s/%s", s->conf->prefix, store_table_names[t], key);
}

static int new_state(uint64_t revision, char out[STATE], struct err *e)
{
	char token[17];

	if (io_random_hex(token, 8, e) < 0)
		return -1;
	snprintf(out, STATE, "%" PRIu64 " %s", revision, token);
	return 0;
}

/* ---- reading ---- */

static int damaged(const char *key, struct err *e)
{
	return err_set(e, ERR_store, "etcd: %s is damaged", key);
}

static void take_text(const struct buf *value, char *out, size_t size)
{
	snprintf(out, size, "%.*s", (int)value->n, value->p ? value->p : "");
}

/* The key behind the prefix, "/meta/…". */
static void take_meta(struct found *f, const char *key, struct buf *value)
{
	if (strcmp(key, "/meta/cluster") == 0)
		take_text(value, f->cluster, sizeof(f->cluster));
	else if (strcmp(key, "/meta/import") == 0)
		take_text(value, f->import, sizeof(f->import));
	else if (strcmp(key, "/meta/revision") == 0)
		take_text(value, f->state, sizeof(f->state));
	else if (strcmp(key, "/meta/version") == 0)
		f->version = strtoull(buf_cstr(value), NULL, 10);
}

static int take_document(
	json_t *table, const char *full, const char *key, const struct buf *value, struct err *e)
{
	json_t *doc = json_parse(buf_str(value), full, e);

	if (json_is_object(doc) && json_object_set_new(table, key, doc) == 0)
		return 0;
	if (!json_is_object(doc))
		json_decref(doc);
	return damaged(full, e);
}

/* Keys that are not ours to know are left alone. */
static int take_row(
	struct store *s, const json_t *row, json_t *tables[STORE_TABLES], struct found *f, struct err *e)
{
	struct buf key = {0}, value = {0};
	const char *name;
	int r = 0;

	if (etcd_row_bytes(row, "key", &key) < 0 || etcd_row_bytes(row, "value", &value) < 0) {
		r = damaged(s->conf->prefix, e);
	} else {
		name = buf_cstr(&key) + strlen(s->conf->prefix);
		take_meta(f, name, &value);
		for (int t = 0; t < STORE_TABLES && r == 0; t++) {
			size_t n = strlen(store_table_names[t]);

			if (strncmp(name + 1, store_table_names[t], n) != 0 || name[n + 1] != '/')
				continue;
			f->rows++;
			r = take_document(tables[t], buf_cstr(&key), name + n + 2, &value, e);
		}
	}
	buf_free(&key);
	buf_free(&value);
	return r;
}

/* From the key `from` on, at the revision (0: now) that the first page was of. */
static json_t *page_request(const struct store *s, const struct buf *from, uint64_t revision, unsigned limit)
{
	char end[KEY], at[24], most[24];
	int n = snprintf(end, sizeof(end), "%s0", s->conf->prefix); /* '0' follows '/' */

	snprintf(at, sizeof(at), "%" PRIu64, revision);
	snprintf(most, sizeof(most), "%u", limit);
	return json_pack("{s:o, s:o, s:s, s:s}", "key", etcd_b64(from->p, from->n), "range_end",
		etcd_b64(end, (size_t)n), "revision", at, "limit", most);
}

/* gRPC takes 4 MiB a message unless told otherwise; and a page may be too large for an attempt's time. */
static bool may_be_smaller(struct store *s, unsigned limit, const struct err *e)
{
	if (limit == 1 || (s->term != 0 && lead_term(s->lead) != s->term))
		return false;
	return e->code == ERR_store_away || strstr(e->text, "larger than max");
}

/* A smaller page has all of the time for one attempt. */
static int ask_page(struct store *s, const struct buf *from, uint64_t revision, unsigned *limit,
	json_t **answer, struct err *e)
{
	for (;;) {
		json_t *request = page_request(s, from, revision, *limit);
		int r;

		etcd_set_patience(s->etcd, *limit < PAGE ? LOAD_MS : 0);
		r = etcd_post(s->etcd, "/v3/kv/range", request, LOAD_MS, answer, e);
		etcd_set_patience(s->etcd, 0);
		json_decref(request);
		if (r == 0 || !may_be_smaller(s, *limit, e))
			return r;
		*limit /= PAGE_CUT;
	}
}

/* One page's rows; from becomes the next page's first key, empty where there is none. */
static int take_page(struct store *s, const json_t *answer, json_t *tables[STORE_TABLES], struct found *f,
	struct buf *from, struct err *e)
{
	const json_t *rows = json_object_get(answer, "kvs"), *row = NULL;
	size_t i, n = json_array_size(rows);

	json_array_foreach(rows, i, row)
		if (take_row(s, row, tables, f, e) < 0)
			return -1;
	buf_clear(from);
	if (n > 0 && json_flag(answer, "more", false)) {
		etcd_row_bytes(json_array_get(rows, n - 1), "key", from);
		buf_putc(from, '\0');
	}
	return 0;
}

/* All below the prefix, as it was at one moment. */
static int read_all(struct store *s, json_t *tables[STORE_TABLES], struct found *f, struct err *e)
{
	struct buf from = {0};
	uint64_t revision = 0;
	unsigned limit = PAGE;
	int r;

	buf_putf(&from, "%s/", s->conf->prefix);
	do {
		json_t *answer;

		r = ask_page(s, &from, revision, &limit, &answer, e);
		if (r == 0) {
			revision = revision ? revision : etcd_revision(answer);
			r = take_page(s, answer, tables, f, &from, e);
			json_decref(answer);
		}
	} while (r == 0 && from.n > 0);
	buf_free(&from);
	return r;
}

/* ---- writing ---- */

/* The comparisons of each write. */
static json_t *conditions(const struct store *s)
{
	return json_pack(
		"[o, o]", etcd_if_created(s->leader_key, s->term), etcd_if_value(s->revision_key, s->state));
}

/* What a refused write is told by: who leads, and what the store is at. */
static json_t *witnesses(const struct store *s)
{
	return json_pack("[o, o]", etcd_op_range(s->leader_key), etcd_op_range(s->revision_key));
}

static void add_change(const struct store *s, json_t *ops, const struct store_change *c)
{
	struct buf body = {0};
	char key[KEY];

	row_key(s, c->table, c->key, key);
	if (c->doc)
		json_write(c->doc, &body);
	json_array_append_new(ops, c->doc ? etcd_op_put(key, buf_str(&body), 0) : etcd_op_delete(key));
	buf_free(&body);
}

/* A refused transaction: an earlier sending of it was done, or why it can't be any more. */
static int judge(struct store *s, const json_t *answer, const char *state, struct err *e)
{
	struct buf there = {0};
	const json_t *leader = etcd_row(answer, 0), *revision = etcd_row(answer, 1);
	bool ours, done;

	ours = leader && etcd_u64(leader, "create_revision") == s->term;
	done = revision && etcd_row_bytes(revision, "value", &there) == 0 && str_is(buf_str(&there), state);
	buf_free(&there);
	if (done)
		return 0;
	end_term(s);
	return ours ? err_set(e, ERR_request_stale, "another master has written to the store since")
		    : not_leader(e);
}

/*
 * Refused by etcd itself (too large, no space): nothing was done, unless an earlier sending was. One without
 * an answer may be under way still: only the term's end makes sure that it can't be done later.
 */
static int settle(struct store *s, const char *state, struct err *e)
{
	struct buf there = {0};
	struct err why = {0};
	uint64_t revision;
	json_t *row;
	bool done, known, unsure = etcd_unsure(s->etcd);

	known = e->code != ERR_store_away &&
		etcd_get(s->etcd, s->revision_key, COMMIT_MS, &row, &revision, &why) == 0;
	done = known && row && etcd_row_bytes(row, "value", &there) == 0 && str_is(buf_str(&there), state);
	if (known)
		json_decref(row);
	buf_free(&there);
	if (!known || (unsure && !done))
		end_term(s);
	return done ? 0 : -1;
}

/* Sends it; 0: it is done. */
static int send_txn(struct store *s, json_t *request, const char *state, struct err *e)
{
	json_t *answer;
	int r = etcd_post(s->etcd, "/v3/kv/txn", request, COMMIT_MS, &answer, e);

	json_decref(request);
	if (r < 0)
		return settle(s, state, e);
	if (!etcd_succeeded(answer))
		r = judge(s, answer, state, e);
	json_decref(answer);
	return r;
}

static int etcd_commit(
	struct store *s, uint64_t revision, const struct store_change *changes, size_t n, struct err *e)
{
	char state[STATE];
	json_t *ops;

	if (s->term == 0 || lead_term(s->lead) != s->term)
		return not_leader(e);
	if (unique_check(s->unique, changes, n, e) < 0 || new_state(revision, state, e) < 0)
		return -1;
	ops = json_pack("[o]", etcd_op_put(s->revision_key, str_of(state), 0));
	for (size_t i = 0; i < n; i++)
		add_change(s, ops, &changes[i]);
	if (send_txn(s, etcd_txn(conditions(s), ops, witnesses(s)), state, e) < 0)
		return -1;
	unique_apply(s->unique, changes, n);
	memcpy(s->state, state, STATE);
	s->head.revision = revision;
	return 0;
}

/* The last write of a store's making: now it is one. */
static int found_cluster(struct store *s, const char *cluster, uint64_t revision, struct err *e)
{
	char state[STATE];
	json_t *ifs, *ops;

	if (new_state(revision, state, e) < 0)
		return -1;
	ifs = json_pack(
		"[o, o]", etcd_if_created(s->leader_key, s->term), etcd_if_created(s->cluster_key, 0));
	ops = json_pack("[o, o, o, o]", etcd_op_put(s->revision_key, str_of(state), 0),
		etcd_op_put(s->version_key, STR_LIT("1"), 0), etcd_op_delete(s->import_key),
		etcd_op_put(s->cluster_key, str_of(cluster), 0));
	if (send_txn(s, etcd_txn(ifs, ops, witnesses(s)), state, e) < 0)
		return -1;
	memcpy(s->state, state, STATE);
	snprintf(s->head.cluster, sizeof(s->head.cluster), "%s", cluster);
	s->head.revision = revision;
	return 0;
}

/* ---- loading ---- */

static int make_cluster(struct store *s, struct err *e)
{
	char id[33];

	if (io_random_hex(id, 16, e) < 0)
		return -1;
	return found_cluster(s, id, 1, e);
}

/* Is what was found a store, and still the one that it was? */
static int check_found(struct store *s, const struct found *f, struct err *e)
{
	char *end;

	if (f->version > VERSION)
		return err_set(e, ERR_store,
			"etcd: %s is of a newer Tidegate (version %" PRIu64 ", this one knows %d)",
			s->conf->prefix, f->version, VERSION);
	if (s->head.cluster[0] && strcmp(s->head.cluster, f->cluster) != 0)
		return err_set(e, ERR_store,
			"etcd: %s holds another cluster (%s) than before (%s), or none any more",
			s->conf->prefix, f->cluster, s->head.cluster);
	if (!f->cluster[0] && (f->rows > 0 || f->state[0] || f->import[0]))
		return err_set(e, ERR_store,
			"etcd: %s holds rows, but no cluster's id: it was not made to its end, "
			"or something was removed",
			s->conf->prefix);
	if (!f->cluster[0])
		return make_cluster(s, e);
	s->head.revision = strtoull(f->state, &end, 10);
	if (s->head.revision == 0 || *end != ' ')
		return damaged(s->revision_key, e);
	memcpy(s->state, f->state, STATE);
	memcpy(s->head.cluster, f->cluster, sizeof(s->head.cluster));
	return 0;
}

/* One that can't read what it is to lead by lets another one try. */
static int read_whole(struct store *s, json_t *tables[STORE_TABLES], struct found *f, struct err *e)
{
	if (read_all(s, tables, f, e) == 0) {
		s->failed = 0;
		return 0;
	}
	if (e->code == ERR_store_away && ++s->failed == LOADS) {
		s->failed = 0;
		end_term(s);
	}
	return -1;
}

static int etcd_load(struct store *s, json_t *tables[STORE_TABLES], struct err *e)
{
	struct found f = {0};

	s->term = lead_term(s->lead);
	if (s->term == 0)
		return not_leader(e);
	if (read_whole(s, tables, &f, e) < 0 || check_found(s, &f, e) < 0 ||
		unique_load(s->unique, tables, e) < 0) {
		s->term = 0;
		return -1;
	}
	return lead_term(s->lead) == s->term ? 0 : not_leader(e);
}

/* ---- the rest ---- */

static void etcd_close(struct store *s)
{
	lead_free(&s->lead);
	etcd_free(&s->etcd);
	unique_free(&s->unique);
	free(s);
}

static uint64_t etcd_term(struct store *s)
{
	return lead_term(s->lead);
}

static void etcd_leader(struct store *s, struct store_leader *out)
{
	lead_who(s->lead, out);
}

static int etcd_trouble(struct store *s, struct err *e)
{
	return lead_trouble(s->lead, e);
}

static void etcd_evict(struct store *s, bool away)
{
	lead_evict(s->lead, away);
}

static json_t *etcd_masters(struct store *s, bool *known)
{
	return lead_masters(s->lead, known);
}

static const struct store_ops etcd_ops = {
	etcd_close, etcd_term, etcd_leader, etcd_load, etcd_commit, etcd_trouble, etcd_evict, etcd_masters};

struct store *store_open_etcd(const struct etcd_conf *conf, const struct store_self *self)
{
	struct store *s = xcalloc(1, sizeof(*s));

	s->head.ops = &etcd_ops;
	s->conf = conf;
	s->etcd = etcd_new(conf, NULL);
	s->unique = unique_new();
	lead_key(conf, s->leader_key, sizeof(s->leader_key));
	snprintf(s->revision_key, KEY, "%s/meta/revision", conf->prefix);
	snprintf(s->cluster_key, KEY, "%s/meta/cluster", conf->prefix);
	snprintf(s->import_key, KEY, "%s/meta/import", conf->prefix);
	snprintf(s->version_key, KEY, "%s/meta/version", conf->prefix);
	s->lead = lead_new(conf, self);
	return s;
}

/* ---- moving a file's content in ---- */

/* A part of the rows, as long as there is no cluster yet and we lead. */
static int import_rows(struct store *s, json_t *ops, struct err *e)
{
	json_t *ifs, *request, *answer;
	int r = 0;

	ifs = json_pack(
		"[o, o]", etcd_if_created(s->leader_key, s->term), etcd_if_created(s->cluster_key, 0));
	request = etcd_txn(ifs, ops, json_array());
	r = etcd_post(s->etcd, "/v3/kv/txn", request, COMMIT_MS, &answer, e);
	json_decref(request);
	if (r < 0)
		return -1;
	if (!etcd_succeeded(answer))
		r = not_leader(e);
	json_decref(answer);
	return r;
}

static int import_table(struct store *s, enum store_table t, const json_t *rows, struct err *e)
{
	json_t *ops = json_array(), *doc;
	const char *key;
	size_t bytes = 0;
	int r = 0;

	json_object_foreach((json_t *)(uintptr_t)rows, key, doc) {
		size_t size = json_dumpb(doc, NULL, 0, JSON_COMPACT);

		if (json_array_size(ops) == IMPORT_ROWS || (bytes > 0 && bytes + size > IMPORT_BYTES)) {
			r = import_rows(s, ops, e);
			ops = json_array();
			bytes = 0;
			if (r < 0)
				break;
		}
		add_change(s, ops, &(struct store_change){t, key, doc});
		bytes += size;
	}
	if (r == 0 && json_array_size(ops) > 0)
		return import_rows(s, ops, e);
	json_decref(ops);
	return r;
}

/* Says whose rows these will be, and takes away what an import of the same that was cut off has left. */
static int import_begin(struct store *s, const char *cluster, struct err *e)
{
	json_t *ops = json_pack("[o]", etcd_op_put(s->import_key, str_of(cluster), 0));
	char folder[KEY];

	for (int t = 0; t < STORE_TABLES; t++) {
		snprintf(folder, sizeof(folder), "%s/%s", s->conf->prefix, store_table_names[t]);
		json_array_append_new(ops, etcd_op_delete_below(folder));
	}
	return import_rows(s, ops, e);
}

/* Rows that nothing says are ours are not ours to delete. */
static int import_room(const struct store *to, const struct store *from, const struct found *f, struct err *e)
{
	if (f->cluster[0])
		return err_set(e, ERR_store,
			"etcd: %s is in use already (cluster %s, revision %.20s): take another "
			"prefix, or remove it",
			to->conf->prefix, f->cluster, f->state);
	if ((f->rows > 0 || f->import[0]) && strcmp(f->import, store_cluster(from)) != 0)
		return err_set(e, ERR_store,
			"etcd: %s holds rows that are not of a move of this file: take another prefix, or "
			"remove them",
			to->conf->prefix);
	return 0;
}

int store_import_check(struct store *to, const struct store *from, bool *done, struct err *e)
{
	const struct store_head *file = (const struct store_head *)(const void *)from;
	uint64_t there;
	json_t *tables[STORE_TABLES];
	struct found f = {0};
	int r;

	for (int t = 0; t < STORE_TABLES; t++)
		tables[t] = json_object();
	r = read_all(to, tables, &f, e);
	for (int t = 0; t < STORE_TABLES; t++)
		json_decref(tables[t]);
	if (r < 0)
		return -1;
	/* A greater revision: masters have worked by it since, and only a file on its way is that of before.
	 */
	there = strtoull(f.state, NULL, 10);
	*done = strcmp(f.cluster, store_cluster(from)) == 0 &&
		(there == file->revision || (file->moving && there > file->revision));
	return *done ? 0 : import_room(to, from, &f, e);
}

int store_import(struct store *to, struct store *from, const char *url, struct err *e)
{
	json_t *tables[STORE_TABLES];
	bool done = false;
	int r = 0;

	to->term = lead_term(to->lead);
	if (to->term == 0)
		return not_leader(e);
	if (store_import_check(to, from, &done, e) < 0)
		return -1;
	if (done)
		return 0;
	if (import_begin(to, store_cluster(from), e) < 0 || store_load(from, tables, e) < 0)
		return -1;
	for (int t = 0; t < STORE_TABLES && r == 0; t++)
		r = import_table(to, (enum store_table)t, tables[t], e);
	if (r == 0)
		r = store_mark_moving(from, url, e);
	if (r == 0)
		r = found_cluster(to, store_cluster(from), store_revision(from), e);
	for (int t = 0; t < STORE_TABLES; t++)
		json_decref(tables[t]);
	return r;
}
