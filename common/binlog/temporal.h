#pragma once
#include "common/base/buf.h"
#include "common/binlog/row.h"

/* Dates and times of the wire, old and new forms. Nobody outside this folder includes it. */

/* Bytes of a value; 0: not a temporal type. */
size_t temporal_size(uint8_t type, uint16_t meta);
struct temporal {
	bool negative; /* of a TIME */
	uint64_t year, month, day, hour, minute, second, micro;
};
/* The parts; a TIMESTAMP's in UTC. raw has temporal_size bytes. */
void temporal_read(const struct binlog_value *v, struct temporal *out);
/* 'YYYY-MM-DD hh:mm:ss.ffffff' with quotes; raw has temporal_size bytes. */
void temporal_put(struct buf *sql, const struct binlog_value *v);
