/*
 * The tables of a cutover whose rows are those of several sources. Called by cutover.c when all sources have
 * told theirs. A part that is missing must never make sums that are equal.
 */
#include "ctl/cutover_parts.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"

enum { DIGITS = 90, DIGITS_MAX = 72 }; /* of a sum; of what servers give */

/* Decimal numbers without a sign, of any length that servers give; "" counts as 0. */
static void add_decimal(char sum[DIGITS], const char *more)
{
	char out[DIGITS] = "";
	size_t n = strlen(sum), m = strlen(more), at = DIGITS - 1;
	int carry = 0;

	while ((n > 0 || m > 0 || carry > 0) && at > 0) {
		int digit = carry + (n > 0 ? sum[--n] - '0' : 0) + (m > 0 ? more[--m] - '0' : 0);

		out[--at] = (char)('0' + digit % 10);
		carry = digit / 10;
	}
	memmove(sum, out + at, DIGITS - at);
}

struct table {
	const char *target;
	char rows[DIGITS], sum[DIGITS];   /* of all sources */
	const char *down_rows, *down_sum; /* borrowed of the first that told */
	struct buf sources;               /* names */
	bool unread;                      /* a source has told what is no sum */
	const char *how;                  /* the first one's way to sum up what is downstream */
	bool alone;                       /* only the counts can be compared: ways differ */
	bool unsettled;                   /* not all of them have seen the same there */
	bool begun; /* each of them has begun to make things at this position, so it was equal */
};

/* NULL: no number. */
static const char *number_of(const json_t *part, const char *key, size_t which)
{
	const char *v = json_string_value(json_array_get(json_object_get(part, key), which));

	return v && strspn(v, "0123456789") == strlen(v) && strlen(v) <= DIGITS_MAX ? v : NULL;
}

static void add_part(struct table *t, const char *source, const json_t *finding)
{
	const json_t *part = json_object_get(finding, "part");
	const char *rows = number_of(part, "rows", 1), *sum = number_of(part, "sums", 1),
		   *our_rows = number_of(part, "rows", 0), *our_sum = number_of(part, "sums", 0);

	if (!rows || !sum || !our_rows || !our_sum) {
		t->unread = true;
		rows = sum = our_rows = our_sum = "";
	}
	if (t->sources.n == 0) {
		t->down_rows = rows;
		t->down_sum = sum;
		t->how = json_text(part, "how", "");
		t->begun = true;
	}
	t->begun &= json_flag(part, "begun", false);
	t->alone |= strcmp(json_text(part, "how", ""), t->how) != 0;
	t->unsettled |= strcmp(rows, t->down_rows) != 0 || (!t->alone && strcmp(sum, t->down_sum) != 0);
	buf_puts(&t->sources, t->sources.n ? ", " : "");
	buf_puts(&t->sources, source);
	add_decimal(t->rows, our_rows);
	add_decimal(t->sum, our_sum);
}

/* As numbers: "" is 0. */
static bool same(const char *a, const char *b)
{
	a += strspn(a, "0");
	b += strspn(b, "0");
	return strcmp(a, b) == 0;
}

static void say(const struct table *t, bool equal, bool rows, struct buf *what)
{
	const char *count = t->rows[0] ? t->rows : "0";

	buf_putf(what, "downstream %s, rows of %s: ", t->target,
		buf_cstr((struct buf *)(uintptr_t)&t->sources));
	if (t->begun)
		buf_puts(what, "equal when it was compared at this very position");
	else if (equal && t->alone)
		buf_putf(what,
			"%s rows; the sources have its columns in ways that have no common checksum, only "
			"the count is compared",
			count);
	else if (equal)
		buf_putf(what, "%s rows, equal", count);
	else if (t->unread)
		buf_puts(what, "a source's sum can't be read");
	else if (t->unsettled)
		buf_puts(what, "it changed while it was read");
	else if (!rows)
		buf_putf(what, "%s rows in these sources, %s downstream", count, t->down_rows);
	else
		buf_putf(what, "of %s rows some differ (checksum)", count);
}

static json_t *verdict(struct table *t)
{
	bool rows = same(t->rows, t->down_rows) && !t->unsettled && !t->unread,
	     equal = t->begun || (rows && (t->alone || same(t->sum, t->down_sum)));
	const char *state = !equal ? "fail" : t->alone && !t->begun ? "warn" : "success", *mend = "";
	struct buf what = {0};
	json_t *f;

	say(t, equal, rows, &what);
	if (!equal)
		mend = "ask for all sources of the task at once, those that were stopped too; find the rows, "
		       "mend them, then ask again";
	else if (t->alone && !t->begun)
		mend = "compare them by means of your own";
	f = json_pack("{s:s, s:s, s:s, s:s}", "item", "table", "state", state, "what", buf_cstr(&what),
		"mend", mend);
	buf_free(&what);
	return f;
}

static struct table *find(struct table *list, size_t *n, const char *target)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp(list[i].target, target) == 0)
			return &list[i];
	list[*n] = (struct table){.target = target, .down_rows = "", .down_sum = ""};
	return &list[(*n)++];
}

static bool is_part(const json_t *finding)
{
	return strcmp(json_text(finding, "state", ""), "part") == 0;
}

static size_t count(const json_t *sources)
{
	const json_t *s, *f;
	size_t i, k, n = 0;

	json_array_foreach(sources, i, s)
		json_array_foreach(json_object_get(s, "findings"), k, f)
			n += is_part(f);
	return n;
}

static void take_out(json_t *sources)
{
	json_t *s;
	size_t i;

	json_array_foreach(sources, i, s) {
		json_t *findings = json_object_get(s, "findings");

		for (size_t k = json_array_size(findings); k > 0; k--)
			if (is_part(json_array_get(findings, k - 1)))
				json_array_remove(findings, k - 1);
	}
}

unsigned cutover_parts_judge(json_t *sources)
{
	size_t all = count(sources), n = 0, i, k;
	struct table *list = xcalloc(all + 1, sizeof(*list));
	json_t *judged = json_array();
	const json_t *s, *f;

	json_array_foreach(sources, i, s)
		json_array_foreach(json_object_get(s, "findings"), k, f)
			if (is_part(f))
				add_part(find(list, &n, json_text(json_object_get(f, "part"), "target", "")),
					json_text(s, "source", ""), f);
	for (i = 0; i < n; i++) {
		json_array_append_new(judged, verdict(&list[i]));
		buf_free(&list[i].sources);
	}
	free(list);
	take_out(sources);
	if (n > 0)
		json_array_extend(json_object_get(json_array_get(sources, 0), "findings"), judged);
	json_decref(judged);
	return (unsigned)n;
}
