/*
 * Single values of a configuration file: numbers, truths, sizes, durations, words, GTID sets, patterns.
 * Called by checked.c for each scalar. Texts of type TEXT are never repeated in an error: one of them is the
 * password.
 */
#include "common/config/scalar.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/base/buf.h"
#include "common/sql/rules.h"

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

/* A unit of time at the start of text: its length, 0 for none, and its milliseconds. */
static size_t time_unit(struct str text, double *ms)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = {{"ns", 1e-6}, {"us", 1e-3}, {"\xc2\xb5s", 1e-3}, {"ms", 1}, {"s", 1e3}, {"m", 60e3},
		{"h", 3600e3}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (str_starts(text, units[i].name)) {
			*ms = units[i].ms;
			return strlen(units[i].name);
		}
	return 0;
}

static struct str behind(struct str text, size_t n)
{
	return (struct str){text.p + n, text.n - n};
}

/* "1.5h" at the start of *text, which is moved behind it. */
static bool time_part(struct str *text, double *ms)
{
	int64_t whole, part = 0;
	double value, unit, scale = 1;
	size_t n = digits(*text, &whole);

	if (n == 0)
		return false;
	*text = behind(*text, n);
	if (text->n > 1 && text->p[0] == '.') {
		n = digits(behind(*text, 1), &part);
		if (n == 0)
			return false;
		*text = behind(*text, 1 + n);
		while (n-- > 0)
			scale *= 10;
	}
	value = (double)whole + (double)part / scale;
	n = time_unit(*text, &unit);
	*text = behind(*text, n);
	*ms += value * unit;
	return n > 0;
}

bool scalar_time(struct str text, int64_t *ms)
{
	static const double longest = 9e15; /* exact in a double */
	int64_t seconds;
	double sum = 0;
	size_t n = digits(text, &seconds);

	if (n > 0 && n == text.n) {
		sum = (double)seconds * 1e3;
	} else {
		if (text.n == 0)
			return false;
		while (text.n > 0)
			if (!time_part(&text, &sum))
				return false;
	}
	*ms = sum > longest ? (int64_t)longest : (int64_t)sum;
	return true;
}

/* "+08:00", "-5:30" behind the sign. */
static bool zone_offset(struct str text, bool minus)
{
	int64_t hours, minutes;
	size_t n = digits(text, &hours);

	if (n == 0 || n > 2 || n >= text.n || text.p[n] != ':')
		return false;
	text = behind(text, n + 1);
	if (text.n != 2 || digits(text, &minutes) != 2 || minutes > 59)
		return false;
	return minus ? hours <= 12 : hours < 14 || (hours == 14 && minutes == 0);
}

bool scalar_zone(struct str text)
{
	if (text.n > 0 && (text.p[0] == '+' || text.p[0] == '-'))
		return zone_offset(behind(text, 1), text.p[0] == '-');
	if (text.n == 0 || !isalpha((unsigned char)text.p[0]))
		return false;
	for (size_t i = 0; i < text.n; i++)
		if (!isalnum((unsigned char)text.p[i]) && !strchr("_+-/", text.p[i]))
			return false;
	return true;
}

/* "7" or "1-7". */
static bool gtid_interval(struct str s)
{
	int64_t first, last;
	size_t n = digits(s, &first);

	if (n == 0 || first < 1)
		return false;
	if (n == s.n)
		return true;
	s = behind(s, n);
	return s.p[0] == '-' && s.n > 1 && digits(behind(s, 1), &last) == s.n - 1 && last >= first;
}

static bool gtid_tag(struct str s)
{
	if (s.n == 0 || s.n > 32 || isdigit((unsigned char)s.p[0]))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_')
			return false;
	return true;
}

static bool is_uuid(struct str s)
{
	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (i >= s.n || (dash ? s.p[i] != '-' : !isxdigit((unsigned char)s.p[i])))
			return false;
	}
	return true;
}

/* UUID[:tag]:interval[:interval…][:tag:interval…]…: each tag is followed by an interval. */
static bool gtid_of_mysql(struct str s)
{
	bool interval = false;

	if (!is_uuid(s))
		return false;
	s = behind(s, 36);
	while (s.n > 0) {
		struct str part;
		const char *colon;

		if (s.p[0] != ':')
			return false;
		s = behind(s, 1);
		colon = s.n ? memchr(s.p, ':', s.n) : NULL;
		part = (struct str){s.p, colon ? (size_t)(colon - s.p) : s.n};
		s = behind(s, part.n);
		interval = gtid_interval(part);
		if (!interval && !gtid_tag(part))
			return false;
	}
	return interval;
}

/* domain-server-number */
static bool gtid_of_mariadb(struct str s)
{
	for (int i = 0; i < 3; i++) {
		int64_t v;
		size_t n = digits(s, &v);

		if (n == 0 || (i < 2 && (v > UINT32_MAX || n == s.n || s.p[n] != '-')))
			return false;
		s = behind(s, i < 2 ? n + 1 : n);
	}
	return s.n == 0;
}

