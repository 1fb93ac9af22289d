/*
 * Chunk files: begun, cut at chunk_bytes, announced when they are whole. What their bytes are is format.c's.
 * A newline never stands inside a value.
 */
#include "units/dump/writer.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/base/failpoint.h"
#include "common/base/io.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "units/dump/file.h"
#include "units/dump/folder.h"
#include "units/dump/name.h"

enum { FLUSH_BYTES = 256 * 1024, KEEP_BYTES = 4 * 1024 * 1024 };

void writer_init(struct writer *w, struct dump *d, const struct stretch *stretch)
{
	*w = (struct writer){.d = d, .s = stretch, .fd = -1};
	rows_init(&w->rows, d->o.format, &d->catalog.tables.p[stretch->table], d->o.statement_size);
	w->rows.csv = &d->o.form;
}

void writer_fini(struct writer *w)
{
	spool_give_back(&w->d->spool, &w->room);
	spool_give_back(&w->d->spool, &w->next_room);
	io_close(&w->fd);
	free(w->file);
	free(w->end);
	pack_free(&w->pack);
	buf_free(&w->packed);
	rows_fini(&w->rows);
}

static int write_out(struct writer *w, struct str bytes, struct err *e)
{
	if (file_write(w->d, w->fd, w->file, bytes, e) < 0)
		return -1;
	w->on_disk += bytes.n;
	spool_grow(&w->d->spool, bytes.n, &w->room);
	return 0;
}

/* last: of this file. */
static int write_packed(struct writer *w, bool last, struct err *e)
{
	int r = pack_put(w->pack, buf_str(&w->rows.out), last, &w->packed, e);

	if (r == 0)
		r = write_out(w, buf_str(&w->packed), e);
	buf_clear(&w->packed);
	return r;
}

static int flush(struct writer *w, bool last, struct err *e)
{
	struct buf *out = &w->rows.out;

	if (out->n == 0 && !(last && w->pack))
		return 0;
	if ((w->pack ? write_packed(w, last, e) : write_out(w, buf_str(out), e)) < 0)
		return -1;
	w->written += out->n;
	tally_add(w->d->tally, w->s->table, (struct amount){w->count - w->told, out->n});
	w->told = w->count;
	buf_clear(out);
	if (out->cap > KEEP_BYTES)
		buf_free(out);
	if (FAILPOINT_HIT(dump_mid_chunk))
		return err_set(e, ERR_io, "failpoint dump_mid_chunk");
	return 0;
}

static int open_file(struct writer *w, struct err *e)
{
	const struct item *t = &w->d->catalog.tables.p[w->s->table];
	struct buf name = {0};

	w->room = w->next_room;
	w->next_room = 0;
	name_data(&name, str_of(t->schema), str_of(t->name),
		(struct name_part){w->s->table, w->s->id, w->files}, w->rows.format->ending);
	buf_puts(&name, packing_ending(w->d->o.packing));
	buf_cstr(&name);
	w->file = name.p;
	w->files++;
	w->fd = file_create(w->d, w->file, e);
	if (w->fd < 0)
		return -1;
	w->written = w->count = w->told = w->on_disk = 0;
	if (w->pack)
		pack_reset(w->pack);
	else if (w->d->o.packing != PACK_NONE && !(w->pack = pack_new(w->d->o.packing, e)))
		return -1;
	w->rows.format->begin(&w->rows);
	return 0;
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
		.rows = w->count};

	w->rows.format->seal(&w->rows);
	if (flush(w, true, e) < 0)
		return -1;
	if (w->d->o.to_files && folder_sync_file(w->d, w->fd, w->file, e) < 0)
		return -1;
	io_close(&w->fd);
	spool_give_back(&w->d->spool, &w->room);
	w->all_rows += w->count;
	c.bytes = w->on_disk;
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

static int flush_whole(struct writer *w, struct err *e)
{
	if (w->rows.format->whole)
		w->rows.format->seal(&w->rows);
	return flush(w, false, e);
}

/* A file ends behind the row that makes it full, and holds the heads of its segments. */
static uint64_t file_room(const struct writer *w)
{
	enum { MORE = 64 * 1024 };

	return w->d->o.chunk_bytes + (w->d->o.chunk_bytes < MORE ? w->d->o.chunk_bytes : MORE);
}

int writer_wait_room(struct writer *w, struct err *e)
{
	uint64_t want = file_room(w);

	if (w->next_room > 0 || (w->fd >= 0 && !w->end))
		return 0;
	if (!spool_take_room(&w->d->spool, want, false)) {
		if (w->end && close_file(w, END_FILE, e) < 0)
			return -1;
		if (!spool_take_room(&w->d->spool, want, true))
			return err_set(e, ERR_link, "asked to leave");
	}
	w->next_room = want;
	return 0;
}

int writer_row(struct writer *w, const struct str *v, struct err *e)
{
	/* Only when one more row is there: so the last file of a stretch is never an empty one. */
	if (w->end && close_file(w, END_FILE, e) < 0)
		return -1;
	if (w->fd < 0 && open_file(w, e) < 0)
		return -1;
	if (w->rows.format->row(&w->rows, v, e) < 0)
		return -1;
	w->count++;
	return w->rows.out.n >= FLUSH_BYTES ? flush_whole(w, e) : 0;
}

bool writer_is_full(const struct writer *w)
{
	return w->fd >= 0 && w->written + w->rows.out.n >= w->d->o.chunk_bytes;
}

void writer_end_here(struct writer *w, struct str place)
{
	free(w->end);
	w->end = xstrndup(place.n ? place.p : "", place.n);
}

int writer_end(struct writer *w, bool last, struct err *e)
{
	if (w->fd < 0 && w->files == 0)
		return 0;
	/* The last file ended for want of room, and no row came behind it: that this was the end is for one
	 * without rows to say. */
	if (w->fd < 0 && open_file(w, e) < 0)
		return -1;
	return close_file(w, last ? END_TABLE : END_STRETCH, e);
}
