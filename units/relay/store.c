/*
 * The relay log's folder as a list of generations and files. Called by the puller, which adds, and by the
 * main thread, which serves and purges. Never opens a log file: what is in them is evfile.c's and writer.c's.
 * Deletes only in store_purge and store_discard, the empty beginning of a file in store_drop_last, and what
 * no index names before a folder is made in its place.
 */
#include "units/relay/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "units/relay/store_meta.h"

static const char index_name[] = "server-uuid.index";
enum { INDEX_MAX = 1 << 20 };

/* "<server>.000001": the number behind the last dot. */
static int read_name(struct str line, struct store_generation *g, struct err *e)
{
	char server[STORE_NAME];
	uint64_t number;

	if (line.n >= sizeof(g->name) || binlog_name_split(line, server, sizeof(server), &number, NULL) < 0 ||
		number == 0 || number > UINT32_MAX || server[0] == '.')
		return err_set(e, ERR_relay_parse, "%s: '%.*s' is no name of a relay folder", index_name,
			STR_ARG(line));
	g->number = (uint32_t)number;
	snprintf(g->name, sizeof(g->name), "%.*s", STR_ARG(line));
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const struct store_file *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* A file of this folder, if its name is one of a binlog file. */
static int take_file(struct store_generation *g, int dir, const char *name, struct err *e)
{
	char base[256];
	uint64_t number;
	struct stat st;

	if (binlog_name_split(str_of(name), base, sizeof(base), &number, NULL) < 0 || number == 0)
		return 0;
	if (*g->base && strcmp(g->base, base) != 0)
		return err_set(e, ERR_relay_parse, "%s holds files named %s and %s", g->name, g->base, base);
	if (fstatat(dir, name, &st, 0) < 0)
		return err_sys(e, ERR_io, "%s/%s", g->name, name);
	snprintf(g->base, sizeof(g->base), "%s", base);
	g->files = xrealloc(g->files, (g->nfiles + 1) * sizeof(*g->files));
	g->files[g->nfiles++] = (struct store_file){number, (uint64_t)st.st_size};
	return 0;
}

static int check_sequence(const struct store_generation *g, struct err *e)
{
	size_t i;

	for (i = 1; i < g->nfiles; i++)
		if (g->files[i].number != g->files[i - 1].number + 1)
			return err_set(e, ERR_relay_parse, "%s: file %s.%06" PRIu64 " is missing", g->name,
				g->base, g->files[i - 1].number + 1);
	return 0;
}

static int list_files(struct store_generation *g, int dir, struct err *e)
{
	int fd = openat(dir, g->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!d) {
		err_sys(e, ERR_io, "opening %s", g->name);
		io_close(&fd);
		return -1;
	}
	while (r == 0 && (entry = readdir(d)))
		r = take_file(g, dirfd(d), entry->d_name, e);
	closedir(d);
	if (g->nfiles)
		qsort(g->files, g->nfiles, sizeof(*g->files), by_number);
	return r < 0 ? -1 : check_sequence(g, e);
}

static int take_generation(struct store *s, struct str line, struct err *e)
{
	struct store_generation *g;

	s->gens = xrealloc(s->gens, (s->ngens + 1) * sizeof(*s->gens));
	g = &s->gens[s->ngens];
	memset(g, 0, sizeof(*g));
	if (read_name(line, g, e) < 0)
		return -1;
	s->ngens++;
	if (s->ngens > 1 && g->number <= g[-1].number)
		return err_set(e, ERR_relay_parse, "%s: %s does not come behind %s", index_name, g->name,
			g[-1].name);
	if (list_files(g, s->dir, e) < 0)
		return -1;
	if (g->nfiles == 0 && store_meta_read(s->dir, g, e) < 0)
		return -1;
	g->began = g->nfiles ? g->files[0].number : g->first;
	return 0;
}

/* One that no index names (any more). */
static void remove_folder(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(d), entry->d_name, 0);
	if (d)
		closedir(d);
	else
		io_close(&fd);
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0)
		log_warn("%s: what is left of an old relay log can't be removed: %s", name, strerror(errno));
}

/* Without an index there is no log: what is there is of one that was being thrown away. */
static void sweep(struct store *s)
{
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct store_generation g;
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (read_name(str_of(entry->d_name), &g, NULL) == 0)
			remove_folder(s->dir, g.name);
	if (d)
		closedir(d);
	else
		io_close(&fd);
}

