/*
 * Reads "key = value" lines by the table include/daemon.def. Called by tidegated before anything else and by
 * the skeleton of agent and master. Deliberately small: the supervisor reads this as root.
 */
#include "common/base/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/xalloc.h"

enum { RESTART, RELOAD };
enum { FILE_MAX_SIZE = 64 << 10 };

static const struct row {
	const char *daemon, *key, *of;
	int reload;
	const char *help;
} rows[] = {
#define SETTING(daemon, key, of, reload, help) {#daemon, key, of, reload, help},
#include "daemon.def"
#undef SETTING
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

struct settings {
	char *daemon, *path;
	char *value[ROWS];
	unsigned line[ROWS], column[ROWS];
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static struct str trim(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r'))
		s.n--;
	return s;
}

static int find(const char *daemon, struct str key)
{
	for (int i = 0; i < ROWS; i++)
		if (strcmp(rows[i].daemon, daemon) == 0 && str_is(key, rows[i].key))
			return i;
	return -1;
}

static bool is_word(const char *of, struct str value)
{
	while (*of) {
		size_t n = strcspn(of, "|");

		if (str_eq(value, (struct str){of, n}))
			return true;
		of += n + (of[n] == '|');
	}
	return false;
}

static bool printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

/* Why a pair can't be, in e; 0 where it can. */
static int judge(const struct settings *s, int row, struct str key, struct str value, struct err *e)
{
	if (row < 0)
		return err_set(e, ERR_config_unknown_key, "unknown key `%.*s`",
			(int)(key.n > 60 ? 60 : key.n), key.p);
	if (s->value[row])
		return err_set(e, ERR_config_bad, "`%s` is there twice", rows[row].key);
	if (value.n == 0 || !printable(value))
		return err_set(e, ERR_config_bad, "`%s` has no value", rows[row].key);
	if (rows[row].of[0] && !is_word(rows[row].of, value))
		return err_set(e, ERR_config_bad, "`%s` can't be `%.*s`; there are: %s", rows[row].key,
			(int)(value.n > 60 ? 60 : value.n), value.p, rows[row].of);
	return 0;
}

static int read_line(struct settings *s, struct str line, unsigned number, struct err *e)
{
	const char *hash = line.n ? memchr(line.p, '#', line.n) : NULL, *equals;
	struct str text = trim((struct str){line.p, hash ? (size_t)(hash - line.p) : line.n});
	struct str key = text, value = {0};
	unsigned column = (unsigned)(text.p - line.p) + 1;
	int row;

	if (text.n == 0)
		return 0;
	equals = memchr(text.p, '=', text.n);
	if (equals) {
		key = trim((struct str){text.p, (size_t)(equals - text.p)});
		value = trim((struct str){equals + 1, text.n - (size_t)(equals - text.p) - 1});
	}
	row = find(s->daemon, key);
	if (!equals)
		err_set(e, ERR_config_bad, "a line is `key = value`");
	if (!equals || judge(s, row, key, value, e) < 0)
		return err_add(e, "%s:%u:%u", base_name(s->path), number, column);
	s->value[row] = xstrndup(value.p, value.n);
	s->line[row] = number;
	s->column[row] = column;
	return 0;
}

static int read_lines(struct settings *s, struct str text, struct err *e)
{
	unsigned number = 0;

	while (text.n > 0) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;

		if (read_line(s, (struct str){text.p, n}, ++number, e) < 0)
			return -1;
		n += end != NULL;
		text = (struct str){text.p + n, text.n - n};
	}
	return 0;
}

/* Whoever may write it decides which programs run as root. 1: there; 0: there is none. */
static int look(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0 && errno == ENOENT)
		return 0;
	if (stat(path, &st) < 0)
		return err_sys(e, ERR_config_bad, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_config_bad, "%s is no file", path);
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022))
		return err_set(e, ERR_config_bad,
			"%s may be written by others: only root or the own user may own it, and only the "
			"owner write it",
			path);
	return 1;
}

struct settings *settings_read(const char *daemon, const char *path, struct err *e)
{
	struct settings *s = xcalloc(1, sizeof(*s));
	struct buf text = {0};
	int r = look(path, e);

	s->daemon = xstrdup(daemon);
	s->path = xstrdup(path);
	if (r > 0 && io_read_file(AT_FDCWD, path, FILE_MAX_SIZE, &text, e) < 0) {
		if (e)
			e->code = ERR_config_bad;
		r = -1;
	}
	if (r > 0)
		r = read_lines(s, buf_str(&text), e);
	buf_free(&text);
	if (r < 0)
		settings_free(&s);
	return s;
}

const char *settings_get(const struct settings *s, const char *key)
{
	int row = s ? find(s->daemon, str_of(key)) : -1;

	return row < 0 ? NULL : s->value[row];
}

int settings_blame(const struct settings *s, const char *key, struct err *e)
{
	int row = find(s->daemon, str_of(key));

	return err_add(
		e, "%s:%u:%u", base_name(s->path), row < 0 ? 0 : s->line[row], row < 0 ? 0 : s->column[row]);
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

int settings_reload(struct settings *s, struct err *e)
{
	struct settings *fresh = settings_read(s->daemon, s->path, e);

	if (!fresh)
		return -1;
	for (int i = 0; i < ROWS; i++) {
		char *old = s->value[i];

		if (same(old, fresh->value[i]))
			continue;
		if (rows[i].reload == RESTART) {
			log_warn("SIGHUP: `%s` in %s is another one now: that counts from the next start of "
				 "%s on",
				rows[i].key, base_name(s->path), s->daemon);
			continue;
		}
		log_info("SIGHUP: `%s` in %s: %s", rows[i].key, base_name(s->path),
			fresh->value[i] ? fresh->value[i] : "not there any more");
		s->value[i] = fresh->value[i];
		fresh->value[i] = old;
	}
	settings_free(&fresh);
	return 0;
}

void settings_free(struct settings **sp)
{
	struct settings *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	for (int i = 0; i < ROWS; i++)
		free(s->value[i]);
	free(s->daemon);
	free(s->path);
	free(s);
}

const char *settings_key(const char *daemon, unsigned i, const char **help)
{
	for (int row = 0; row < ROWS; row++)
		if (strcmp(rows[row].daemon, daemon) == 0 && i-- == 0) {
			*help = rows[row].help;
			return rows[row].key;
		}
	return NULL;
}
