#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "master/etcd.h"
#include "master/store.h"

/*
 * Which masters of an etcd are there: each has a key, held by a lease of its own, whether it leads or not.
 * For the election's thread alone.
 */
struct present;

/* conf must outlive it. A self without an address is nobody's master, and tells nothing. */
struct present *present_new(const struct etcd_conf *conf, const struct store_self *self);
void present_free(struct present **p);
/*
 * Where it is time: keeps our key, which says whether we stand for election, and reads everybody's into *all
 * (new reference: [{name, address, stands, since: etcd's revision}], each name and address once), in ms at
 * most. *all stays NULL where it was not time, or nothing could be read; -1 may come with a list.
 */
int present_turn(struct present *p, struct etcd *etcd, bool stands, uint64_t ms, json_t **all, struct err *e);
/* The next turn is due at once. */
void present_hurry(struct present *p);
/* Our key says so from now on: before anybody else can lead because of it. -1: it may, or may not. */
int present_tell(struct present *p, struct etcd *etcd, bool stands, struct err *e);
/* At the end. */
void present_leave(struct present *p, struct etcd *etcd, unsigned ms);
