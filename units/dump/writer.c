/*
 * Chunk files: DM's layout, one statement after the other, each ending in ";\n". A newline never stands
 * inside a value, so the load can cut at ";\n" (docs/design/copy.md). A chunk is announced when its file is
 * whole.
 */
#include "units/dump/writer.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/base/failpoint.h"
#include "common/base/io.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/sql/quote.h"
#include "units/dump/file.h"
#include "units/dump/name.h"

enum { FLUSH_BYTES = 256 * 1024, KEEP_BYTES = 4 * 1024 * 1024 };

static const char head[] = "/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n/*!40101 SET NAMES binary*/;\n";

void writer_init(struct writer *w, struct dump *d, const struct stretch *stretch)
{
	const struct item *t = &d->catalog.tables.p[stretch->table];
	const char *sep = " (";

	*w = (struct writer){.d = d, .s = stretch, .fd = -1};
	buf_puts(&w->columns, " INTO ");
	sql_put_ident(&w->columns, str_of(t->name));
	for (unsigned i = 0; i < t->structure->ncolumns; i++) {
		if (t->structure->columns[i].generated)
			continue;
		buf_puts(&w->columns, sep);
		sql_put_ident(&w->columns, str_of(t->structure->columns[i].name));
		sep = ",";
	}
	buf_puts(&w->columns, ") VALUES\n");
}

void writer_fini(struct writer *w)
{
	io_close(&w->fd);
	free(w->file);
	free(w->end);
	buf_free(&w->columns);
	buf_free(&w->out);
}

static int flush(struct writer *w, struct err *e)
{
	if (w->out.n == 0)
		return 0;
	if (file_write(w->d, w->fd, w->file, buf_str(&w->out), e) < 0)
		return -1;
	w->written += w->out.n;
	spool_grow(&w->d->spool, w->out.n);
	tally_add(w->d->tally, w->s->table, (struct amount){w->rows - w->counted, w->out.n});
	w->counted = w->rows;
	buf_clear(&w->out);
	if (w->out.cap > KEEP_BYTES)
		buf_free(&w->out);
	if (FAILPOINT_HIT(dump_mid_chunk))
		return err_set(e, ERR_io, "failpoint dump_mid_chunk");
	return 0;
}

static int open_file(struct writer *w, struct err *e)
{
	const struct item *t = &w->d->catalog.tables.p[w->s->table];
	struct buf name = {0};

	if (!spool_wait_room(&w->d->spool))
		return err_set(e, ERR_link, "asked to leave");
	name_data(&name, str_of(t->schema), str_of(t->name),
		(struct name_part){w->s->table, w->s->id, w->files});
	buf_cstr(&name);
	w->file = name.p;
	w->files++;
	w->fd = file_create(w->d, w->file, e);
	if (w->fd < 0)
		return -1;
	w->written = w->rows = w->counted = 0;
	buf_puts(&w->out, head);
	return 0;
}

static void end_statement(struct writer *w)
{
	if (w->statement > 0)
		buf_puts(&w->out, ";\n");
	w->statement = 0;
}

/* What the stretch reaches to, whatever its last row is. */
static char *stretch_end(const struct stretch *s)
{
	json_t *o = tuple_to_json(&s->range.hi);
	struct buf text = {0};

	if (!o)
		return xstrdup("");
	json_write(o, &text);
	json_decref(o);
	buf_cstr(&text);
	return text.p;
}

enum end { END_FILE, END_STRETCH, END_TABLE };

static int close_file(struct writer *w, enum end end, struct err *e)
{
	struct spool_chunk c = {.table = w->s->table,
		.stretch = w->s->id,
		.seq = w->files - 1,
		.last = end == END_TABLE,
		.ends_stretch = end != END_FILE,
		.rows = w->rows};

	end_statement(w);
	if (flush(w, e) < 0)
		return -1;
	io_close(&w->fd);
	w->all_rows += w->rows;
	c.bytes = w->written;
	c.file = w->file;
	c.hi = end == END_FILE ? w->end : stretch_end(w->s);
	if (end != END_FILE)
		free(w->end);
	w->file = w->end = NULL;
	if (FAILPOINT_HIT(dump_chunk_done)) {
		free(c.file);
		free(c.hi);
		return err_set(e, ERR_io, "failpoint dump_chunk_done");
	}
	spool_add(&w->d->spool, c);
	unit_wake(w->d->env);
	return 0;
}

static void begin_statement(struct writer *w, const char *verb)
{
	size_t start = w->out.n;

	buf_puts(&w->out, verb);
	buf_put(&w->out, w->columns.p, w->columns.n);
	w->statement = w->out.n - start;
}

static void put_row(struct writer *w, struct str row, bool odd)
{
	if (odd || w->statement >= w->d->o.statement_size)
		end_statement(w);
	if (w->statement == 0)
		begin_statement(w, odd ? "INSERT IGNORE" : "INSERT");
	else
		buf_puts(&w->out, ",\n");
	buf_put(&w->out, row.p, row.n);
	w->statement += row.n + 2;
	if (odd)
		end_statement(w);
}

int writer_row(struct writer *w, struct str row, bool odd, struct err *e)
{
	/* Only when one more row is there: so the last file of a stretch is never an empty one. */
	if (w->end && close_file(w, END_FILE, e) < 0)
		return -1;
	if (w->fd < 0 && open_file(w, e) < 0)
		return -1;
	put_row(w, row, odd);
	w->rows++;
	return w->out.n >= FLUSH_BYTES ? flush(w, e) : 0;
}

bool writer_is_full(const struct writer *w)
{
	return w->fd >= 0 && w->written + w->out.n >= w->d->o.chunk_bytes;
}

void writer_end_here(struct writer *w, struct str place)
{
	free(w->end);
	w->end = xstrndup(place.n ? place.p : "", place.n);
}

int writer_end(struct writer *w, bool last, struct err *e)
{
	return w->fd >= 0 ? close_file(w, last ? END_TABLE : END_STRETCH, e) : 0;
}