static struct str trimmed(struct str s)
{
	while (s.n > 0 && isspace((unsigned char)s.p[0]))
		s = behind(s, 1);
	while (s.n > 0 && isspace((unsigned char)s.p[s.n - 1]))
		s.n--;
	return s;
}

bool scalar_gtids(struct str text)
{
	while (text.n > 0) {
		const char *comma = memchr(text.p, ',', text.n);
		size_t n = comma ? (size_t)(comma - text.p) : text.n;
		struct str one = trimmed((struct str){text.p, n});

		if ((!gtid_of_mysql(one) && !gtid_of_mariadb(one)) || (comma && n + 1 == text.n))
			return false;
		text = behind(text, comma ? n + 1 : n);
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

static json_t *read_time(const struct key *k, struct str text, struct err *e)
{
	int64_t ms;

	if (!scalar_time(text, &ms))
		err_set(e, ERR_config_bad, "`%s` is `%.*s`, must be a duration like 30s or 5m", k->name,
			SHOWN(text));
	else if (ms < k->min)
		err_set(e, ERR_config_bad, "`%s` is `%.*s`, must be at least %lld ms", k->name, SHOWN(text),
			(long long)k->min);
	else
		return json_stringn(text.p, text.n);
	return NULL;
}

static json_t *read_zone(const struct key *k, struct str text, struct err *e)
{
	if (scalar_zone(text))
		return json_stringn(text.p, text.n);
	err_set(e, ERR_config_bad,
		"`%s` is `%.*s`, must be a time zone like Asia/Shanghai, or an offset from -12:59 to +14:00",
		k->name, SHOWN(text));
	return NULL;
}

/* A GTID set over several lines is one text without them. */
static json_t *read_gtids(const struct key *k, struct str text, struct err *e)
{
	struct buf b = {0};
	json_t *v;

	if (!scalar_gtids(text)) {
		err_set(e, ERR_config_bad,
			"`%s` is no GTID set: UUID:1-7,… of MySQL or domain-server-number,… of MariaDB is "
			"wanted",
			k->name);
		return NULL;
	}
	for (size_t i = 0; i < text.n; i++)
		if (!isspace((unsigned char)text.p[i]))
			buf_putc(&b, text.p[i]);
	v = b.n > (size_t)k->max ? NULL : json_stringn(b.p ? b.p : "", b.n);
	if (!v)
		err_set(e, ERR_config_bad, "`%s` is %zu bytes long, at most %lld fit", k->name, b.n,
			(long long)k->max);
	buf_free(&b);
	return v;
}

/* A text that its reader takes as a pattern of names, or as a regular expression. */
static json_t *read_pattern(const struct key *k, struct str text, struct err *e)
{
	bool regex = k->type == KEY_REGEX || k->type == KEY_REGEXES;
	json_t *v = read_text(k, text, e);
	unsigned groups = 0;
	int r = 0;

	if (v && !regex)
		r = rules_check_pattern(json_string_value(v), e);
	else if (v)
		r = rules_check_regex(json_string_value(v), &groups, e);
	if (v && r == 0 && regex && k->min > 0 && groups != (unsigned)k->min)
		r = err_set(e, ERR_config_bad, "`%s`: `%.*s` has %u groups in parentheses, must have %lld",
			k->name, SHOWN(text), groups, (long long)k->min);
	if (v && r == 0)
		return v;
	if (e)
		e->code = ERR_config_bad;
	json_decref(v);
	return NULL;
}

static json_t *read_event(const struct key *k, struct str text, struct err *e)
{
	const char *const *names = event_names(), *near;

	if (event_of(text) != EVENT_COUNT)
		return json_stringn(text.p, text.n);
	near = words_nearest(text, names, EVENT_COUNT);
	err_set(e, ERR_config_bad, "`%s`: `%.*s` is no event%s%s%s", k->name, SHOWN(text),
		near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
	return NULL;
}

json_t *scalar_read(const struct key *k, struct str text, bool plain, struct err *e)
{
	int t = plain ? truth(text, false) : -1;

	switch (k->type) {
	case KEY_INT:
		return read_number(k, text, plain, e);
	case KEY_SIZE:
		/* An empty size or word is DM's way to leave it open. */
		return text.n == 0 ? json_null() : read_number(k, text, plain, e);
	case KEY_BOOL:
		if (t >= 0)
			return json_boolean(t);
		err_set(e, ERR_config_bad, "`%s` is `%.*s`, must be true or false", k->name, SHOWN(text));
		return NULL;
	case KEY_TIME:
		return read_time(k, text, e);
	case KEY_ZONE:
		return text.n == 0 ? json_null() : read_zone(k, text, e);
	case KEY_GTIDS:
		return read_gtids(k, text, e);
	case KEY_PATTERN:
	case KEY_PATTERNS:
	case KEY_REGEX:
	case KEY_REGEXES:
		return read_pattern(k, text, e);
	case KEY_WORD:
		return text.n == 0 && k->status != KEY_REQUIRED ? json_null() : read_word(k, text, e);
	case KEY_EVENTS:
		return read_event(k, text, e);
	case KEY_LIST:
		return k->of[0] ? read_word(k, text, e) : read_text(k, text, e);
	default:
		return read_text(k, text, e);
	}
}