static int read_index(struct store *s, struct err *e)
{
	struct buf b = {0};
	const char *p, *nl;
	int r = 0;

	if (faccessat(s->dir, index_name, F_OK, 0) < 0 && errno == ENOENT) {
		sweep(s);
		return 0;
	}
	if (io_read_file(s->dir, index_name, INDEX_MAX, &b, e) < 0)
		r = -1;
	for (p = b.p; r == 0 && p && p < b.p + b.n; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(b.p + b.n - p));
		if (!nl)
			nl = b.p + b.n;
		if (nl > p)
			r = take_generation(s, (struct str){p, (size_t)(nl - p)}, e);
	}
	buf_free(&b);
	return r;
}

int store_open(struct store *s, int dir, struct err *e)
{
	memset(s, 0, sizeof(*s));
	s->dir = dir;
	pthread_mutex_init(&s->lock, NULL);
	return read_index(s, e) < 0 ? err_add(e, "reading the relay folder") : 0;
}

void store_close(struct store *s)
{
	size_t i;

	for (i = 0; i < s->ngens; i++)
		free(s->gens[i].files);
	free(s->gens);
	s->gens = NULL;
	s->ngens = 0;
}

static struct store_generation *last(struct store *s)
{
	return s->ngens ? &s->gens[s->ngens - 1] : NULL;
}

bool store_empty(struct store *s)
{
	bool empty;

	pthread_mutex_lock(&s->lock);
	empty = s->ngens == 0;
	pthread_mutex_unlock(&s->lock);
	return empty;
}

static void server_of(const struct store_generation *g, char *out, size_t size)
{
	snprintf(out, size, "%.*s", (int)(strrchr(g->name, '.') - g->name), g->name);
}

bool store_last(
	struct store *s, struct store_generation *g, struct store_file *file, char *server, size_t size)
{
	struct store_generation *l;
	bool found;

