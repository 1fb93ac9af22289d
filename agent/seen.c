/*
 * STATE/agent/seen.json: the cluster and revision of the orders that were worked by last. Called by master.c.
 * What is not there, or can't be read, is nothing seen: then only the epochs in the downstreams tell of an
 * older store.
 */
#include "agent/seen.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/log.h"
#include "common/config/json.h"

#define FILE_NAME "seen.json"

enum { SIZE_MAX_ = 4096 };

void seen_read(int state_fd, char *cluster, size_t size, uint64_t *revision)
{
	struct buf b = {0};
	struct err e = {0};
	json_t *o = NULL;
	int64_t seen;

	cluster[0] = '\0';
	*revision = 0;
	if (faccessat(state_fd, FILE_NAME, F_OK, 0) < 0)
		return;
	if (io_read_file(state_fd, FILE_NAME, SIZE_MAX_, &b, &e) == 0)
		o = json_parse(buf_str(&b), FILE_NAME, &e);
	if (o) {
		snprintf(cluster, size, "%s", json_text(o, "cluster", ""));
		seen = json_num(o, "revision", 0);
		if (seen > 0 && seen <= JSON_EXACT_MAX)
			*revision = (uint64_t)seen;
	} else {
		log_warn("%s", e.text);
	}
	json_decref(o);
	buf_free(&b);
}

void seen_keep(int state_fd, const char *cluster, uint64_t revision)
{
	json_t *o;
	struct buf b = {0};
	struct err e = {0};

	if (!cluster[0])
		return;
	o = json_pack("{s:s, s:I}", "cluster", cluster, "revision", (json_int_t)revision);
	json_write(o, &b);
	json_decref(o);
	if (io_replace_file(state_fd, FILE_NAME, b.p, b.n, 0600, &e) < 0)
		log_warn("%s", e.text);
	buf_free(&b);
}
