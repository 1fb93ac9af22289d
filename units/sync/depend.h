#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Which transaction must wait for which, and in which lane each one goes (docs/design/apply.md,
 * "Scheduling"). Pure: numbers in, numbers out; no lock of its own.
 */
enum { LANES_MAX = 64, WINDOW_MAX = 65536 };

/* What a transaction touches. Equal hashes, equal things (at worst a few too many are equal). */
struct touch {
	uint64_t *keys; /* written: of any two transactions with one, the later waits for the earlier */
	size_t nkeys, keys_room;
	struct ref_use {
		uint64_t key;
		bool owner; /* else one of those who share it: they don't wait for each other */
	} * refs;
	size_t nrefs, refs_room;
	struct gate_use {
		uint64_t gate;
		bool exclusive; /* else shared: shared users don't wait for each other */
	} * gates;
	size_t ngates, gates_room;
	bool slow; /* it takes long: who need not wait for it is not to stand behind it */
};
void touch_key(struct touch *t, uint64_t key);
/* As a gate, for many: a key that a lane or two use at a time. */
void touch_ref(struct touch *t, uint64_t key, bool owner);
void touch_gate(struct touch *t, uint64_t gate, bool exclusive);
void touch_clear(struct touch *t);
void touch_fini(struct touch *t);

struct depend;

/* A lane that got more than run_rows in a row gives way to an idle one. */
struct depend *depend_new(unsigned lanes, uint64_t run_rows);
void depend_free(struct depend **d);

/* Where the next transaction goes, and which ones of other lanes must be committed before it begins. */
struct place {
	uint64_t seq; /* its number, from 1 */
	unsigned lane, nwaits;
	uint64_t waits[LANES_MAX];
};
/* Only when not depend_full. rows: its weight, also if it has none. */
void depend_place(struct depend *d, const struct touch *t, uint64_t rows, struct place *out);
/* The next transaction is nothing to anybody: committed already. Its number. */
uint64_t depend_pass(struct depend *d);
/* As many are under way as can be: depend_pop first. */
bool depend_full(const struct depend *d);
/* Nothing is under way. */
bool depend_empty(const struct depend *d);

/* The lane took so many rows off its queue and works on them; 0: it is done with all that it took. */
void depend_taken(struct depend *d, unsigned lane, uint64_t rows);
/* It gave so many back: they stand in its queue again. */
void depend_returned(struct depend *d, unsigned lane, uint64_t rows);
unsigned depend_busy(const struct depend *d);     /* lanes at work */
void depend_done(struct depend *d, uint64_t seq); /* it is committed */
bool depend_committed(const struct depend *d, uint64_t seq);
/* The oldest one under way, if it is committed: it leaves. False: there is none. */
bool depend_pop(struct depend *d, uint64_t *seq);
/* The oldest under way, and the number that the next one will get. */
uint64_t depend_oldest(const struct depend *d);
uint64_t depend_next(const struct depend *d);
size_t depend_size(const struct depend *d); /* keys remembered: memory */
