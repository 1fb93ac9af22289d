/*
 * Heads of CREATE VIEW, FUNCTION, PROCEDURE, PACKAGE, TRIGGER and EVENT statements, as servers show them: who
 * the DEFINER is, and nothing of their bodies. Pure. Used by the load and the cutover.
 */
#include "common/sql/objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sql/lexer.h"
#include "common/sql/quote.h"

static const char *const kinds[OBJECT_KINDS] = {
	[OBJECT_VIEW] = "VIEW",
	[OBJECT_FUNCTION] = "FUNCTION",
	[OBJECT_PROCEDURE] = "PROCEDURE",
	[OBJECT_PACKAGE] = "PACKAGE",
	[OBJECT_PACKAGE_BODY] = "PACKAGE BODY",
	[OBJECT_TRIGGER] = "TRIGGER",
	[OBJECT_EVENT] = "EVENT",
};

const char *object_word(enum object_kind kind)
{
	return kinds[kind];
}

int object_kind_of(struct str word)
{
	for (int i = 0; i < OBJECT_KINDS; i++)
		if (str_is_ci(word, kinds[i]))
			return i;
	return -1;
}

static const struct {
	const char *word;
	unsigned set;
} words[] = {
	{"routines", OBJECTS_ROUTINES},
	{"triggers", OBJECTS_TRIGGERS},
	{"events", OBJECTS_EVENTS},
	{"all", OBJECTS_ALL},
	{"none", 0},
};
enum { WORDS = sizeof(words) / sizeof(words[0]) };

static int add_word(struct str word, unsigned *set)
{
	for (size_t i = 0; i < WORDS; i++)
		if (str_is(word, words[i].word)) {
			*set |= words[i].set;
			return 0;
		}
	return -1;
}

int objects_parse(const char *list, unsigned *set, struct err *e)
{
	const char *at = list ? list : "";

	*set = 0;
	while (*at) {
		size_t n;

		at += strspn(at, ", ");
		n = strcspn(at, ", ");
		if (n > 0 && add_word((struct str){at, n}, set) < 0)
			return err_set(e, ERR_usage,
				"objects '%.60s': a list of routines, triggers, events; or all, or none",
				list);
		at += n;
	}
	return 0;
}

/* --- the DEFINER --- */

static struct str unquoted(struct str s)
{
	if (s.n >= 2 && strchr("'`\"", s.p[0]) && s.p[s.n - 1] == s.p[0])
		return (struct str){s.p + 1, s.n - 2};
	return s;
}

void definer_put(struct buf *out, struct str account)
{
	const char *at = account.n ? memrchr(account.p, '@', account.n) : NULL;
	size_t n = at ? (size_t)(at - account.p) : account.n;

	sql_put_ident(out, unquoted((struct str){account.p, n}));
	if (!at || n + 1 == account.n)
		return; /* a role */
	buf_putc(out, '@');
	sql_put_ident(out, unquoted((struct str){at + 1, account.n - n - 1}));
}

int definer_parse(const char *text, struct definer *d, struct err *e)
{
	static const char *const policies[] = {"keep", "current-user", "invoker"};
	const char *at = text ? strrchr(text, '@') : NULL;
	struct buf account = {0};

	*d = (struct definer){DEFINER_KEEP, ""};
	if (!text || !*text)
		return 0;
	for (int i = DEFINER_KEEP; i <= DEFINER_INVOKER; i++)
		if (strcmp(text, policies[i]) == 0) {
			d->policy = (enum definer_policy)i;
			return 0;
		}
	if (!at || at == text || !at[1] || strlen(text) > 160)
		return err_set(e, ERR_usage,
			"definer '%.60s': keep, current-user, invoker, or an account (user@host)", text);
	definer_put(&account, str_of(text));
	d->policy = DEFINER_ACCOUNT;
	snprintf(d->account, sizeof(d->account), "%s", buf_cstr(&account));
	buf_free(&account);
	return 0;
}

/* --- the statement --- */

struct head {
	struct sql_lexer lx;
	struct str text;
	const struct definer *definer;
	struct buf *out;
	size_t copied; /* the text up to here is in out, or left out */
};