	pthread_mutex_lock(&s->lock);
	l = last(s);
	found = l != NULL;
	if (found) {
		*g = *l;
		g->files = NULL; /* the caller gets a copy without them */
		*file = l->nfiles ? l->files[l->nfiles - 1] : (struct store_file){l->first, 0};
		server_of(l, server, size);
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

struct position store_end(struct store *s, char *base, size_t size)
{
	struct position p = {0, 0, 0};
	struct store_generation *l;

	pthread_mutex_lock(&s->lock);
	l = last(s);
	snprintf(base, size, "%s", l ? l->base : "");
	if (l && l->nfiles)
		p = (struct position){
			l->number, l->files[l->nfiles - 1].number, l->files[l->nfiles - 1].size};
	else if (l)
		p = (struct position){l->number, l->first, 4};
	pthread_mutex_unlock(&s->lock);
	if (p.offset < 4 && p.generation)
		p.offset = 4;
	return p;
}

static void path_of(const struct store_generation *g, uint64_t number, char *out, size_t size)
{
	char file[290];

	binlog_name_make(file, sizeof(file), g->base, number);
	snprintf(out, size, "%s/%s", g->name, file);
}

void store_path(struct store *s, uint32_t generation, uint64_t number, char *out, size_t size)
{
	size_t i;

	out[0] = '\0';
	pthread_mutex_lock(&s->lock);
	for (i = 0; i < s->ngens; i++)
		if (s->gens[i].number == generation)
			path_of(&s->gens[i], number, out, size);
	pthread_mutex_unlock(&s->lock);
}

void store_server(struct store *s, uint32_t generation, char *out, size_t size)
{
	size_t i;

	out[0] = '\0';
	pthread_mutex_lock(&s->lock);
	for (i = 0; i < s->ngens; i++)
		if (s->gens[i].number == generation)
			server_of(&s->gens[i], out, size);
	pthread_mutex_unlock(&s->lock);
}

static int write_index(struct store *s, const char *added, struct err *e)
{
	struct buf b = {0};
	size_t i;
	int r;

	for (i = 0; i < s->ngens; i++)
		buf_putf(&b, "%s\n", s->gens[i].name);
	buf_putf(&b, "%s\n", added);
	r = io_replace_file(s->dir, index_name, b.p, b.n, 0640, e);
	buf_free(&b);
	return r;
}

/* What a crash left behind under the same name, of a generation that was begun or of a log that was thrown
 * away, is no part of this one. */
static int make_dir(struct store *s, const struct store_generation *g, struct err *e)
{
	int rc = mkdirat(s->dir, g->name, 0750);

	if (rc < 0 && errno == EEXIST) {
		remove_folder(s->dir, g->name);
		rc = mkdirat(s->dir, g->name, 0750);
	}
	if (rc < 0)
		return err_sys(e, ERR_io, "making %s", g->name);
	return store_meta_write(s->dir, g, (struct store_file){g->first, 4}, "", e);
}

int store_add_generation(
	struct store *s, const char *server, const char *base, uint64_t first, uint32_t number, struct err *e)
{
	struct store_generation g = {.first = first, .began = first};

	g.number = s->ngens ? last(s)->number + 1 : 1;
	if (g.number < number)
		g.number = number;
	snprintf(g.name, sizeof(g.name), "%.300s.%06u", server, g.number);
	snprintf(g.base, sizeof(g.base), "%s", base);
	if (make_dir(s, &g, e) < 0 || write_index(s, g.name, e) < 0)
		return -1;
	pthread_mutex_lock(&s->lock);
	s->gens = xrealloc(s->gens, (s->ngens + 1) * sizeof(*s->gens));
	s->gens[s->ngens++] = g;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

int store_discard(struct store *s, struct err *e)
{
	size_t k;

	if (unlinkat(s->dir, index_name, 0) < 0 && errno != ENOENT)
		return err_sys(e, ERR_io, "removing %s", index_name);
	pthread_mutex_lock(&s->lock);
	for (k = 0; k < s->ngens; k++) {
		remove_folder(s->dir, s->gens[k].name);
		free(s->gens[k].files);
	}
	s->ngens = 0;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

void store_add_file(struct store *s, uint64_t number)
{
	struct store_generation *g;

	pthread_mutex_lock(&s->lock);
	g = last(s);
	g->files = xrealloc(g->files, (g->nfiles + 1) * sizeof(*g->files));
	g->files[g->nfiles++] = (struct store_file){number, 0};
	pthread_mutex_unlock(&s->lock);
}

void store_set_size(struct store *s, uint64_t size)
{
	struct store_generation *g;

	pthread_mutex_lock(&s->lock);
	g = last(s);
	g->files[g->nfiles - 1].size = size;
	pthread_mutex_unlock(&s->lock);
}

void store_drop_last(struct store *s)
{
	struct store_generation *g;
	char path[STORE_PATH];

	pthread_mutex_lock(&s->lock);
	g = last(s);
	g->nfiles--;
	g->first = g->files[g->nfiles].number;
	path_of(g, g->first, path, sizeof(path));
	unlinkat(s->dir, path, 0);
	pthread_mutex_unlock(&s->lock);
}

static void fill(const struct store_generation *g, size_t i, struct store_span *out)
{
	const struct store_file *f = &g->files[i];

	out->at = (struct position){g->number, f->number, 4};
	path_of(g, f->number, out->path, sizeof(out->path));
	snprintf(out->base, sizeof(out->base), "%s", g->base);
	out->size = f->size;
}

/* Where reading goes on behind file i of generation k; false at the live end. */
static bool next_file(const struct store *s, size_t k, size_t i, struct position *next)
{
	const struct store_generation *g = &s->gens[k];

	if (i + 1 < g->nfiles) {
		*next = (struct position){g->number, g->files[i + 1].number, 4};
		return true;
	}
	for (k++; k < s->ngens; k++) {
		g = &s->gens[k];
		if (g->nfiles == 0 && k + 1 < s->ngens)
			continue; /* a switch before its first file, or all purged */
		*next = (struct position){g->number, g->nfiles ? g->files[0].number : g->first, 4};
		return true;
	}
	return false;
}

/* The file that holds at: true and its place in the list. */
static bool lookup(const struct store *s, struct position at, size_t *k, size_t *i)
{
	for (*k = 0; *k < s->ngens; (*k)++) {
		const struct store_generation *g = &s->gens[*k];

		if (g->number != at.generation || g->nfiles == 0 || at.file < g->files[0].number)
			continue;
		*i = (size_t)(at.file - g->files[0].number);
		return *i < g->nfiles;
	}
	return false;
}

/* Why at is in no file. */
static enum store_place missing(const struct store *s, struct position at)
{
	const struct store_generation *g;
	uint64_t next;

	if (s->ngens == 0)
		return STORE_LIVE; /* nothing pulled yet: wait */
	g = &s->gens[s->ngens - 1];
	next = g->nfiles ? g->files[g->nfiles - 1].number + 1 : g->first;
	if (at.generation > g->number || (at.generation == g->number && at.file > next))
		return STORE_BEYOND;
	/* Is it the file that is about to be made? */
	if (at.generation == g->number && at.file == next)
		return at.offset <= 4 ? STORE_LIVE : STORE_BEYOND;
	return at.generation == 0 ? STORE_WRONG : STORE_GONE;
}

static enum store_place find(const struct store *s, struct position at, struct store_span *out)
{
	size_t k, i;

	out->at = at;
	if (!lookup(s, at, &k, &i))
		return missing(s, at);
	fill(&s->gens[k], i, out);
	out->at.offset = at.offset < 4 ? 4 : at.offset;
	out->closed = next_file(s, k, i, &out->next);
	if (out->at.offset < out->size)
		return STORE_DATA;
	if (out->closed && out->at.offset == out->size)
		return find(s, out->next, out);
	if (out->closed)
		return STORE_WRONG;
	return out->at.offset == out->size || (out->size < 4 && out->at.offset == 4) ? STORE_LIVE
										     : STORE_BEYOND;
}

enum store_place store_find(struct store *s, struct position at, struct store_span *out)
{
	enum store_place p;

	memset(out, 0, sizeof(*out));
	pthread_mutex_lock(&s->lock);
	p = find(s, at, out);
	pthread_mutex_unlock(&s->lock);
	return p;
}

bool store_never_had(struct store *s, struct position at)
{
	bool never = false;

	pthread_mutex_lock(&s->lock);
	for (size_t k = 0; k < s->ngens; k++) {
		const struct store_generation *g = &s->gens[k];
		uint64_t end = g->nfiles ? g->files[g->nfiles - 1].number + 1 : g->first;

		if (g->number == at.generation)
			never = at.file < g->began || at.file >= end;
	}
	pthread_mutex_unlock(&s->lock);
	return never;
}

bool store_walk(struct store *s, size_t index, struct store_span *out)
{
	bool found = false;
	size_t k;

	memset(out, 0, sizeof(*out));
	pthread_mutex_lock(&s->lock);
	for (k = 0; k < s->ngens && !found; k++) {
		if (index < s->gens[k].nfiles) {
			fill(&s->gens[k], index, out);
			out->closed = next_file(s, k, index, &out->next);
			found = true;
		} else
			index -= s->gens[k].nfiles;
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

static uint64_t bytes(const struct store *s)
{
	uint64_t n = 0;
	size_t k, i;

	for (k = 0; k < s->ngens; k++)
		for (i = 0; i < s->gens[k].nfiles; i++)
			n += s->gens[k].files[i].size;
	return n;
}

uint64_t store_bytes(struct store *s)
{
	uint64_t n;

	pthread_mutex_lock(&s->lock);
	n = bytes(s);
	pthread_mutex_unlock(&s->lock);
	return n;
}

/* The oldest file, if it is not the one that is written. */
static struct store_generation *oldest(struct store *s)
{
	size_t k;

	for (k = 0; k < s->ngens; k++)
		if (s->gens[k].nfiles)
			return s->gens[k].nfiles > 1 || k + 1 < s->ngens ? &s->gens[k] : NULL;
	return NULL;
}

static int remove_oldest(struct store *s, struct store_generation *g, struct err *e)
{
	char path[STORE_PATH];

	path_of(g, g->files[0].number, path, sizeof(path));
	if (unlinkat(s->dir, path, 0) < 0 && errno != ENOENT)
		return err_sys(e, ERR_io, "removing %s", path);
	log_info("purged %s, %" PRIu64 " bytes", path, g->files[0].size);
	g->first = g->files[0].number + 1;
	g->nfiles--;
	memmove(g->files, g->files + 1, g->nfiles * sizeof(*g->files));
	return 0;
}

/* A file that can't be asked is never old. */
static bool is_old(const struct store *s, const struct store_generation *g, int64_t before)
{
	char path[STORE_PATH];
	struct stat st;

	path_of(g, g->files[0].number, path, sizeof(path));
	return before && fstatat(s->dir, path, &st, 0) == 0 && st.st_mtime < before;
}

void store_disk(struct store *s, uint64_t *capacity, uint64_t *available)
{
	struct statvfs v;

	*capacity = *available = 0;
	if (fstatvfs(s->dir, &v) < 0)
		return;
	*capacity = (uint64_t)v.f_blocks * v.f_frsize;
	*available = (uint64_t)v.f_bavail * v.f_frsize;
}

/* A disk that can't be asked is not full. */
static bool is_short(struct store *s, uint64_t wanted)
{
	uint64_t capacity, available;

	if (!wanted)
		return false;
	store_disk(s, &capacity, &available);
	return capacity && available < wanted;
}

static bool must_go(struct store *s, const struct store_generation *g, const struct store_limits *l)
{
	struct position head = {g->number, g->files[0].number, 0};

	if (!position_is_zero(l->before) && position_cmp(head, l->before) < 0)
		return true;
	return is_old(s, g, l->written_before) || is_short(s, l->free_bytes);
}

int store_purge(struct store *s, const struct store_limits *l, struct store_purged *out, struct err *e)
{
	struct store_generation *g;
	int r = 0;

	*out = (struct store_purged){0};
	pthread_mutex_lock(&s->lock);
	while (r == 0 && (g = oldest(s))) {
		struct position file = {g->number, g->files[0].number, UINT64_MAX};
		uint64_t size = g->files[0].size;
		bool large = bytes(s) > l->quota;

		if (!large && !must_go(s, g, l))
			break;
		if (!position_is_zero(l->keep) && position_cmp(l->keep, file) <= 0) {
			out->stuck = large;
			out->held = !large;
			break;
		}
		r = remove_oldest(s, g, e);
		out->files += r == 0;
		out->bytes += r == 0 ? size : 0;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

static bool has_file(const struct store_generation *g, const char *base, uint64_t number)
{
	return g->nfiles && strcmp(g->base, base) == 0 && number >= g->files[0].number &&
	       number - g->files[0].number < g->nfiles;
}

int store_file_at(struct store *s, const char *sub_dir, const char *file, struct position *at, struct err *e)
{
	char base[256];
	uint64_t number;
	size_t k;
	bool found = false;

	if (binlog_name_split(str_of(file), base, sizeof(base), &number, NULL) < 0)
		return err_set(e, ERR_usage, "`%.200s` is no binlog file's name (mysql-bin.000003)", file);
	pthread_mutex_lock(&s->lock);
	for (k = s->ngens; k-- > 0 && !found;) {
		const struct store_generation *g = &s->gens[k];

		if (sub_dir ? strcmp(g->name, sub_dir) != 0 : k + 1 < s->ngens)
			continue;
		found = has_file(g, base, number);
		*at = (struct position){g->number, number, 0};
	}
	pthread_mutex_unlock(&s->lock);
	if (!found)
		return err_set(e, ERR_bad_stage, "no file %.200s in %s%.300s of the relay log", file,
			sub_dir ? "sub-directory " : "the last sub-directory", sub_dir ? sub_dir : "");
	return 0;
}

size_t store_count(struct store *s)
{
	size_t n = 0, k;

	pthread_mutex_lock(&s->lock);
	for (k = 0; k < s->ngens; k++)
		n += s->gens[k].nfiles;
	pthread_mutex_unlock(&s->lock);
	return n;
}

/* Not under the lock while the disk works: readers must not wait for it. Only the puller changes the last
 * generation. */
int store_write_meta(struct store *s, const char *gtid, struct err *e)
{
	struct store_generation g = {0};
	struct store_file f = {0};

	pthread_mutex_lock(&s->lock);
	if (last(s) && last(s)->nfiles) {
		g = *last(s);
		f = g.files[g.nfiles - 1];
	}
	pthread_mutex_unlock(&s->lock);
	return f.number ? store_meta_write(s->dir, &g, f, gtid, e) : 0;
}
