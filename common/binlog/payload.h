#pragma once
#include "common/binlog/event.h"

/*
 * MySQL's TRANSACTION_PAYLOAD (binlog_transaction_compression): the events of one transaction in one, without
 * checksums of their own. Read them with a format whose checksum is false.
 */
struct binlog_payload;

/* event must stay where it is while the payload is open. NULL with e. */
struct binlog_payload *binlog_payload_open(struct str event, const struct binlog_format *f, struct err *e);
/* 1: an event, borrowed until the next call; 0: the end; -1: e. */
int binlog_payload_next(struct binlog_payload *p, struct str *event, struct err *e);
void binlog_payload_close(struct binlog_payload **p);