/* What was read so far goes out, but for what begins at `to`. */
static void copy_to(struct head *h, size_t to)
{
	buf_put(h->out, h->text.p + h->copied, to - h->copied);
	h->copied = to;
}

/* The lexer stands on the word DEFINER; afterwards on what follows the account. */
static void definer_clause(struct head *h)
{
	size_t at = h->lx.token_at;

	sql_lex_next(&h->lx); /* = */
	sql_lex_next(&h->lx);
	sql_lex_next(&h->lx);
	while (h->lx.type == SQL_VARIABLE)
		sql_lex_next(&h->lx);
	if (sql_lex_is_char(&h->lx, '(')) { /* CURRENT_USER() */
		sql_lex_next(&h->lx);
		sql_lex_next(&h->lx);
	}
	if (h->definer->policy == DEFINER_KEEP)
		return;
	copy_to(h, at);
	if (h->definer->policy == DEFINER_ACCOUNT)
		buf_putf(h->out, "DEFINER=%s ", h->definer->account);
	h->copied = h->lx.token_at;
}

/* SQL SECURITY DEFINER|INVOKER of a view. */
static void security_clause(struct head *h)
{
	sql_lex_next(&h->lx);
	sql_lex_next(&h->lx);
	if (h->definer->policy == DEFINER_INVOKER && sql_lex_is(&h->lx, "DEFINER")) {
		copy_to(h, h->lx.token_at);
		buf_puts(h->out, "INVOKER");
		h->copied = h->lx.token_at + h->lx.token.n;
	}
	sql_lex_next(&h->lx);
}

/* Up to the word that says what it is. */
static int read_head(struct head *h, const char *noun, struct err *e)
{
	while (!sql_lex_is(&h->lx, noun)) {
		if (sql_lex_is(&h->lx, "DEFINER"))
			definer_clause(h);
		else if (sql_lex_is(&h->lx, "SQL"))
			security_clause(h);
		else if (h->lx.type == SQL_END || h->lx.type == SQL_BAD)
			return err_set(e, ERR_sql_parse, "no %s in the statement: %.*s", noun,
				(int)(h->text.n < 100 ? h->text.n : 100), h->text.n ? h->text.p : "");
		else
			sql_lex_next(&h->lx);
	}
	return 0;
}

/*
 * ON COMPLETION [NOT] PRESERVE, which is always shown, then ENABLE, DISABLE or DISABLE ON SLAVE (REPLICA): an
 * event must not run before everything else is there.
 */
static int disable_event(struct head *h, struct err *e)
{
	size_t at;

	while (!sql_lex_is(&h->lx, "PRESERVE"))
		if (sql_lex_next(&h->lx) == SQL_END || h->lx.type == SQL_BAD)
			return err_set(e, ERR_sql_parse, "no ON COMPLETION in an event's statement");
	sql_lex_next(&h->lx);
	if (!sql_lex_is(&h->lx, "ENABLE") && !sql_lex_is(&h->lx, "DISABLE"))
		return err_set(e, ERR_sql_parse, "an event's statement says neither ENABLE nor DISABLE");
	at = h->lx.token_at;
	sql_lex_next(&h->lx);
	if (sql_lex_is(&h->lx, "ON")) {
		sql_lex_next(&h->lx);
		sql_lex_next(&h->lx);
	}
	copy_to(h, at);
	buf_puts(h->out, "DISABLE ");
	h->copied = h->lx.token_at;
	return 0;
}

int object_put_create(enum object_kind kind, struct str create, const struct server *from,
	const struct definer *d, struct buf *out, struct err *e)
{
	struct head h = {.text = create, .definer = d, .out = out};
	char noun[16];

	snprintf(noun, sizeof(noun), "%.*s", (int)strcspn(kinds[kind], " "), kinds[kind]);
	sql_lex_init(&h.lx, create, from->flavor == FLAVOR_MARIADB, from->version);
	sql_lex_next(&h.lx);
	if (read_head(&h, noun, e) < 0 || (kind == OBJECT_EVENT && disable_event(&h, e) < 0))
		return -1;
	copy_to(&h, create.n);
	return 0;
}
