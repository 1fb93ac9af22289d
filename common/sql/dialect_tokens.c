/*
 * A statement as tokens that can be dropped, replaced and added to, and its way back to text. Used by the
 * rules of sql_translate. What no rule touches must come out byte for byte; what the source's server skipped
 * as a comment must never be executed by the target.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/sql/quote.h"
#include "common/sql/translate.h"

/* --- reading --- */

static unsigned open_comment(struct tr *t, size_t at, size_t len, unsigned parent)
{
	if (t->nvc + 2 > t->vccap) {
		t->vccap = t->vccap ? t->vccap * 2 : 16;
		t->vc = xrealloc(t->vc, t->vccap * sizeof(*t->vc));
	}
	t->vc[++t->nvc] = (struct version_comment){.open_at = at, .open_len = len, .parent = parent};
	return t->nvc;
}

/* Finds the marks of executed version comments between two tokens; returns the innermost open one. */
static unsigned read_gap(struct tr *t, size_t at, size_t end, unsigned inside)
{
	while (at < end) {
		size_t mark = sql_lex_version_comment(&t->lx, at), comment;

		if (mark) {
			inside = open_comment(t, at, mark, inside);
			at += mark;
			continue;
		}
		if (inside && t->source.p[at] == '*' && at + 1 < end && t->source.p[at + 1] == '/') {
			t->vc[inside].close_at = at;
			inside = t->vc[inside].parent;
			at += 2;
			continue;
		}
		comment = sql_lex_comment_end(&t->lx, at);
		at = comment > at ? comment : at + 1;
	}
	return inside;
}

static void push(struct tr *t, struct tok tok)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 256;
		t->t = xrealloc(t->t, t->cap * sizeof(*t->t));
	}
	t->t[t->n++] = tok;
}

int tr_read(struct tr *t, uint64_t sql_mode)
{
	unsigned inside = 0;
	size_t end = 0;
	int depth = 0;

	sql_lex_init(&t->lx, t->source, t->from->flavor == FLAVOR_MARIADB,
		t->from->flavor == FLAVOR_TIDB ? 0 : t->from->version);
	t->lx.ansi_quotes = sql_mode & SQL_MODE_ANSI_QUOTES;
	t->lx.no_backslash_escapes = sql_mode & SQL_MODE_NO_BACKSLASH_ESCAPES;
	for (;;) {
		enum sql_token type = sql_lex_next(&t->lx);
		bool closes = sql_lex_is_char(&t->lx, ')');

		if (type == SQL_BAD)
			return err_set(t->e, ERR_sql_parse, "an unclosed string, name or comment at byte %zu",
				t->lx.token_at);
		inside = read_gap(t, end, t->lx.token_at, inside);
		depth -= closes;
		push(t, (struct tok){.type = type,
				.at = t->lx.token_at,
				.len = t->lx.token.n,
				.depth = depth,
				.vc = inside});
		depth += sql_lex_is_char(&t->lx, '(');
		end = t->lx.token_at + t->lx.token.n;
		if (type == SQL_END)
			break;
	}
	t->n--; /* the end itself stays behind the last one */
	if (depth != 0)
		return err_set(t->e, ERR_sql_parse, "parentheses that don't match");
	return 0;
}

/* --- questions --- */

struct str tr_text(const struct tr *t, size_t i)
{
	return (struct str){t->source.p + t->t[i].at, t->t[i].len};
}

bool tr_is(const struct tr *t, size_t i, const char *word)
{
	return i < t->n && t->t[i].type == SQL_WORD && str_is_ci(tr_text(t, i), word);
}

bool tr_is_char(const struct tr *t, size_t i, char c)
{
	return i < t->n && t->t[i].type == SQL_CHAR && t->source.p[t->t[i].at] == c;
}

bool tr_is_name(const struct tr *t, size_t i)
{
	return i < t->n && (t->t[i].type == SQL_WORD || t->t[i].type == SQL_IDENT);
}

const char *tr_name(const struct tr *t, size_t i)
{
	struct sql_lexer lx = {.type = i < t->n ? t->t[i].type : SQL_END};
	char out[257];

	if (i < t->n)
		lx.token = tr_text(t, i);
	if (!sql_lex_ident(&lx, out, sizeof(out)))
		return "";
	return arena_strdup(t->mem, str_of(out));
}

