/*
 * Text of the upstream's charsets in utf8mb4. Called by the statement builder, in whichever thread it runs;
 * asks the upstream, 256 characters at once, and remembers. Must never pass a '?' on that stands for
 * something else.
 */
#include "units/sync/unicode.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/sql/quote.h"
#include "common/sql/value_format.h"

enum { LONGEST = 4 };

/* All characters that begin with the same bytes, but for the last one. */
struct page {
	struct page *next; /* of the charset */
	uint8_t prefix[LONGEST - 1];
	unsigned nprefix;
	char text[256][LONGEST];
	uint8_t n[256]; /* bytes of text; 0: no such character */
};

struct charset {
	struct charset *next;
	char *name;
	struct page *pages;       /* the last one used comes first */
	struct page *single;      /* of those: the one without a prefix, NULL: not yet */
	struct page *second[256]; /* … with a prefix of one byte: nearly all text is in these */
};

struct unicode {
	pthread_mutex_t lock;
	const struct endpoint *upstream;
	struct db *c;
	struct charset *charsets;
};

bool unicode_must(const struct column *up, enum flavor to)
{
	if (up->kind != COLUMN_TEXT || !up->charset)
		return false;
	if (to == FLAVOR_TIDB)
		return !value_is_utf8(up->charset);
	return to == FLAVOR_MARIADB && strcmp(up->charset, "gb18030") == 0;
}

struct unicode *unicode_new(const struct endpoint *upstream)
{
	struct unicode *u = xcalloc(1, sizeof(*u));

	pthread_mutex_init(&u->lock, NULL);
	u->upstream = upstream;
	return u;
}

static void charset_free(struct charset *c)
{
	while (c->pages) {
		struct page *p = c->pages;

		c->pages = p->next;
		free(p);
	}
	free(c->name);
	free(c);
}

void unicode_free(struct unicode **u)
{
	if (!*u)
		return;
	while ((*u)->charsets) {
		struct charset *c = (*u)->charsets;

		(*u)->charsets = c->next;
		charset_free(c);
	}
	db_close(&(*u)->c);
	pthread_mutex_destroy(&(*u)->lock);
	free(*u);
	*u = NULL;
}

/* --- how long a character is --- */

/* Lead bytes of characters of two bytes; what is not named is one byte. */
static const struct lead {
	const char *charset;
	uint8_t from, to;
	unsigned length;
} leads[] = {
	{"big5", 0xa1, 0xf9, 2},
	{"gbk", 0x81, 0xfe, 2},
	{"gb2312", 0xa1, 0xf7, 2},
	{"gb18030", 0x81, 0xfe, 2}, /* or 4, as the second byte says */
	{"euckr", 0x81, 0xfe, 2},
	{"sjis", 0x81, 0x9f, 2},
	{"sjis", 0xe0, 0xfc, 2},
	{"cp932", 0x81, 0x9f, 2},
	{"cp932", 0xe0, 0xfc, 2},
	{"ujis", 0x8e, 0x8e, 2},
	{"ujis", 0x8f, 0x8f, 3},
	{"ujis", 0xa1, 0xfe, 2},
	{"eucjpms", 0x8e, 0x8e, 2},
	{"eucjpms", 0x8f, 0x8f, 3},
	{"eucjpms", 0xa1, 0xfe, 2},
	{"ucs2", 0, 0xff, 2},
	{"utf16", 0, 0xff, 2}, /* or 4: a pair of surrogates */
	{"utf16le", 0, 0xff, 2},
	{"utf32", 0, 0xff, 4},
};

static bool is_pair(const char *charset, const uint8_t *p)
{
	if (strcmp(charset, "utf16") == 0)
		return p[0] >= 0xd8 && p[0] <= 0xdb;
	return strcmp(charset, "utf16le") == 0 && p[1] >= 0xd8 && p[1] <= 0xdb;
}

unsigned unicode_length(const char *charset, const uint8_t *p, size_t left)
{
	unsigned n = 1;

	for (size_t i = 0; left > 0 && i < sizeof(leads) / sizeof(*leads); i++)
		if (p[0] >= leads[i].from && p[0] <= leads[i].to && strcmp(leads[i].charset, charset) == 0)
			n = leads[i].length;
	if (n == 2 && left >= 2) {
		bool four = strcmp(charset, "gb18030") == 0 && p[1] >= 0x30 && p[1] <= 0x39;

		n = four || is_pair(charset, p) ? 4 : 2;
	}
	return n <= left ? n : 0;
}

/* --- what it is in Unicode --- */

static void put_hex_byte(struct buf *sql, uint8_t b)
{
	static const char hex[] = "0123456789ABCDEF";

	buf_putc(sql, hex[b >> 4]);
	buf_putc(sql, hex[b & 15]);
}

static void put_question(struct buf *sql, const struct charset *c, const struct page *p)
{
	for (unsigned last = 0; last < 256; last++) {
		buf_puts(sql, last ? "," : "SELECT ");
		buf_puts(sql, "CONVERT(CONVERT(x'");
		for (unsigned i = 0; i < p->nprefix; i++)
			put_hex_byte(sql, p->prefix[i]);
		put_hex_byte(sql, (uint8_t)last);
		buf_puts(sql, "' USING ");
		sql_put_ident(sql, str_of(c->name));
		buf_puts(sql, ") USING utf8mb4)");
	}
}

