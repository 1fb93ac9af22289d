/* Tests of the queue's bounds: a reader that found it full has work again before it is empty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/xalloc.h"
#include "units/sync/queue.h"

enum { SIZE = 1 << 20 };

static void count(void *arg)
{
	++*(unsigned *)arg;
}

static void put(struct queue *q)
{
	struct trx *t = xcalloc(1, sizeof(*t));

	buf_room(&t->raw, SIZE);
	t->raw.n = SIZE;
	queue_put(q, t);
}

static bool take(struct queue *q)
{
	struct position safe;
	struct trx *t = queue_take(q, 0, &safe);
	bool any = t != NULL;

	trx_free(&t);
	return any;
}

static void a_full_queue_calls_when_half_is_gone(void **state)
{
	unsigned woken = 0, left = 0;
	struct queue q;

	(void)state;
	queue_init(&q, count, &woken);
	while (queue_has_room(&q, 0))
		put(&q);
	while (woken == 0 && take(&q))
		;
	assert_int_equal(woken, 1);
	assert_true(queue_has_room(&q, 0));
	while (take(&q))
		left++;
	assert_in_range(left, QUEUE_BYTES / SIZE / 4, QUEUE_BYTES / SIZE / 2);
	/* Once is enough. */
	assert_int_equal(woken, 1);
	queue_fini(&q);
}

static void half_a_transaction_counts(void **state)
{
	unsigned woken = 0;
	struct queue q;

	(void)state;
	queue_init(&q, count, &woken);
	assert_true(queue_has_room(&q, 2 * QUEUE_BYTES)); /* or it would never be a whole one */
	put(&q);
	put(&q);
	assert_false(queue_has_room(&q, QUEUE_BYTES - SIZE));
	assert_true(queue_has_room(&q, QUEUE_BYTES - 4 * SIZE));
	/* Each one that is taken is a reason to look again. */
	assert_false(queue_has_room(&q, QUEUE_BYTES));
	take(&q);
	assert_int_equal(woken, 1);
	assert_false(queue_has_room(&q, QUEUE_BYTES));
	take(&q);
	assert_int_equal(woken, 2);
	assert_true(queue_has_room(&q, QUEUE_BYTES));
	queue_fini(&q);
}

static void nobody_is_called_who_does_not_wait(void **state)
{
	unsigned woken = 0;
	struct queue q;

	(void)state;
	queue_init(&q, count, &woken);
	for (unsigned i = 0; i < 2 * QUEUE_BYTES / SIZE; i++)
		put(&q);
	while (take(&q))
		;
	assert_int_equal(woken, 0);
	queue_fini(&q);
}

struct reader {
	struct queue *q;
	struct position safe;
};

static void *move_on(void *arg)
{
	struct reader *r = arg;

	queue_set_safe(r->q, r->safe);
	return NULL;
}

/* With a wait of a minute it would not come back in time. */
static void a_patient_one_hears_of_a_safe_position(void **state)
{
	struct reader r = {.safe = {1, 2, 300}};
	struct position safe = {0};
	unsigned woken = 0;
	struct queue q;
	pthread_t t;

	(void)state;
	queue_init(&q, count, &woken);
	r.q = &q;
	assert_int_equal(pthread_create(&t, NULL, move_on, &r), 0);
	assert_null(queue_take(&q, 60000, &safe));
	assert_int_equal(position_cmp(safe, r.safe), 0);
	pthread_join(t, NULL);
	/* It moved before. */
	queue_set_safe(&q, (struct position){1, 2, 400});
	assert_null(queue_take(&q, 60000, &safe));
	assert_int_equal(safe.offset, 400);
	/* One that has other things to do is not held up by it, nor woken for it. */
	queue_set_safe(&q, (struct position){1, 2, 500});
	assert_null(queue_take(&q, 0, &safe));
	assert_int_equal(safe.offset, 500);
	queue_fini(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_queue_calls_when_half_is_gone),
		cmocka_unit_test(half_a_transaction_counts),
		cmocka_unit_test(nobody_is_called_who_does_not_wait),
		cmocka_unit_test(a_patient_one_hears_of_a_safe_position),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
