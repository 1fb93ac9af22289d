#pragma once
#include "units/load/csv.h"
#include "units/load/plan.h"

/* What a dump's file `metadata` says, whichever tool wrote it. */
struct metadata {
	struct plan_snapshot at; /* file "" and gtid "": it says nothing */
	bool two_places; /* of a dump without locks: what was written between the two may be in it or not */
	bool ours;       /* written by Tidegate; then: */
	int64_t files, rows; /* of data, in all; -1: it does not say */
	bool pending_xa;     /* what was prepared then is in neither the files nor the binlog behind them */
	struct server server;
	struct csv_dialect csv;
};

/* Both forms: the lines of dumpling and of mydumper up to 0.12, the sections of later ones. */
void metadata_read(struct str text, struct metadata *out);
void metadata_fini(struct metadata *m);