size_t tr_close(const struct tr *t, size_t open)
{
	size_t i = open + 1;

	while (i < t->n && !(tr_is_char(t, i, ')') && t->t[i].depth == t->t[open].depth))
		i++;
	return i;
}

size_t tr_find(const struct tr *t, size_t byte)
{
	size_t i = 0;

	while (i < t->n && t->t[i].at < byte)
		i++;
	return i;
}

/* --- changes --- */

void tr_drop(struct tr *t, size_t from, size_t to)
{
	for (; from < to && from < t->n; from++)
		t->t[from].drop = true;
}

void tr_replace(struct tr *t, size_t i, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	t->t[i].text = arena_strdup(t->mem, str_of(text));
	free(text);
}

void tr_append(struct tr *t, size_t i, const char *fmt, ...)
{
	const char *before = t->t[i].after ? t->t[i].after : "";
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	t->t[i].after = arena_printf(t->mem, "%s%s", before, text);
	free(text);
}

/* As the target reads the text. */
static struct sql_lexer target_lexer(const struct tr *t)
{
	struct sql_lexer lx;

	sql_lex_init(&lx, t->source, t->to->flavor == FLAVOR_MARIADB,
		t->to->flavor == FLAVOR_TIDB ? 0 : t->to->version);
	return lx;
}

static void put_where(struct tr *t, struct buf *b)
{
	const struct sql_name *n = t->ddl->ntables ? &t->ddl->tables[0] : NULL;

	if (!n && t->ddl->schema[0])
		sql_put_ident(b, str_of(t->ddl->schema));
	else if (!n)
		buf_puts(b, sql_verb_name(t->ddl->verb));
	if (n && n->schema[0])
		sql_put_table(b, str_of(n->schema), str_of(n->table));
	else if (n)
		sql_put_ident(b, str_of(n->table));
	if (n && t->column[0]) {
		buf_putc(b, '.');
		sql_put_ident(b, str_of(t->column));
	}
}

void tr_note(struct tr *t, const char *fmt, ...)
{
	va_list ap;
	char *text;

	put_where(t, t->notes);
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	buf_putf(t->notes, ": %s\n", text);
	free(text);
}

int tr_fail(struct tr *t, const char *fmt, ...)
{
	struct buf where = {0};
	va_list ap;
	char *text;

	put_where(t, &where);
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	err_set(t->e, ERR_ddl_untranslatable, "%s: %s", buf_cstr(&where), text);
	free(text);
	buf_free(&where);
	return -1;
}

bool tr_all_dropped(const struct tr *t, size_t a, size_t b)
{
	for (; a < b; a++) {
		if (!t->t[a].drop)
			return false;
	}
	return true;
}

int tr_each(struct tr *t, size_t from, size_t to, int (*fn)(struct tr *t, size_t a, size_t b))
{
	int depth = from < to ? t->t[from].depth : 0;
	bool kept = false; /* a part before this one is still there */
	size_t comma = to; /* before this part */

	while (from < to) {
		size_t end = from;

		while (end < to && !(t->t[end].depth == depth && tr_is_char(t, end, ',')))
			end++;
		if (fn(t, from, end) < 0)
			return -1;
		if (from == end || !tr_all_dropped(t, from, end)) {
			if (!kept && comma < to)
				t->t[comma].drop = true;
			kept = true;
		} else if (comma < to) {
			t->t[comma].drop = true;
		}
		comma = end;
		from = end + 1;
	}
	return 0;
}

/* --- writing --- */

struct writer {
	struct tr *t;
	struct buf *out;
	struct sql_lexer target; /* as the target reads the text */
	bool swallow;            /* blanks: one has been written for a mark */
};

static bool comment_empty(const struct tr *t, unsigned vc)
{
	bool any = false;

	for (size_t i = 0; i < t->n; i++) {
		unsigned inside = t->t[i].vc;

		while (inside && inside != vc)
			inside = t->vc[inside].parent;
		if (!inside)
			continue;
		any = true;
		if (!t->t[i].drop)
			return false;
	}
	return any;
}

/* What the source executed is no comment: where the target would skip it, the marks go. So they do where
 * nothing is left inside. */
