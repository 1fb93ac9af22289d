/*
 * Patterns of names, as rules of a task have them: wildcards, or a regular expression behind '~'. All become
 * regular expressions of PCRE2. Whether a name matches is asked of its DFA matcher, whose time grows with the
 * name's length and not with the pattern's tricks; what a group matched only its other one can tell, under
 * limits. Called by rules.c and what stands beside it.
 */
#include "common/sql/pattern.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"

enum { MATCH_LIMIT = 1000000, HEAP_LIMIT_KIB = 4096, WORKSPACE = 4096 };

struct pattern {
	pcre2_code *re;
	pcre2_match_context *limits;
	unsigned groups;
	bool regex;
};

static void put_literal(struct buf *b, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)p[i] < 0x80 && strchr("\\^$.[]|()?*+{}-#&~ ", p[i]))
			buf_putc(b, '\\');
		buf_putc(b, p[i]);
	}
}

/*
 * "[a-z]" or "[!a]" at *at, which is moved behind it. As in DM the first ']' ends it, "[!]" is a '!', and
 * what is never closed stands for itself; "[]" would match no name at all.
 */
static int put_class(struct buf *b, const char *text, size_t *at, struct err *e)
{
	const char *inside = text + *at + 1, *end = strchr(inside, ']');
	bool not = *inside == '!' && end != inside + 1;

	if (end == inside)
		return err_set(e, ERR_config_bad,
			"pattern \"%s\": '[]' holds no character, so no name matches it; write a "
			"regular expression behind '~'",
			text);
	if (!end) {
		put_literal(b, text + *at, 1);
		*at += 1;
		return 0;
	}
	inside += not ;
	buf_puts(b, not ? "[^" : "[");
	for (const char *c = inside; c < end; c++) {
		if (*c == '-' && c > inside && c + 1 < end)
			buf_putc(b, '-');
		else
			put_literal(b, c, 1);
	}
	buf_putc(b, ']');
	*at = (size_t)(end - text) + 1;
	return 0;
}

/* A wildcard pattern as a regular expression for the whole name. */
static int wildcard_regex(const char *text, struct buf *b, struct err *e)
{
	size_t n = strlen(text);

	buf_puts(b, "\\A(?:");
	for (size_t i = 0; i < n;) {
		if (text[i] == '[') {
			if (put_class(b, text, &i, e) < 0)
				return -1;
			continue;
		}
		if (text[i] == '*' && i + 1 != n)
			return err_set(e, ERR_config_bad,
				"pattern \"%s\": '*' may only be the last character; write a regular "
				"expression behind '~'",
				text);
		if (text[i] == '*')
			buf_puts(b, "(?s:.*)");
		else if (text[i] == '?')
			buf_puts(b, "(?s:.)");
		else
			put_literal(b, text + i, 1);
		i++;
	}
	buf_puts(b, ")\\z");
	return 0;
}

static pcre2_code *compile_regex(const char *shown, struct str regex, bool case_sensitive, struct err *e)
{
	uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
	uint32_t backrefs = 0;
	int code;
	PCRE2_SIZE at;
	PCRE2_UCHAR why[200];
	pcre2_code *re;

	if (!case_sensitive)
		options |= PCRE2_CASELESS;
	re = pcre2_compile((PCRE2_SPTR)regex.p, regex.n, options, &code, &at, NULL);
	if (!re) {
		pcre2_get_error_message(code, why, sizeof(why));
		err_set(e, ERR_config_bad, "pattern \"%s\": %s at character %zu", shown, (char *)why,
			(size_t)at);
		return NULL;
	}
	pcre2_pattern_info(re, PCRE2_INFO_BACKREFMAX, &backrefs);
	if (backrefs) {
		err_set(e, ERR_config_bad, "pattern \"%s\": references back to a group are not supported",
			shown);
		pcre2_code_free(re);
		return NULL;
	}
	return re;
}

static pcre2_code *compile(const char *text, bool case_sensitive, struct err *e)
{
	struct buf b = {0};
	pcre2_code *re = NULL;

	if (text[0] == '~')
		return compile_regex(text, str_of(text + 1), case_sensitive, e);
	if (wildcard_regex(text, &b, e) == 0)
		re = compile_regex(text, buf_str(&b), case_sensitive, e);
	buf_free(&b);
	return re;
}

static struct pattern *wrap(pcre2_code *re, bool regex)
{
	struct pattern *p;
	uint32_t groups = 0;

	if (!re)
		return NULL;
	p = xcalloc(1, sizeof(*p));
	p->re = re;
	p->regex = regex;
	p->limits = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(p->limits, MATCH_LIMIT);
	pcre2_set_heap_limit(p->limits, HEAP_LIMIT_KIB);
	pcre2_pattern_info(re, PCRE2_INFO_CAPTURECOUNT, &groups);
	p->groups = groups;
	return p;
}

struct pattern *pattern_new(const char *text, bool case_sensitive, struct err *e)
{
	return wrap(compile(text, case_sensitive, e), text[0] == '~');
}

struct pattern *pattern_new_regex(const char *regex, bool case_sensitive, struct err *e)
{
	return wrap(compile_regex(regex, str_of(regex), case_sensitive, e), true);
}

void pattern_free(struct pattern **p)
{
	struct pattern *old = *p;

	*p = NULL;
	if (!old)
		return;
	pcre2_code_free(old->re);
	pcre2_match_context_free(old->limits);
	free(old);
}

unsigned pattern_groups(const struct pattern *p)
{
	return p->groups;
}

bool pattern_is_regex(const struct pattern *p)
{
	return p->regex;
}

bool pattern_matches(const struct pattern *p, struct str name, bool when_unsure)
{
	pcre2_match_data *md = pcre2_match_data_create(1, NULL);
	int workspace[WORKSPACE];
	int rc = pcre2_dfa_match(p->re, (PCRE2_SPTR)(name.p ? name.p : ""), name.n, 0, PCRE2_DFA_SHORTEST, md,
		p->limits, workspace, WORKSPACE);

	pcre2_match_data_free(md);
	if (rc >= 0)
		return true;
	return rc != PCRE2_ERROR_NOMATCH && when_unsure;
}

int pattern_find(const struct pattern *p, struct str name, struct str *groups, unsigned n, struct err *e)
{
	pcre2_match_data *md = pcre2_match_data_create_from_pattern(p->re, NULL);
	const PCRE2_SIZE *at;
	int rc = pcre2_match(p->re, (PCRE2_SPTR)(name.p ? name.p : ""), name.n, 0, 0, md, p->limits);

	at = pcre2_get_ovector_pointer(md);
	for (unsigned i = 0; i < n; i++) {
		bool there = rc > 0 && (int)i < rc && at[2 * i] != PCRE2_UNSET;

		groups[i] = there ? (struct str){name.p + at[2 * i], at[2 * i + 1] - at[2 * i]}
				  : (struct str){"", 0};
	}
	pcre2_match_data_free(md);
	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
		return err_set(e, ERR_config_bad, "`%.*s` can't be matched with a rule's pattern: %s",
			name.n > 200 ? 200 : (int)name.n, name.p,
			rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT ? "it takes too long"
										    : "it is no UTF-8");
	return rc >= 0;
}