/* Is it the question mark, in this charset? */
static bool is_question_mark(const uint8_t *prefix, unsigned nprefix, uint8_t last)
{
	if (nprefix == 1 && prefix[0] == '?')
		return last == 0; /* utf16le */
	for (unsigned i = 0; i < nprefix; i++)
		if (prefix[i] != 0)
			return false;
	return last == '?';
}

bool unicode_is_answer(const uint8_t *prefix, unsigned nprefix, uint8_t last, struct str v)
{
	return v.p && v.n > 0 && v.n <= LONGEST &&
	       (!memchr(v.p, '?', v.n) || is_question_mark(prefix, nprefix, last));
}

static void take(struct page *p, uint8_t last, struct str v)
{
	if (!unicode_is_answer(p->prefix, p->nprefix, last, v))
		return;
	memcpy(p->text[last], v.p, v.n);
	p->n[last] = (uint8_t)v.n;
}

static int ask_once(struct unicode *u, const struct charset *c, struct page *p, struct err *e)
{
	struct db_options o = {.session = DB_PLAIN, .upstream = true};
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int r;

	if (!u->c && !(u->c = db_open(u->upstream, &o, e)))
		return -1;
	put_question(&sql, c, p);
	rows = db_query(u->c, buf_str(&sql), e);
	buf_free(&sql);
	if (!rows)
		return -1;
	r = db_fetch(rows, &v, e);
	for (unsigned last = 0; r > 0 && last < 256; last++)
		take(p, (uint8_t)last, v[last]);
	db_rows_close(&rows);
	return r;
}

/* A connection that broke meanwhile is made again once. */
static int ask(struct unicode *u, const struct charset *c, struct page *p, struct err *e)
{
	bool had = u->c;
	int r = ask_once(u, c, p, e);

	if (r < 0 && had) {
		db_close(&u->c);
		err_clear(e);
		r = ask_once(u, c, p, e);
	}
	if (r < 0)
		db_close(&u->c);
	return r < 0 ? err_add(e, "asking the upstream what characters of %s are", c->name) : 0;
}

static struct charset *charset_of(struct unicode *u, const char *name)
{
	struct charset *c = u->charsets;

	while (c && strcmp(c->name, name) != 0)
		c = c->next;
	if (c)
		return c;
	c = xcalloc(1, sizeof(*c));
	c->name = xstrdup(name);
	c->next = u->charsets;
	u->charsets = c;
	return c;
}

static struct page *new_page(
	struct unicode *u, struct charset *c, const uint8_t *prefix, unsigned nprefix, struct err *e)
{
	struct page *p = xcalloc(1, sizeof(*p));

	memcpy(p->prefix, prefix, nprefix);
	p->nprefix = nprefix;
	if (ask(u, c, p, e) < 0) {
		free(p);
		return NULL;
	}
	return p;
}

static struct page *page_of(
	struct unicode *u, struct charset *c, const uint8_t *prefix, unsigned nprefix, struct err *e)
{
	struct page **at = &c->pages, *p = nprefix == 0   ? c->single
					   : nprefix == 1 ? c->second[prefix[0]]
							  : NULL;

	if (p)
		return p;
	while (*at && ((*at)->nprefix != nprefix || memcmp((*at)->prefix, prefix, nprefix) != 0))
		at = &(*at)->next;
	p = *at;
	if (p)
		*at = p->next;
	else if (!(p = new_page(u, c, prefix, nprefix, e)))
		return NULL;
	p->next = c->pages;
	c->pages = p;
	if (nprefix == 0)
		c->single = p;
	else if (nprefix == 1)
		c->second[prefix[0]] = p;
	return p;
}

static int no_character(const struct charset *c, const uint8_t *p, size_t left, struct err *e)
{
	struct buf hex = {0};

	for (size_t i = 0; i < left && i < LONGEST; i++)
		put_hex_byte(&hex, p[i]);
	err_set(e, ERR_sync_columns,
		"the bytes %s are no character of %s that Unicode has, and the downstream keeps nothing else",
		buf_cstr(&hex), c->name);
	buf_free(&hex);
	return -1;
}

static int put(struct unicode *u, struct buf *out, struct charset *c, struct str text, struct err *e)
{
	const uint8_t *p = (const uint8_t *)text.p, *end = p + text.n;

	while (p < end) {
		unsigned n = unicode_length(c->name, p, (size_t)(end - p));
		struct page *page = n ? page_of(u, c, p, n - 1, e) : NULL;
		uint8_t last;

		if (n && !page)
			return -1;
		last = n ? p[n - 1] : 0;
		if (!page || page->n[last] == 0)
			return no_character(c, p, (size_t)(end - p), e);
		buf_put(out, page->text[last], page->n[last]);
		p += n;
	}
	return 0;
}

int unicode_put(struct unicode *u, struct buf *out, const char *charset, struct str text, struct err *e)
{
	int r;

	pthread_mutex_lock(&u->lock);
	r = put(u, out, charset_of(u, charset), text, e);
	pthread_mutex_unlock(&u->lock);
	return r;
}
