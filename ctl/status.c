/*
 * Makes sense of query-status answers for `tidegate run`: sums of several sources, errors, and when --until
 * synced is reached.
 */
#include "ctl/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/position.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"

static double num(const json_t *o, const char *key)
{
	return (double)json_num(o, key, 0);
}

static const json_t *raw(const json_t *subtask, const char *unit)
{
	return json_object_get(json_object_get(subtask, "tidegate"), unit);
}

static void read_error(const json_t *subtask, struct status_now *now)
{
	const json_t *error = json_object_get(json_object_get(subtask, "tidegate"), "error");

	if (json_num(error, "code", 0) == 0 || now->paused)
		return;
	err_set(&now->error, (enum err_code)json_num(error, "code", 0), "%s", json_text(error, "text", ""));
}

/* Sources are copied side by side: the last one to end ends it, and one whose end is unknown makes it
 * unknown. */
static void add_left(struct progress_now *s, const json_t *copy)
{
	double left = (double)json_num(copy, "left_s", -1);

	if (left < 0 && json_num(copy, "tables_done", 0) == json_num(copy, "tables_total", 0))
		left = json_num(copy, "tables_total", 0) > 0 ? 0 : -1;
	if (s->left_s >= 0)
		s->left_s = left < 0 || left > s->left_s ? left : s->left_s;
}

void status_add_copy(struct progress_now *s, const json_t *copy)
{
	s->tables_done += num(copy, "tables_done");
	s->tables_total += num(copy, "tables_total");
	s->rows_done += num(copy, "rows_done");
	s->rows_estimated += num(copy, "rows_estimated");
	s->bytes_done += num(copy, "bytes_done");
	s->bytes_estimated += num(copy, "bytes_estimated");
	s->rows_per_s += num(copy, "rows_s");
	s->bytes_per_s += num(copy, "bytes_s");
	add_left(s, copy);
}

static void add_sync(struct progress_now *s, const json_t *subtask)
{
	const json_t *sync = raw(subtask, "sync");

	s->transactions += num(sync, "transactions");
	s->changes += num(sync, "rows");
	if (num(sync, "lag_ms") > s->lag_ms)
		s->lag_ms = num(sync, "lag_ms");
	if (num(sync, "upstream_ms") > s->silent_ms)
		s->silent_ms = num(sync, "upstream_ms");
	if (!json_flag(sync, "lag_known", true))
		s->lag_unknown = true;
	if (!s->file[0]) {
		s->file = json_text(sync, "file", "");
		s->offset = num(sync, "offset");
	}
}

static void read_keys(const json_t *copy, struct status_now *now)
{
	const json_t *first = json_array_get(json_object_get(copy, "keys"), 0);

	if (first && !now->keys[0])
		snprintf(now->keys, sizeof(now->keys), "the keys of %s are being made",
			json_text(first, "table", ""));
}

static void read_subtask(const json_t *subtask, struct status_now *now, unsigned *copying)
{
	const char *unit = json_text(subtask, "unit", ""), *stage = json_text(subtask, "stage", "");

	read_error(subtask, now);
	status_add_copy(&now->show, raw(subtask, "copy"));
	read_keys(raw(subtask, "copy"), now);
	if (strcmp(stage, "Paused") == 0)
		now->paused = true;
	if (strcmp(stage, "Finished") != 0)
		now->finished = false;
	if (strcmp(unit, "Sync") == 0) {
		add_sync(&now->show, subtask);
	} else {
		now->syncing = false;
		++*copying;
	}
}

void status_read(const json_t *answer, struct status_now *now)
{
	const json_t *sources = json_object_get(answer, "sources"), *source, *subtask;
	unsigned copying = 0, count = 0;
	size_t i, k;

	*now = (struct status_now){.finished = true,
		.syncing = true,
		.answer = answer,
		.show = {.phase = "start", .file = "", .note = ""}};
	json_array_foreach(sources, i, source)
		json_array_foreach(json_object_get(source, "subTaskStatus"), k, subtask) {
			read_subtask(subtask, now, &copying);
			count++;
		}
	if (count == 0)
		now->finished = now->syncing = false;
	else if (now->finished)
		now->show.phase = "done";
	else if (now->syncing)
		now->show.phase = "sync";
	else if (now->show.tables_total > 0)
		now->show.phase = "load";
	if (now->error.code)
		now->show.note = now->error.text;
	else if (now->keys[0])
		now->show.note = now->keys;
}

