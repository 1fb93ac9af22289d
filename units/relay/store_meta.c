/*
 * relay.meta: where writing stands, in DM's form, for people and tools. The truth is in the files themselves;
 * only an empty sub-directory needs it, to know with which file it begins.
 */
#include "units/relay/store_meta.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/io.h"

enum { META_MAX = 16 << 20 };

static void put_text(struct buf *b, const char *text)
{
	buf_putc(b, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_putc(b, '\\');
		buf_putc(b, *text);
	}
	buf_puts(b, "\"\n");
}

int store_meta_write(
	int dir, const struct store_generation *g, struct store_file at, const char *gtid, struct err *e)
{
	int sub = openat(dir, g->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	struct buf b = {0};
	char file[290];

	if (sub < 0)
		return err_sys(e, ERR_io, "opening %s", g->name);
	binlog_name_make(file, sizeof(file), g->base, at.number);
	buf_puts(&b, "binlog-name = ");
	put_text(&b, file);
	buf_putf(&b, "binlog-pos = %" PRIu64 "\nbinlog-gtid = ", at.size);
	put_text(&b, gtid);
	r = io_replace_file(sub, "relay.meta", b.p, b.n, 0640, e);
	buf_free(&b);
	close(sub);
	return r < 0 ? err_add(e, "%s", g->name) : 0;
}

int store_meta_read(int dir, struct store_generation *g, struct err *e)
{
	static const char key[] = "binlog-name = \"";
	char name[STORE_PATH];
	struct buf b = {0};
	const char *p, *q;
	int r;

	snprintf(name, sizeof(name), "%s/relay.meta", g->name);
	if (io_read_file(dir, name, META_MAX, &b, e) < 0) {
		buf_free(&b);
		return -1;
	}
	p = strstr(buf_cstr(&b), key);
	q = p ? strchr(p + sizeof(key) - 1, '"') : NULL;
	if (!q)
		r = err_set(e, ERR_relay_parse, "%s names no binlog file", name);
	else {
		p += sizeof(key) - 1;
		r = binlog_name_split(
			(struct str){p, (size_t)(q - p)}, g->base, sizeof(g->base), &g->first, e);
	}
	buf_free(&b);
	return r;
}
