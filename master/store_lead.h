#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "master/etcd.h"
#include "master/store.h"

/* One of the masters of an etcd: its standing for election, in a thread of its own. */
struct lead;

/* Begins at once. conf must outlive it. */
struct lead *lead_new(const struct etcd_conf *conf, const struct store_self *self);
/* Gives the leadership up where it has it (2 s at most, where etcd does not answer). */
void lead_free(struct lead **l);
/*
 * The create revision of our leader key: what each write compares. 0: this process does not lead, or can't
 * be sure any more (T31: by CLOCK_BOOTTIME, counted from when the lease was asked for, with a margin).
 */
uint64_t lead_term(struct lead *l);
/* This term is over, whatever etcd thinks: its key is taken back, then we stand again. */
void lead_resign(struct lead *l, uint64_t term);
/* -1: with e, why the last turn failed; see store_trouble. */
int lead_trouble(struct lead *l, struct err *e);
/* away: gives a lead up, and does not stand until away is false again. */
void lead_evict(struct lead *l, bool away);
void lead_who(struct lead *l, struct store_leader *out);
/* See store_masters. */
json_t *lead_masters(struct lead *l, bool *known);
/* Into out of size bytes: the key that names the leader. */
void lead_key(const struct etcd_conf *conf, char *out, size_t size);
