/*
 * What a new upstream sends again (T5, T20). Called by the reader with each transaction before it is queued.
 * MySQL's sets name each transaction. MariaDB's name the last one of a domain: what comes before it in that
 * domain is known too, what comes behind is new, whatever its number (numbers need not ascend without
 * gtid_strict_mode).
 */
#include "units/sync/overlap.h"

#include <string.h>

#include "common/base/log.h"

void overlap_begin(struct overlap *o, struct position at, const struct gtid_set *gtid, bool by_gtid)
{
	*o = (struct overlap){.generation = at.generation};
	if (!gtid)
		return;
	o->seen = gtid_set_copy(gtid);
	if (at.generation > 1 || by_gtid) /* the work may have ended in the middle of what came twice */
		o->before = gtid_set_copy(gtid);
}

void overlap_located(struct overlap *o, struct position at, struct gtid_set *head, struct gtid_set *start)
{
	gtid_set_free(&o->head);
	gtid_set_free(&o->start);
	o->head = head;
	o->head_generation = at.generation;
	o->start = start;
}

static int begin_generation(struct overlap *o, const struct trx *t, struct err *e)
{
	struct buf text = {0};

	if (!o->seen)
		return err_set(e, ERR_relay_gone,
			"the upstream is another server now, and this task began without GTIDs: nobody can "
			"tell what was applied already");
	gtid_set_free(&o->before);
	o->before = gtid_set_copy(o->seen);
	o->generation = t->start.generation;
	o->n = 0;
	gtid_set_text(o->before, &text);
	log_info("the upstream is another server now; known until here: %s", buf_cstr(&text));
	buf_free(&text);
	return 0;
}

static struct overlap_domain *domain_of(struct overlap *o, uint32_t domain)
{
	for (unsigned i = 0; i < o->n; i++)
		if (o->domains[i].domain == domain)
			return &o->domains[i];
	if (o->n == OVERLAP_DOMAINS)
		return NULL;
	o->domains[o->n] = (struct overlap_domain){.domain = domain};
	return &o->domains[o->n++];
}

static int other_history(const struct binlog_gtid_event *g, uint32_t server_id, uint64_t seq, struct err *e)
{
	char text[128];

	gtid_event_text(g, text, sizeof(text));
	return err_set(e, ERR_relay_ahead, "the upstream's binlog has %s where %u-%u-%llu was read before",
		text, g->domain, server_id, (unsigned long long)seq);
}

/* Behind a restart: nothing of the domain came since the task began, so its next transaction is the first
 * one. */
static bool is_at_its_start(const struct overlap *o, uint32_t domain, uint32_t server_id, uint64_t seq)
{
	uint32_t server;
	uint64_t last;

	return !o->start ||
	       (gtid_set_last(o->start, domain, &server, &last) && server == server_id && last == seq);
}

/*
 * The server may have been made from a copy later than what was handed on, and have nothing of what is
 * between in its binlog: then no file's head speaks of the domain, and its first number is too high.
 */
static int behind_a_gap(const struct overlap *o, const struct binlog_gtid_event *g, uint32_t server_id,
	uint64_t seq, struct err *e)
{
	char text[128];
	uint32_t server;
	uint64_t last;

	if (!o->head || o->head_generation != o->generation || g->seq <= seq + 1 ||
		gtid_set_last(o->head, g->domain, &server, &last) ||
		!is_at_its_start(o, g->domain, server_id, seq))
		return 0;
	gtid_event_text(g, text, sizeof(text));
	return err_set(e, ERR_relay_gone,
		"the upstream's binlog begins with %s in its GTID domain, and this task has all up to "
		"%u-%u-%llu: what is between is not in it (the server was made from a copy later than that)",
		text, g->domain, server_id, (unsigned long long)seq);
}

/* 1: seen before, 0: new. inside: the DDL of a CREATE TABLE … SELECT, whose rows come behind it with the same
 * GTID. */
static int maria_seen(struct overlap *o, const struct binlog_gtid_event *g, bool inside, struct err *e)
{
	struct overlap_domain *d = domain_of(o, g->domain);
	uint32_t server_id;
	uint64_t seq;

	if (!d)
		return err_set(e, ERR_relay_gone,
			"more than %u GTID domains after a switch to another upstream", OVERLAP_DOMAINS);
	if (d->over || !gtid_set_last(o->before, g->domain, &server_id, &seq))
		return 0;
	if (!d->under_way && behind_a_gap(o, g, server_id, seq, e) < 0)
		return -1;
	if (g->seq < seq) {
		d->under_way = true;
		return 1;
	}
	d->over = g->seq > seq || !inside;
	if (g->seq == seq)
		return g->server_id == server_id ? 1 : other_history(g, server_id, seq, e);
	return d->under_way ? other_history(g, server_id, seq, e) : 0;
}

static int seen_before(struct overlap *o, const struct trx *t, struct err *e)
{
	const struct binlog_gtid_event *g = &t->gtid;
	bool named = (t->has_gtid || t->inside) && !g->anonymous;

	if (!named)
		return t->kind == TRX_ROWS && t->raw.n == 0 && !t->large && !t->xa
			       ? 0
			       : err_set(e, ERR_relay_gone,
					 "a transaction without a GTID after a switch to another upstream: "
					 "nobody can tell whether it was applied already");
	return gtid_set_flavor(o->before) == FLAVOR_MARIADB && g->mariadb ? maria_seen(o, g, t->inside, e)
									  : gtid_set_has(o->before, g);
}

int overlap_pass(struct overlap *o, struct trx *t, struct err *e)
{
	int seen = 0;

	if (t->start.generation != o->generation && begin_generation(o, t, e) < 0)
		return -1;
	if (o->before)
		seen = seen_before(o, t, e);
	if (seen < 0)
		return -1;
	if (seen) {
		trx_empty(t);
		t->has_gtid = false; /* the set has it, and must not fall back to it */
	}
	return t->has_gtid && o->seen ? gtid_set_add(o->seen, &t->gtid, e) : 0;
}

void overlap_fini(struct overlap *o)
{
	gtid_set_free(&o->seen);
	gtid_set_free(&o->before);
	gtid_set_free(&o->head);
	gtid_set_free(&o->start);
}
