/*
 * The readers' pins: the relay log is never purged at or behind the slowest one. A small JSON file, replaced
 * as a whole; a position that a crash loses here only keeps files for longer. Called by the main thread.
 */
#include "units/relay/pins.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/config/json.h"

static const char file[] = "pins";
enum { PINS_MAX = 16 << 20, SAVE_MS = 1000, READER_MAX = 255 };

static int check(const json_t *list, struct err *e)
{
	struct position at;
	const char *reader;
	json_t *v;

	json_object_foreach((json_t *)list, reader, v)
		if (!json_is_string(v) || position_load(str_of(json_string_value(v)), &at, e) < 0)
			return err_set(e, ERR_relay_parse, "%s: the pin of %s can't be read", file, reader);
	return 0;
}

int pins_load(struct pins *p, int dir, struct err *e)
{
	struct buf b = {0};

	p->dir = dir;
	p->list = NULL;
	if (faccessat(dir, file, F_OK, 0) < 0 && errno == ENOENT)
		p->list = json_object();
	else if (io_read_file(dir, file, PINS_MAX, &b, e) == 0)
		p->list = json_parse(buf_str(&b), file, e);
	buf_free(&b);
	if (!p->list)
		return -1;
	if (!json_is_object(p->list))
		return err_set(e, ERR_relay_parse, "%s is no JSON object", file);
	return check(p->list, e);
}

void pins_fini(struct pins *p)
{
	json_decref(p->list);
	p->list = NULL;
}

int pins_set(struct pins *p, struct str reader, struct position at, struct err *e)
{
	char text[64];
	const char *was;

	if (reader.n == 0 || reader.n > READER_MAX)
		return err_set(e, ERR_proto, "a reader's name of %zu bytes", reader.n);
	was = json_string_value(json_object_getn(p->list, reader.p, reader.n));
	if (position_is_zero(at)) {
		p->changed |= was != NULL;
		json_object_deln(p->list, reader.p, reader.n);
		return 0;
	}
	position_store(at, text, sizeof(text));
	if (was && strcmp(was, text) == 0)
		return 0;
	if (memchr(reader.p, 0, reader.n) ||
		json_object_setn_new(p->list, reader.p, reader.n, json_string(text)) < 0)
		return err_set(e, ERR_proto, "a reader's name that is no UTF-8 text");
	p->changed = true;
	return 0;
}

bool pins_has(const struct pins *p, struct str reader)
{
	return json_object_getn(p->list, reader.p, reader.n) != NULL;
}

struct position pins_slowest(const struct pins *p, const char **whose)
{
	struct position slowest = {0, 0, 0}, at;
	const char *reader;
	json_t *v;

	json_object_foreach(p->list, reader, v) {
		if (position_load(str_of(json_string_value(v)), &at, NULL) < 0)
			continue;
		if (!position_is_zero(slowest) && position_cmp(at, slowest) >= 0)
			continue;
		slowest = at;
		if (whose)
			*whose = reader;
	}
	return slowest;
}

void pins_keep(struct pins *p, const json_t *readers)
{
	const char *reader;
	void *next;
	json_t *v;

	json_object_foreach_safe(p->list, next, reader, v)
		if (!json_among(readers, reader)) {
			json_object_del(p->list, reader);
			p->changed = true;
		}
}

int pins_save(struct pins *p, bool now, struct err *e)
{
	struct buf b = {0};
	int r;

	if (!p->changed || (!now && clock_ms() - p->saved_ms < SAVE_MS))
		return 0;
	json_write(p->list, &b);
	r = io_replace_file(p->dir, file, b.p, b.n, 0640, e);
	buf_free(&b);
	p->saved_ms = clock_ms();
	if (r == 0)
		p->changed = false;
	return r;
}