json_t *status_notes(const json_t *answer)
{
	const json_t *source, *subtask;
	json_t *all = json_array(), *texts, *t;
	size_t i, k, n;

	json_array_foreach(json_object_get(answer, "sources"), i, source)
		json_array_foreach(json_object_get(source, "subTaskStatus"), k, subtask) {
			texts = json_object_get(raw(subtask, "copy"), "left_out");
			json_array_foreach(texts, n, t)
				if (json_is_string(t))
					json_array_append(all, t);
		}
	return all;
}

/* Is file:offset a at or behind b? By number, as both are of one upstream. */
static bool at_least(const char *file_a, uint64_t a, const char *file_b, uint64_t b)
{
	char base[256];
	uint64_t na, nb;

	if (binlog_name_split(str_of(file_a), base, sizeof(base), &na, NULL) < 0 ||
		binlog_name_split(str_of(file_b), base, sizeof(base), &nb, NULL) < 0)
		return false;
	return na != nb ? na > nb : a >= b;
}

/*
 * Was the upstream asked after we began to look? Another host's clock can't be compared with ours. But its
 * first new question that we see may have been under way to us when we began, the second one was not.
 */
static bool is_fresh(const struct status_end *end, struct status_source *s, uint64_t asked_ms)
{
	if (!asked_ms) /* nobody has told yet */
		return false;
	if (end->same_clock)
		return asked_ms >= end->begun_ms;
	if (s->looked && asked_ms != s->asked_ms)
		s->changes++;
	s->looked = true;
	s->asked_ms = asked_ms;
	return s->changes >= 2;
}

/* Takes the upstream's end as soon as it is one of our time; true once the sync is there. */
static bool source_reached(const json_t *source, const struct status_end *end, struct status_source *s)
{
	const json_t *relay = json_object_get(json_object_get(source, "tidegate"), "relay");
	const json_t *master = json_object_get(relay, "master");
	const json_t *sync = raw(json_array_get(json_object_get(source, "subTaskStatus"), 0), "sync");
	struct position at;

	if (!s->known) {
		if (!is_fresh(end, s, (uint64_t)json_num(master, "asked_ms", 0)) ||
			!*json_text(master, "file", ""))
			return false;
		s->known = true;
		snprintf(s->file, sizeof(s->file), "%s", json_text(master, "file", ""));
		s->offset = (uint64_t)json_num(master, "offset", 0);
		s->generation = (uint32_t)json_num(master, "generation", 1);
	}
	if (position_load(str_of(json_text(sync, "position", "")), &at, NULL) == 0 &&
		at.generation != s->generation) {
		/* The upstream was switched: what the old one had last is in the new one's files, so it is
		 * the new one's end that must be reached. */
		if (at.generation > s->generation)
			s->known = false;
		return false;
	}
	return at_least(
		json_text(sync, "file", ""), (uint64_t)json_num(sync, "offset", 0), s->file, s->offset);
}

static void make_room(struct status_end *end, size_t n)
{
	if (n <= end->n)
		return;
	end->sources = xrealloc(end->sources, n * sizeof(*end->sources));
	memset(end->sources + end->n, 0, (n - end->n) * sizeof(*end->sources));
	end->n = n;
}

int status_reached(const struct status_now *now, struct status_end *end)
{
	const json_t *sources = json_object_get(now->answer, "sources"), *source;
	bool all = true;
	size_t i;

	if (!now->syncing)
		return 0;
	if (end->begun_ms == 0)
		end->begun_ms = clock_ms();
	make_room(end, json_array_size(sources));
	json_array_foreach(sources, i, source)
		all &= source_reached(source, end, &end->sources[i]);
	return all;
}

void status_end_free(struct status_end *end)
{
	free(end->sources);
	*end = (struct status_end){0};
}

bool status_agent_online(const json_t *list_member)
{
	const json_t *members = json_object_get(list_member, "members"), *m, *w;
	size_t i, k;

	json_array_foreach(members, i, m)
		json_array_foreach(json_object_get(json_object_get(m, "worker"), "workers"), k, w)
			if (strcmp(json_text(w, "stage", "offline"), "offline") != 0)
				return true;
	return false;
}
