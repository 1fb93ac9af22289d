/* Which tables of an interrupted copy stay, and what is missing of them: foreign keys, unique keys,
 * statements and images of the binlog in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "units/load/kept.h"
#include "units/load/own.h"

#define K(text) ((char *)(uintptr_t)(text))

struct fixture {
	struct kept k;
};

static json_t *parse(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	assert_non_null(o);
	return o;
}

static struct structure *structure(const char *text)
{
	struct err e = {0};
	json_t *o = parse(text);
	struct structure *s = structure_from_json(o, &e);

	assert_non_null(s);
	json_decref(o);
	return s;
}

static const char plain[] =
	"{\"schema\":\"d\",\"table\":\"t\",\"columns\":[{\"name\":\"id\",\"type\":\"int(11)\",\"kind\":"
	"\"int\",\"charset\":\"\","
	"\"collation\":\"\"},"
	"{\"name\":\"v\",\"type\":\"varchar(9)\",\"kind\":\"text\",\"charset\":\"utf8mb4\","
	"\"collation\":\"utf8mb4_bin\"}],"
	"\"keys\":[{\"name\":\"PRIMARY\",\"primary\":true,\"unique\":true,\"usable\":true,\"whole\":true,"
	"\"columns\":[0]}],\"key\":0}";

static struct structure *with_unique(const char *collation)
{
	struct structure *s = structure(plain);

	s->keys = xrealloc(s->keys, 2 * sizeof(*s->keys));
	s->keys[1] = (struct key){.name = xstrdup("v"), .unique = true, .whole = true, .ncolumns = 1};
	s->keys[1].columns = xcalloc(1, sizeof(unsigned));
	s->keys[1].columns[0] = 1;
	s->nkeys = 2;
	free(s->columns[1].collation);
	s->columns[1].collation = xstrdup(collation);
	return s;
}

/* Rows are named by a text; nkeys 2: a number is unique, too. */
static struct structure *with_key(const char *name, const char *collation, unsigned nkeys)
{
	struct structure *s = with_unique(collation);

	free(s->keys[1].name);
	free(s->keys[0].name);
	s->keys[1].name = xstrdup("n");
	s->keys[0].name = xstrdup(name);
	s->keys[0].columns[0] = 1;
	s->keys[1].columns[0] = 0;
	if (nkeys == 1) {
		free(s->keys[1].name);
		free(s->keys[1].columns);
		s->nkeys = 1;
	}
	return s;
}

/* One chunk of each table is there, and ends its only stretch where whole. */
static void begin(struct kept *k, const char *own, const char *whole)
{
	json_t *o = parse(own);

	kept_begin(k, o);
	json_decref(o);
	for (unsigned i = 0; i < k->n; i++) {
		struct kept_table *t = &k->t[i];
		struct gaps_chunk c = {0, strstr(whole, t->name) != NULL, K(""), K("[\"5\"]")};

		kept_add_stretch(t, 0, "", "", "");
		kept_add_chunk(t, 0, &c);
		t->chunks = 1;
		t->up = structure(plain);
	}
	kept_count(k);
}

static const struct kept_table *find(const struct kept *k, const char *name)
{
	const struct kept_table *t = kept_find(k, "d", name);

	assert_non_null(t);
	return t;
}

static void tie(struct kept *k, const char *ties)
{
	json_t *o = parse(ties);

	kept_tie(k, o);
	json_decref(o);
}

#define TWO_SNAPSHOTS "\"snapshots\":[{\"copy_id\":\"a\"},{\"copy_id\":\"b\"}]"

static void what_is_wanted_is_what_is_missing(void **state)
{
	struct kept k;
	json_t *wanted;
	char *text;

	(void)state;
	begin(&k, "{" TWO_SNAPSHOTS ",\"tables\":{\"d\":{\"done\":[0,0],\"part\":[0,1]}}}", "done");
	wanted = kept_wanted(&k);
	text = json_dumps(wanted, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, "{\"d\":{\"done\":[],\"part\":[{\"lo\":[\"5\"]}]}}");
	free(text);
	json_decref(wanted);
	assert_true(kept_is_whole(find(&k, "done")));
	assert_false(kept_is_whole(find(&k, "part")));
	kept_fini(&k);
}

