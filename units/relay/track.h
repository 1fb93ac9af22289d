#pragma once
#include "common/base/buf.h"
#include "common/binlog/event.h"
#include "common/binlog/gtid.h"

/* The GTID set of whole transactions up to some place in the binlog. */
struct track {
	struct gtid_set *set; /* NULL until a file's head was seen */
	struct binlog_gtid_event pending;
	bool has_pending; /* a transaction has begun and its end was not seen */
	bool inside;      /* MySQL: by BEGIN or the like, a QUERY event is not its end */
	struct arena *scratch;
};

void track_fini(struct track *t);
/* Takes note of an event that is now in the relay log. */
int track_event(struct track *t, struct str event, const struct binlog_format *f, struct err *e);
void track_text(const struct track *t, struct buf *out);
