/*
 * What all threads of the cutover share: findings, the end, connections. Called from everywhere in this
 * folder; must never call upwards.
 */
#include "units/cutover/cutover.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"

enum { FINDINGS_MAX = 2000 };

static void add(struct cutover *c, json_t *finding, bool fail)
{
	size_t n;

	if (!finding)
		finding =
			json_pack("{s:s, s:s, s:s, s:s}", "item", "findings", "state", fail ? "fail" : "warn",
				"what", "a finding that is no UTF-8: see the log", "mend", "");
	pthread_mutex_lock(&c->lock);
	n = json_array_size(c->findings);
	c->fails += fail;
	/* The whole travels in one message. */
	if (n == FINDINGS_MAX && fail)
		json_array_append_new(c->findings,
			json_pack("{s:s, s:s, s:s, s:s}", "item", "findings", "state", "fail", "what",
				"there is more than is told here", "mend", "mend these first"));
	if (n < FINDINGS_MAX)
		json_array_append_new(c->findings, finding);
	else
		json_decref(finding);
	pthread_mutex_unlock(&c->lock);
}

void cutover_part(struct cutover *c, const char *what, json_t *part)
{
	bool fits;

	pthread_mutex_lock(&c->lock);
	fits = json_array_size(c->findings) < FINDINGS_MAX;
	pthread_mutex_unlock(&c->lock);
	log_info("part: %s", what);
	add(c,
		json_pack("{s:s, s:s, s:s, s:s, s:o}", "item", "table", "state", "part", "what", what, "mend",
			"", "part", part),
		!fits);
}

void cutover_found(
	struct cutover *c, const char *item, const char *state, const char *mend, const char *what, ...)
{
	va_list ap;
	char *text;

	va_start(ap, what);
	text = xvasprintf(what, ap);
	va_end(ap);
	log_info("%s: %s", state, text);
	add(c, json_pack("{s:s, s:s, s:s, s:s}", "item", item, "state", state, "what", text, "mend", mend),
		strcmp(state, "fail") == 0);
	free(text);
}

/* Access denied to a database, a table, a column; a privilege that is missing, in its several forms. */
static bool is_denied(uint32_t number)
{
	return number == 1044 || number == 1142 || number == 1143 || number == 1227 || number == 1370 ||
	       number == 3530;
}

void cutover_failed(struct cutover *c, const char *item, const char *optional, const struct err *e)
{
	if (optional && is_denied(e->sql_errno))
		cutover_found(c, item, "warn", "tidegate grants --for cutover tells what is missing",
			"%s: %s", optional, e->text);
	else
		cutover_found(c, item, "fail",
			is_denied(e->sql_errno) ? "tidegate grants --for cutover tells what is missing"
						: err_info(e->code)->workaround,
			"%s", e->text);
}

bool cutover_no_go(struct cutover *c)
{
	bool no;

	pthread_mutex_lock(&c->lock);
	no = c->fails > 0;
	pthread_mutex_unlock(&c->lock);
	return no || cutover_stopping(c);
}

void cutover_stop(struct cutover *c)
{
	atomic_store(&c->stop, true);
	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < c->nconns; i++)
		db_interrupt(c->conns[i]);
	pthread_mutex_unlock(&c->lock);
}

struct db *cutover_connect(struct cutover *c, bool upstream, enum db_session session, struct err *e)
{
	/* A sum over a table takes as long as it takes. */
	struct db_options o = {.session = session, .upstream = upstream, .read_timeout_s = 86400};
	struct db *d = db_open(upstream ? &c->upstream : &c->downstream, &o, e);
	const struct server *s = d ? db_server(d) : NULL;

	if (!d)
		return NULL;
	/* Estimates and AUTO_INCREMENT values as they are now, not as a cache had them a day ago. */
	if (s->flavor == FLAVOR_MYSQL && s->version >= 80000 &&
		db_exec(d, STR_LIT("SET SESSION information_schema_stats_expiry=0"), e) < 0) {
		db_close(&d);
		return NULL;
	}
	pthread_mutex_lock(&c->lock);
	c->conns = xrealloc(c->conns, (c->nconns + 1) * sizeof(*c->conns));
	c->conns[c->nconns++] = d;
	pthread_mutex_unlock(&c->lock);
	return d;
}

void cutover_disconnect(struct cutover *c, struct db **d)
{
	if (!*d)
		return;
	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < c->nconns; i++)
		if (c->conns[i] == *d)
			c->conns[i] = c->conns[--c->nconns];
	pthread_mutex_unlock(&c->lock);
	db_close(d);
}