static void nothing_loaded_or_no_place_starts_again(void **state)
{
	json_t *own = parse(
		"{" TWO_SNAPSHOTS ",\"tables\":{\"d\":{\"empty\":[0,0],\"keyless\":[0,0],\"lost\":[0,0]}}}");
	struct gaps_chunk c = {0, false, K(""), K("")};
	struct kept k;

	(void)state;
	kept_begin(&k, own);
	json_decref(own);
	kept_add_stretch(kept_find(&k, "d", "keyless"), 0, "", "", "");
	kept_add_chunk(kept_find(&k, "d", "keyless"), 0, &c);
	kept_add_chunk(kept_find(&k, "d", "lost"), 0, &c);
	for (unsigned i = 0; i < k.n; i++)
		k.t[i].up = structure(plain);
	kept_find(&k, "d", "keyless")->chunks = kept_find(&k, "d", "lost")->chunks = 1;
	kept_count(&k);
	assert_string_equal(find(&k, "empty")->why, "");
	assert_non_null(find(&k, "keyless")->why);
	assert_non_null(find(&k, "lost")->why);
	kept_fini(&k);
}

static void ties_that_act_want_one_moment(void **state)
{
	struct kept k;

	(void)state;
	/* Two whole ones of one moment stay; with one that is not, both start again. */
	begin(&k,
		"{" TWO_SNAPSHOTS
		",\"tables\":{\"d\":{\"a\":[0,0],\"b\":[0,0],\"c\":[0,1],\"e\":[0,0],\"f\":[1,1]}}}",
		"abef");
	tie(&k, "[[\"d\",\"a\",\"d\",\"b\",1],[\"d\",\"e\",\"d\",\"c\",1]]");
	assert_null(find(&k, "a")->why);
	assert_null(find(&k, "b")->why);
	assert_true(find(&k, "a")->acts);
	assert_non_null(find(&k, "c")->why);
	assert_non_null(find(&k, "e")->why);
	assert_null(find(&k, "f")->why);
	kept_fini(&k);
}

static void of_two_moments_they_start_again(void **state)
{
	struct kept k;

	(void)state;
	begin(&k, "{" TWO_SNAPSHOTS ",\"tables\":{\"d\":{\"a\":[0,0],\"b\":[1,1],\"c\":[0,0]}}}", "abc");
	/* Through the one in the middle, whichever of the ties acts. */
	tie(&k, "[[\"d\",\"a\",\"d\",\"c\",1],[\"d\",\"c\",\"d\",\"b\",0]]");
	assert_non_null(find(&k, "a")->why);
	assert_non_null(find(&k, "b")->why);
	assert_non_null(find(&k, "c")->why);
	kept_fini(&k);
}

static void ties_that_only_check_want_nothing(void **state)
{
	struct kept k;

	(void)state;
	begin(&k, "{" TWO_SNAPSHOTS ",\"tables\":{\"d\":{\"a\":[0,0],\"b\":[1,1],\"c\":[0,1]}}}", "ab");
	tie(&k, "[[\"d\",\"a\",\"d\",\"b\",0],[\"d\",\"c\",\"d\",\"c\",0]]");
	for (unsigned i = 0; i < k.n; i++) {
		assert_null(k.t[i].why);
		assert_false(k.t[i].acts);
	}
	/* To itself it changes rows that nobody names. */
	tie(&k, "[[\"d\",\"c\",\"d\",\"c\",1]]");
	assert_non_null(find(&k, "c")->why);
	assert_null(find(&k, "a")->why);
	kept_fini(&k);
}

static void one_that_starts_again_takes_its_neighbours(void **state)
{
	struct kept k;

	(void)state;
	begin(&k, "{" TWO_SNAPSHOTS ",\"tables\":{\"d\":{\"a\":[0,0],\"b\":[0,0]}}}", "ab");
	kept_find(&k, "d", "b")->why = "a statement";
	tie(&k, "[[\"d\",\"a\",\"d\",\"b\",1]]");
	assert_non_null(find(&k, "a")->why);
	kept_fini(&k);
	begin(&k, "{" TWO_SNAPSHOTS ",\"tables\":{\"d\":{\"a\":[0,0]}}}", "a");
	tie(&k, "[[\"d\",\"a\",\"d\",\"new\",1]]");
	assert_non_null(find(&k, "a")->why);
	kept_fini(&k);
}

static bool converges(struct structure *up, struct structure *down)
{
	const char *why = NULL;
	bool good = kept_converges(up, down, &why);

	assert_true(good == !why);
	structure_free(&up);
	structure_free(&down);
	return good;
}

static void place(struct buf *out, const char *name)
{
	buf_clear(out);
	buf_puts(out, name);
}

