/*
 * Before anything is served or pulled: is this log one that what is needed can be read from? Numbers of
 * sources are used again, and a source that comes back to a host may have been read on elsewhere, from
 * servers that this host has never seen: its generations would then be others under the same numbers. Called
 * once, by main.c; asks no server. Where it can't tell, the log stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/log.h"
#include "common/config/json.h"
#include "units/relay/head.h"
#include "units/relay/relay.h"

static const char owner_name[] = "source.json";
enum { OWNER_MAX = 4096 };

static json_t *owner_now(const struct relay *r)
{
	return json_pack("{s:s, s:s, s:i}", "source", json_text(r->env->config, "source", ""), "host",
		r->ep.host, "port", (int)r->ep.port);
}

/* Whose log it is; NULL: it does not say. */
static json_t *owner_read(int dir)
{
	struct buf b = {0};
	json_t *o = NULL;

	if (faccessat(dir, owner_name, F_OK, 0) == 0 &&
		io_read_file(dir, owner_name, OWNER_MAX, &b, NULL) == 0)
		o = json_parse(buf_str(&b), owner_name, NULL);
	buf_free(&b);
	return o;
}

static int owner_keep(int dir, const json_t *o, struct err *e)
{
	struct buf b = {0};
	int rc;

	json_write(o, &b);
	rc = io_replace_file(dir, owner_name, b.p, b.n, 0640, e);
	buf_free(&b);
	return rc;
}

static int discard(struct relay *r, const char *why, struct err *e)
{
	json_t *none = json_array();
	int rc;

	log_warn("the relay log is thrown away: %s", why);
	pins_keep(&r->pins, none);
	json_decref(none);
	if (store_discard(&r->store, e) < 0)
		return -1;
	rc = pins_save(&r->pins, true, e);
	return rc;
}

static int drop_of_others(struct relay *r, struct err *e)
{
	json_t *now = owner_now(r), *was = owner_read(r->store.dir);
	int rc = 0;

	if (was && !json_equal(was, now) && !store_empty(&r->store))
		rc = discard(r, "it is another source's", e);
	if (rc == 0 && (!was || !json_equal(was, now)))
		rc = owner_keep(r->store.dir, now, e);
	json_decref(now);
	json_decref(was);
	return rc;
}

/* The file is here: is it the one that was read elsewhere? A log that can't be read says nothing. */
static bool is_other(struct relay *r, const struct store_span *span)
{
	struct head h = {0};
	bool other = head_of_file(r->store.dir, span->path, &h, NULL) == 0 &&
		     binlog_format_id(buf_str(&h.format)) != r->o.proof_id;

	head_fini(&h);
	return other;
}

int stale_drop(struct relay *r, struct err *e)
{
	struct position at = {.generation = r->o.start_generation, .offset = 4};
	struct store_span span;
	char base[256];

	if (drop_of_others(r, e) < 0)
		return -1;
	if (at.generation == 0 || store_empty(&r->store) ||
		binlog_name_split(str_of(r->o.proof_file), base, sizeof(base), &at.file, NULL) < 0)
		return 0;
	switch (store_find(&r->store, at, &span)) {
	case STORE_BEYOND:
		return discard(r, "it ends before what is needed, which another host has pulled", e);
	case STORE_DATA:
		if (r->o.proof_id && span.at.file == at.file && is_other(r, &span))
			return discard(r, "it is another one than the source's of now", e);
		return 0;
	default:
		return 0;
	}
}
