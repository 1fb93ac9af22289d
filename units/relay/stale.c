/*
 * Before anything is served or pulled: is this log one that what is needed can be read from? Numbers of
 * sources are used again, and a source that comes back to a host may have been read on elsewhere, from
 * servers that this host has never seen: its generations would then be others under the same numbers. Called
 * once, by main.c; asks no server. Where it can't tell, the log stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
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

	log_warn("the relay log is thrown away: %s", why);
	pins_keep(&r->pins, none);
	json_decref(none);
	if (store_discard(&r->store, e) < 0)
		return -1;
	return pins_save(&r->pins, true, e);
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
static bool is_other(struct relay *r, const struct store_span *span, uint64_t id)
{
	struct head h = {0};
	bool other = head_of_file(r->store.dir, span->path, &h, NULL) == 0 &&
		     binlog_format_id(buf_str(&h.format)) != id;

	head_fini(&h);
	return other;
}

/* The last file ends with an event of that kind and size. */
static bool ends_with(int fd, uint8_t type, size_t n)
{
	char head[BINLOG_HEADER_SIZE];
	struct binlog_header h;
	off_t size = lseek(fd, 0, SEEK_END);

	return size >= (off_t)n && pread(fd, head, sizeof(head), size - (off_t)n) == sizeof(head) &&
	       binlog_read_header((struct str){head, sizeof(head)}, &h, NULL) == 0 && h.type == type &&
	       h.size == n && (h.log_pos == 0 || h.log_pos == (uint32_t)size);
}

/* The server has ended its file, and all of it is here: with the next one's name, or because it stopped. */
static bool is_whole(struct relay *r, struct position end, const char *base)
{
	enum { ROTATE_POSITION = 8 };
	char path[STORE_PATH], next[300];
	bool whole = false;
	int fd;

	store_path(&r->store, end.generation, end.file, path, sizeof(path));
	binlog_name_make(next, sizeof(next), base, end.file + 1);
	fd = openat(r->store.dir, path, O_RDONLY | O_CLOEXEC);
	for (size_t sum = 0; fd >= 0 && !whole && sum <= BINLOG_CHECKSUM_SIZE; sum += BINLOG_CHECKSUM_SIZE)
		whole = ends_with(fd, BINLOG_ROTATE,
				BINLOG_HEADER_SIZE + ROTATE_POSITION + strlen(next) + sum) ||
			ends_with(fd, BINLOG_STOP, BINLOG_HEADER_SIZE + sum);
	io_close(&fd);
	return whole;
}

/* What is needed begins with the file that comes next here, and the end of the one before is missing. */
static bool is_torn_before(struct relay *r, struct position at)
{
	char base[256];
	struct position end = store_end(&r->store, base, sizeof(base));

	return end.generation == at.generation && end.file < at.file && !is_whole(r, end, base);
}

/* The place is in a file that is here. */
static bool is_held(struct relay *r, const json_t *need)
{
	struct position at = {
		(uint32_t)json_num(need, "generation", 0), 0, (uint64_t)json_num(need, "offset", 0)};
	uint64_t id = strtoull(json_text(need, "head", "0"), NULL, 16);
	struct store_span span;
	char base[256];

	if (at.generation == 0 || binlog_name_split(str_of(json_text(need, "file", "")), base, sizeof(base),
					  &at.file, NULL) < 0)
		return false;
	if (store_find(&r->store, at, &span) != STORE_DATA)
		return false;
	at.offset = 4;
	return store_find(&r->store, at, &span) == STORE_DATA && !(id && is_other(r, &span, id));
}

/* Not what is known best of another host's, but a task that stood still, or one that follows, may need it. */
static int drop_unneeded(struct relay *r, const char *why, struct err *e)
{
	const json_t *need;
	size_t i;

	json_array_foreach(r->o.needs, i, need)
		if (is_held(r, need)) {
			log_warn("the relay log is kept, though %s: a task needs it from %s:%lld on", why,
				json_text(need, "file", ""), (long long)json_num(need, "offset", 0));
			return 0;
		}
	return discard(r, why, e);
}

static int drop_ended(struct relay *r, struct err *e)
{
	return drop_unneeded(r, "it ends before what is needed, which another host has pulled", e);
}

/* Did the task that begins there find other servers' files here? Else a log that begins behind its place is
 * one that was purged, as what was told of it may be older than what it has applied. */
static bool is_lost(struct relay *r, struct position at)
{
	const json_t *need;
	size_t i;

	json_array_foreach(r->o.needs, i, need)
		if (json_flag(need, "lost", false) && json_num(need, "generation", 0) == at.generation &&
			strcmp(json_text(need, "file", ""), r->o.proof_file) == 0)
			return true;
	return false;
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
		return drop_ended(r, e);
	case STORE_LIVE:
		return is_torn_before(r, at) ? drop_ended(r, e) : 0;
	case STORE_DATA:
		if (r->o.proof_id && span.at.file == at.file && is_other(r, &span, r->o.proof_id))
			return drop_unneeded(r, "it is another one than the source's of now", e);
		return 0;
	case STORE_GONE:
		return is_lost(r, at) ? drop_unneeded(r, "it is of other servers than what is needed", e) : 0;
	default:
		return 0;
	}
}