static void merged_ones_stay_or_start_again_together(void **state)
{
	struct buf places[5] = {0};
	struct kept k;
	const char *why;

	(void)state;
	begin(&k,
		"{" TWO_SNAPSHOTS ",\"tables\":{\"d\":{\"whole1\":[0,0],\"whole2\":[0,0],\"whole3\":[0,0],"
		"\"part\":[0,0],\"whole4\":[0,0]}}}",
		"whole1 whole2 whole3 whole4");
	assert_int_equal(k.n, 5);
	/* Each alone: part is read on, nothing is said. */
	for (unsigned i = 0; i < k.n; i++)
		place(&places[i], k.t[i].name);
	assert_int_equal(kept_merge(&k, places), 0);
	assert_null(find(&k, "part")->why);
	/* 1 and 2 are merged, 3 with the one that is not whole. */
	for (unsigned i = 0; i < k.n; i++)
		place(&places[i], strcmp(k.t[i].name, "whole1") == 0 || strcmp(k.t[i].name, "whole2") == 0
					  ? "both"
				  : strcmp(k.t[i].name, "whole4") == 0 ? "alone"
								       : "mixed");
	assert_int_equal(kept_merge(&k, places), 2);
	assert_null(find(&k, "whole1")->why);
	assert_null(find(&k, "whole2")->why);
	assert_null(find(&k, "whole4")->why);
	assert_non_null(find(&k, "whole3")->why);
	assert_non_null(find(&k, "part")->why);
	/* What starts again for another reason takes its neighbour along, and keeps its own words. */
	kept_find(&k, "d", "whole1")->why = why = "it is not wanted any more";
	assert_int_equal(kept_merge(&k, places), 1);
	assert_ptr_equal(find(&k, "whole1")->why, why);
	assert_non_null(find(&k, "whole2")->why);
	assert_null(find(&k, "whole4")->why);
	assert_int_equal(kept_merge(&k, places), 0);
	for (unsigned i = 0; i < k.n; i++)
		buf_free(&places[i]);
	kept_fini(&k);
}

static void unique_keys_must_be_the_upstreams(void **state)
{
	struct structure *other;

	(void)state;
	assert_true(converges(structure(plain), structure(plain)));
	/* The upstream's further one may be missing, one of the downstream's own may not be there. */
	assert_true(converges(with_unique("utf8mb4_bin"), structure(plain)));
	assert_false(converges(structure(plain), with_unique("utf8mb4_bin")));
	assert_true(converges(with_unique("utf8mb4_bin"), with_unique("utf8mb4_bin")));
	assert_false(converges(with_unique("utf8mb4_bin"), with_unique("utf8mb4_general_ci")));
	/* One that is alone and coarser: whoever meets in it is an error, as long as chunks are cut by it. */
	assert_true(converges(
		with_key("PRIMARY", "utf8mb4_bin", 1), with_key("PRIMARY", "utf8mb4_general_ci", 1)));
	assert_true(converges(with_key("u", "utf8mb4_bin", 1), with_key("u", "utf8mb4_general_ci", 1)));
	assert_false(converges(with_key("u", "utf8mb4_bin", 2), with_key("u", "utf8mb4_general_ci", 1)));
	assert_true(converges(with_key("u", "utf8mb4_bin", 2), with_key("u", "utf8mb4_bin", 1)));
	other = structure(plain);
	other->keys[0].columns[0] = 1;
	assert_false(converges(structure(plain), other));
	other = structure(plain);
	other->nkeys = 0;
	other->key = -1;
	free(other->keys[0].name);
	free(other->keys[0].columns);
	assert_false(converges(structure(plain), other));
}

static void what_is_there_twice_says_so(void **state)
{
	json_t *own = json_object();

	(void)state;
	own_add_snapshot(own, json_pack("{s:s}", "copy_id", "a"));
	own_set_table(own, "d", "x", 0, 0, false);
	assert_true(own_is_fresh(own, "d", "x"));
	assert_true(own_is_fresh(own, "d", "unknown"));
	own_add_snapshot(own, json_pack("{s:s}", "copy_id", "b"));
	own_set_table(own, "d", "y", 0, 1, false);
	own_set_table(own, "d", "z", 1, 1, false);
	assert_false(own_is_fresh(own, "d", "x"));
	assert_false(own_is_mixed(own, "d", "x"));
	assert_true(own_is_mixed(own, "d", "y"));
	assert_true(own_is_fresh(own, "d", "z"));
	assert_string_equal(json_text(own_oldest(own), "copy_id", ""), "a");
	own_set_table(own, "d", "x", 1, 1, false);
	own_set_table(own, "d", "y", 1, 1, false);
	assert_string_equal(json_text(own_oldest(own), "copy_id", ""), "b");
	json_decref(own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wanted_is_what_is_missing),
		cmocka_unit_test(nothing_loaded_or_no_place_starts_again),
		cmocka_unit_test(ties_that_act_want_one_moment),
		cmocka_unit_test(of_two_moments_they_start_again),
		cmocka_unit_test(ties_that_only_check_want_nothing),
		cmocka_unit_test(one_that_starts_again_takes_its_neighbours),
		cmocka_unit_test(merged_ones_stay_or_start_again_together),
		cmocka_unit_test(unique_keys_must_be_the_upstreams),
		cmocka_unit_test(what_is_there_twice_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