static void settle_comments(struct writer *w)
{
	struct tr *t = w->t;

	for (unsigned vc = 1; vc <= t->nvc; vc++)
		t->vc[vc].unwrap =
			comment_empty(t, vc) || sql_lex_version_comment(&w->target, t->vc[vc].open_at) == 0;
}

static void put_space(struct writer *w, size_t at, size_t end, bool keep)
{
	if (keep && !(w->swallow && end == at + 1))
		buf_put(w->out, w->t->source.p + at, end - at);
}

static void trim(struct buf *out)
{
	while (out->n &&
		(out->p[out->n - 1] == ' ' || out->p[out->n - 1] == '\n' || out->p[out->n - 1] == '\t'))
		out->n--;
}

/* In the place of a mark: one blank before the inside, and behind it only where two words would become one.
 */
static void put_unwrapped(struct writer *w, bool opens, size_t next)
{
	char c = next < w->t->source.n ? w->t->source.p[next] : ' ';

	trim(w->out);
	w->swallow = opens;
	if (opens || !strchr(" \t\n,);", c))
		buf_putc(w->out, ' ');
}

/* The mark at `at`, if one is there: its length. */
static size_t put_mark(struct writer *w, size_t at)
{
	struct tr *t = w->t;

	for (unsigned vc = 1; vc <= t->nvc; vc++) {
		const struct version_comment *c = &t->vc[vc];
		size_t len = at == c->open_at ? c->open_len : at == c->close_at ? 2 : 0;

		if (!len)
			continue;
		if (c->unwrap) {
			put_unwrapped(w, at == c->open_at, at + len);
			return len;
		}
		if (at == c->close_at && t->source.p[at - 1] == ' ' && w->out->n &&
			w->out->p[w->out->n - 1] != ' ')
			buf_putc(w->out, ' ');
		buf_put(w->out, t->source.p + at, len);
		return len;
	}
	return 0;
}

/* White space and comments before a token; keep: the token itself is kept. */
static void put_gap(struct writer *w, size_t at, size_t end, bool keep)
{
	struct tr *t = w->t;

	while (at < end) {
		size_t mark = put_mark(w, at), comment;

		if (mark) {
			at += mark;
			continue;
		}
		comment = sql_lex_comment_end(&t->lx, at);
		if (comment > at) {
			/* The source's server skipped it: the target must do so too. TiDB's own marks are
			 * meant for it. */
			bool runs = sql_lex_version_comment(&w->target, at) != 0;

			if (runs)
				buf_putc(w->out, ' ');
			put_space(w, at, comment, keep && !runs);
			at = comment;
			continue;
		}
		put_space(w, at, at + 1, keep);
		at++;
	}
}

/* Of a name, a number or something quoted: two of them side by side may become one. */
static bool is_wordy(char c)
{
	return isalnum((unsigned char)c) || (c & 0x80) || (c && strchr("_$@'\"`", c));
}

/* What stood between them is gone: "ENGINE=InnoDB TRANSACTIONAL='0'COMMENT='x'". */
static void keep_apart(struct buf *out, char next)
{
	if (out->n && is_wordy(out->p[out->n - 1]) && is_wordy(next))
		buf_putc(out, ' ');
}

static void put_token(struct tr *t, const struct tok *k, struct buf *out)
{
	const char *text = k->text ? k->text : t->source.p + k->at;
	size_t n = k->text ? strlen(k->text) : k->len;

	if (k > t->t && k[-1].drop && n)
		keep_apart(out, *text);
	buf_put(out, text, n);
}

void tr_write(struct tr *t, struct buf *out)
{
	struct writer w = {.t = t, .out = out, .target = target_lexer(t)};
	size_t end = 0;

	settle_comments(&w);
	for (size_t i = 0; i <= t->n; i++) {
		const struct tok *k = &t->t[i];
		bool tight = tr_is_char(t, i, ',') || tr_is_char(t, i, ')');

		w.swallow = false;
		put_gap(&w, end, k->at, !k->drop);
		/* Behind something that was dropped: "a ," reads badly. */
		if (tight && !k->drop && i > 0 && t->t[i - 1].drop && t->source.p[k->at - 1] != '\n')
			trim(out);
		if (!k->drop)
			put_token(t, k, out);
		if (k->after)
			buf_puts(out, k->after);
		end = k->at + k->len;
	}
}
