/*
 * Named failpoints of test builds (T45). The table is a file that the test and all processes map: the test
 * arms a row, the place counts its passes there and tells whether it fired, so that a run can prove that its
 * kills hit something.
 */
#include "common/base/failpoint.h"

#ifdef TIDEGATE_FAILPOINTS
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"

/* 64 bytes, little-endian, in the order of include/failpoint.def (docs/design/testing.md). */
struct record {
	char name[40];
	_Atomic uint32_t act;       /* enum failpoint_act */
	_Atomic uint32_t countdown; /* fires when a pass takes it to 0 */
	_Atomic uint32_t arg;       /* milliseconds of SLEEP at most, status of EXIT */
	_Atomic uint32_t passes, fired;
	uint32_t reserved;
};
_Static_assert(sizeof(struct record) == 64, "the tests rely on the size");

static struct record *records;

void failpoint_open(int fd)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0 || st.st_size < (off_t)(FP_COUNT * sizeof(struct record)))
		return;
	p = mmap(NULL, FP_COUNT * sizeof(struct record), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED)
		records = p;
}

/* One pass counts an armed record down; true for the pass that reaches 0, once, whichever process it is in.
 */
static int fires(struct record *r)
{
	uint32_t left = atomic_load(&r->countdown);

	while (left > 0)
		if (atomic_compare_exchange_weak(&r->countdown, &left, left - 1))
			return left == 1;
	return 0;
}

/* Until the test disarms the place, or its time is over. */
static void wait_here(const struct record *r)
{
	uint64_t end = clock_ms() + atomic_load(&r->arg);

	while (atomic_load(&r->act) == FP_ACT_SLEEP && clock_ms() < end)
		clock_sleep_ms(5);
}

int failpoint_hit(enum failpoint fp)
{
	struct record *r = records ? &records[fp] : NULL;

	if (!r)
		return 0;
	atomic_fetch_add(&r->passes, 1);
	if (atomic_load(&r->act) == FP_ACT_NONE || !fires(r))
		return 0;
	atomic_fetch_add(&r->fired, 1);
	switch (atomic_load(&r->act)) {
	case FP_ACT_KILL:
		/* The box forbids kill(): this signal can't be caught either. */
		raise(SIGKILL);
		_exit(137);
	case FP_ACT_EXIT:
		_exit((int)atomic_load(&r->arg));
	case FP_ACT_SLEEP:
		wait_here(r);
		return 0;
	default:
		return 1;
	}
}
#else
/* An ISO C file holds at least one declaration. */
extern int failpoint_none_;
#endif
