/*
 * Single values of a configuration file: numbers, truths, sizes, durations, words. Called by checked.c for
 * each scalar. Texts of type TEXT are never repeated in an error: one of them is the password.
 */
#include "common/config/scalar.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define SHOWN(s) (int)((s).n > 60 ? 60 : (s).n), (s).p

bool scalar_is_null(struct str text)
{
	return text.n == 0 || str_is(text, "~") || str_is_ci(text, "null");
}

bool scalar_printable(struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
			return false;
	return true;
}

/* 1, 0, or -1 where the text is neither. numbers: 1 and 0 count too. */
static int truth(struct str text, bool numbers)
{
	static const char *const yes[] = {"true", "yes", "on", "y", "1"}, *const no[] = {"false", "no", "off",
										  "n", "0"};

	for (size_t i = 0; i < (numbers ? 5 : 4); i++) {
		if (str_is_ci(text, yes[i]))
			return 1;
		if (str_is_ci(text, no[i]))
			return 0;
	}
	return -1;
}

bool scalar_same(struct str text, const char *word)
{
	int t = truth(text, true);

	return str_is_ci(text, word) || (t >= 0 && t == truth(str_of(word), true));
}

/* Decimal digits at the start of text; how many, 0 for none or too large a number. */
static size_t digits(struct str text, int64_t *v)
{
	size_t i = 0;

	*v = 0;
	for (; i < text.n && isdigit((unsigned char)text.p[i]); i++)
		if (__builtin_mul_overflow(*v, 10, v) || __builtin_add_overflow(*v, text.p[i] - '0', v))
			return 0;
	return i;
}

static bool parse_int(struct str text, int64_t *v)
{
	bool minus = text.n > 0 && text.p[0] == '-';
	struct str rest = {text.p + minus, text.n - minus};
	size_t n = digits(rest, v);

	if (minus)
		*v = -*v;
	return n > 0 && n == rest.n;
}

/* "", "B", "K", "KB", "KiB", … -> factor; 0 for another text. */
static int64_t unit_factor(struct str u)
{
	static const char letters[] = "BKMGT";
	const char *at = u.n ? strchr(letters, toupper((unsigned char)u.p[0])) : NULL;
	struct str tail = {u.p + 1, u.n ? u.n - 1 : 0};

	if (!at || *at == '\0')
		return 0;
	if (tail.n && (*at == 'B' || (!str_is_ci(tail, "b") && !str_is_ci(tail, "ib"))))
		return 0;
	return (int64_t)1 << (10 * (at - letters));
}

bool scalar_size(struct str text, const char *unit, int64_t *bytes)
{
	size_t n = digits(text, bytes), blank = n;
	int64_t factor;

	while (blank < text.n && text.p[blank] == ' ')
		blank++;
	factor = unit_factor(blank < text.n ? (struct str){text.p + blank, text.n - blank} : str_of(unit));
	return n > 0 && factor > 0 && !__builtin_mul_overflow(*bytes, factor, bytes);
}

/* The length of a unit of time at the start of text, 0 for none. */
static size_t time_unit(struct str text)
{
	static const char *const units[] = {"ns", "us", "\xc2\xb5s", "ms", "s", "m", "h"};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (str_starts(text, units[i]))
			return strlen(units[i]);
	return 0;
}

bool scalar_is_time(struct str text)
{
	int64_t v;
	size_t n = digits(text, &v);

	if (n > 0 && n == text.n)
		return true;
	while (text.n > 0) {
		n = digits(text, &v);
		if (n == 0)
			return false;
		text = (struct str){text.p + n, text.n - n};
		if (text.n > 1 && text.p[0] == '.') {
			n = digits((struct str){text.p + 1, text.n - 1}, &v);
			if (n == 0)
				return false;
			text = (struct str){text.p + 1 + n, text.n - 1 - n};
		}
		n = time_unit(text);
		if (n == 0)
			return false;
		text = (struct str){text.p + n, text.n - n};
	}
	return true;
}

static json_t *read_word(const struct key *k, struct str text, struct err *e)
{
	const char *at = k->of, *words[32], *near;
	char copy[600], all[600] = "";
	struct str word;
	size_t n = 0, used = 0;
	bool refused;

	while (words_next(&at, &word, &refused)) {
		if (str_eq(word, text) && refused) {
			err_set(e, ERR_config_unsupported, "`%s: %.*s` is not supported", k->name,
				SHOWN(text));
			return NULL;
		}
		if (str_eq(word, text))
			return json_stringn(text.p, text.n);
		if (n < 32 && used + word.n < sizeof(copy)) {
			words[n++] = copy + used;
			memcpy(copy + used, word.p, word.n);
			used += word.n;
			copy[used++] = '\0';
		}
		if (!refused && strlen(all) + word.n + 3 < sizeof(all)) {
			strcat(all, all[0] ? ", " : "");
			strncat(all, word.p, word.n);
		}
	}
	near = words_nearest(text, words, n);
	err_set(e, ERR_config_bad, "`%s` can't be `%.*s`%s%s%s; there are: %s", k->name, SHOWN(text),
		near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "", all);
	return NULL;
}

static json_t *read_number(const struct key *k, struct str text, bool plain, struct err *e)
{
	bool size = k->type == KEY_SIZE;
	int64_t v;

	if (size ? !scalar_size(text, k->of, &v) : !plain || !parse_int(text, &v)) {
		err_set(e, ERR_config_bad, "`%s` is `%.*s`%s, must be %s", k->name, SHOWN(text),
			size || plain ? "" : " in quotes",
			size ? "a size like 64 or 64MiB" : "a whole number");
		return NULL;
	}
	if (v >= k->min && v <= k->max)
		return json_integer(v);
	err_set(e, ERR_config_bad, "`%s` is %lld%s, must be %lld to %lld", k->name, (long long)v,
		size ? " bytes" : "", (long long)k->min, (long long)k->max);
	return NULL;
}

static json_t *read_text(const struct key *k, struct str text, struct err *e)
{
	if (!scalar_printable(text))
		err_set(e, ERR_config_bad, "`%s` holds a control character", k->name);
	else if (text.n < (size_t)k->min)
		err_set(e, ERR_config_bad, "`%s` is empty", k->name);
	else if (k->max > 0 && text.n > (size_t)k->max)
		err_set(e, ERR_config_bad, "`%s` is %zu bytes long, at most %lld fit", k->name, text.n,
			(long long)k->max);
	else
		return json_stringn(text.p, text.n);
	return NULL;
}

json_t *scalar_read(const struct key *k, struct str text, bool plain, struct err *e)
{
	int t = plain ? truth(text, false) : -1;

	switch (k->type) {
	case KEY_INT:
	case KEY_SIZE:
		return read_number(k, text, plain, e);
	case KEY_BOOL:
		if (t >= 0)
			return json_boolean(t);
		err_set(e, ERR_config_bad, "`%s` is `%.*s`, must be true or false", k->name, SHOWN(text));
		return NULL;
	case KEY_TIME:
		if (scalar_is_time(text) && text.n > 0)
			return json_stringn(text.p, text.n);
		err_set(e, ERR_config_bad, "`%s` is `%.*s`, must be a duration like 30s or 5m", k->name,
			SHOWN(text));
		return NULL;
	case KEY_WORD:
		/* An empty word is DM's way to leave it open. */
		return text.n == 0 && k->status != KEY_REQUIRED ? json_null() : read_word(k, text, e);
	case KEY_LIST:
		return k->of[0] ? read_word(k, text, e) : read_text(k, text, e);
	default:
		return read_text(k, text, e);
	}
}
