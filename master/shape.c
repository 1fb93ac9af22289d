/*
 * DM's words for what units tell: "30.52 %", "(mysql-bin.000003, 4711)", 64-bit numbers as texts. Called by
 * status_cmd.c. Pure functions of a report; what a unit has not told yet is zero or empty, as in DM.
 */
#include "master/shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/position.h"
#include "common/config/json.h"

static json_t *text_num(double v)
{
	return json_sprintf("%.0f", v > 0 ? v : 0);
}

static double num(const json_t *o, const char *key)
{
	return (double)json_num(o, key, 0);
}

static json_t *percent(double done, double total, bool complete)
{
	return json_sprintf("%.2f %%", copy_percent(done, total, complete));
}

json_t *shape_position(const char *file, int64_t offset)
{
	return file[0] ? json_sprintf("(%s, %" PRId64 ")", file, offset) : json_string("");
}

static bool is_phase(const json_t *u, const char *phase)
{
	return strcmp(json_text(u, "phase", ""), phase) == 0;
}

json_t *shape_dump(const json_t *u, const struct speed *sp)
{
	bool complete = is_phase(u, "serve") || is_phase(u, "done");

	return json_pack("{s:o, s:f, s:f, s:f, s:f, s:o, s:o}", "totalTables",
		text_num(num(u, "tables_total")), "completedTables", num(u, "tables_done"), "finishedBytes",
		num(u, "bytes_done"), "finishedRows", num(u, "rows_done"), "estimateTotalRows",
		num(u, "rows_estimated") > num(u, "rows_done") ? num(u, "rows_estimated")
							       : num(u, "rows_done"),
		"bps", text_num(sp ? sp->dump_bps : 0), "progress",
		percent(num(u, "rows_done"), num(u, "rows_estimated"), complete));
}

json_t *shape_load(const json_t *report, const struct speed *sp)
{
	const json_t *at = json_object_get(json_object_get(report, "load"), "snapshot");
	struct copy_now n;

	copy_read(report, &n);
	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o}", "finishedBytes", text_num(n.bytes), "totalBytes",
		text_num(n.bytes_whole), "progress", percent(n.bytes, n.bytes_whole, n.complete),
		"metaBinlog", shape_position(json_text(at, "file", ""), json_num(at, "offset", 0)),
		"metaBinlogGTID", json_text(at, "gtid", ""), "bps", text_num(sp ? sp->load_bps : 0));
}

/* Are file and offset at or behind the master's end? Names of one server compare by their number. */
static bool caught_up(const char *file, int64_t offset, const json_t *master)
{
	const char *end = json_text(master, "file", "");
	uint64_t a, b;
	char base[256];

	if (!file[0] || !end[0] || binlog_name_split(str_of(file), base, sizeof(base), &a, NULL) < 0 ||
		binlog_name_split(str_of(end), base, sizeof(base), &b, NULL) < 0)
		return false;
	return a != b ? a > b : offset >= json_num(master, "offset", 0);
}

/* Behind a switch of the upstream names begin anew: only places of one relay generation compare. */
static bool same_generation(const json_t *sync, const json_t *master)
{
	struct position at;

	return position_load(str_of(json_text(sync, "position", "")), &at, NULL) < 0 ||
	       at.generation == json_num(master, "generation", 1);
}

static double average(double now, double first, const struct speed *sp, uint64_t now_ms)
{
	double seconds = sp ? (double)(now_ms - sp->first_ms) / 1000 : 0;

	return sp && seconds >= 1 && now > first ? (now - first) / seconds : 0;
}

/* What is paused falls behind all the while; its last word is of when it still ran. */
static double lag_seconds(const json_t *u, const struct speed *sp, uint64_t now_ms)
{
	return (num(u, "lag_ms") + (sp && sp->still_ms ? (double)(now_ms - sp->still_ms) : 0)) / 1000;
}

/* Of the last few seconds, while it runs. */
static json_t *recent(const json_t *u, const char *key, const struct speed *sp)
{
	return text_num(sp && sp->still_ms ? 0 : num(u, key));
}

json_t *shape_sync(const json_t *u, const json_t *relay, const struct speed *sp, uint64_t now_ms)
{
	const json_t *master = json_object_get(relay, "master");
	const char *file = json_text(u, "file", "");
	double rows = num(u, "rows"), transactions = num(u, "transactions");
	json_t *o = json_object();

	json_object_set_new(o, "totalEvents", text_num(rows + num(u, "ddls")));
	json_object_set_new(
		o, "totalTps", text_num(average(transactions, sp ? sp->first_transactions : 0, sp, now_ms)));
	json_object_set_new(o, "recentTps", recent(u, "transactions_s", sp));
	json_object_set_new(o, "masterBinlog",
		shape_position(json_text(master, "file", ""), json_num(master, "offset", 0)));
	json_object_set_new(o, "masterBinlogGtid", json_string(json_text(master, "gtid", "")));
	json_object_set_new(o, "syncerBinlog", shape_position(file, json_num(u, "offset", 0)));
	json_object_set_new(o, "syncerBinlogGtid", json_string(json_text(u, "gtid", "")));
	json_object_set_new(o, "blockingDDLs", json_array());
	json_object_set_new(o, "unresolvedGroups", json_array());
	json_object_set_new(o, "synced",
		json_boolean(
			same_generation(u, master) && caught_up(file, json_num(u, "offset", 0), master)));
	json_object_set_new(o, "binlogType", json_string("local"));
	json_object_set_new(o, "secondsBehindMaster", text_num(lag_seconds(u, sp, now_ms)));
	json_object_set_new(o, "blockDDLOwner", json_string(""));
	json_object_set_new(o, "conflictMsg", json_string(""));
	json_object_set_new(o, "totalRows", text_num(rows));
	json_object_set_new(o, "totalRps", text_num(average(rows, sp ? sp->first_rows : 0, sp, now_ms)));
	json_object_set_new(o, "recentRps", recent(u, "rows_s", sp));
	json_object_set_new(o, "ioTotalBytes", text_num(num(u, "bytes")));
	json_object_set_new(o, "dumpIOTotalBytes", text_num(0));
	return o;
}

/* The relay log's own end as the upstream names it, out of "1:3:4711" and the base name. */
static void relay_end(const json_t *u, char *file, size_t size, int64_t *offset)
{
	struct position at = {0};

	file[0] = '\0';
	*offset = 0;
	if (position_load(str_of(json_text(u, "position", "")), &at, NULL) < 0 || at.file == 0)
		return;
	binlog_name_make(file, size, json_text(u, "base", ""), at.file);
	*offset = (int64_t)at.offset;
}

json_t *shape_relay(const json_t *relay)
{
	const json_t *u = json_object_get(relay, "status"), *master = json_object_get(u, "master");
	char file[300];
	int64_t offset;

	if (!relay || !json_text(relay, "stage", "")[0])
		return json_null();
	relay_end(u, file, sizeof(file), &offset);
	return json_pack("{s:o, s:s, s:s, s:o, s:s, s:b, s:s, s:n}", "masterBinlog",
		shape_position(json_text(master, "file", ""), json_num(master, "offset", 0)),
		"masterBinlogGtid", json_text(master, "gtid", ""), "relaySubDir", json_text(u, "sub_dir", ""),
		"relayBinlog", shape_position(file, offset), "relayBinlogGtid", json_text(u, "gtid", ""),
		"relayCatchUpMaster", caught_up(file, offset, master), "stage", json_text(relay, "stage", ""),
		"result");
}
