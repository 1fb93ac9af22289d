/*
 * Charsets and collations: who knows which, what a charset alone means, what is nearest. Called by
 * dialect.c's parts. The rule for "nearest": values that differ must go on to differ, because a unique key
 * that takes two of them for equal stops the copy; values that were equal may come to differ.
 */
#include "common/sql/collation.h"

#include <stdio.h>
#include <string.h>

#include "common/sql/dialect.h"

/* clang-format off */
#define U3(rest, my, ma, ti) {"utf8mb3_" rest, "utf8_" rest, my, ma, ti},
#define ONE(cs, rest, my, ma, ti) {cs "_" rest, NULL, my, ma, ti},
#define FIVE(rest, my, ma, ti) \
	ONE("ucs2", rest, my, ma, ti) ONE("utf16", rest, my, ma, ti) ONE("utf32", rest, my, ma, ti) \
	U3(rest, my, ma, ti) ONE("utf8mb4", rest, my, ma, ti)
#define UCA(rest) FIVE("uca1400_" rest, 0, 101001, 0)
static const struct collation collations[] = {
	{"binary", NULL, 1, 1, 1},
#define COLLATION(cs, rest, my, ma, ti) ONE(cs, rest, my, ma, ti)
#define UTF8MB3(rest, my, ma, ti) U3(rest, my, ma, ti)
#define UNICODE(rest, my, ma, ti) FIVE(rest, my, ma, ti)
#define UCA1400(lang) \
	UCA(lang "ai_ci") UCA(lang "ai_cs") UCA(lang "as_ci") UCA(lang "as_cs") \
	UCA(lang "nopad_ai_ci") UCA(lang "nopad_ai_cs") UCA(lang "nopad_as_ci") UCA(lang "nopad_as_cs")
#include "common/sql/collation.def"
#undef COLLATION
#undef UTF8MB3
#undef UNICODE
#undef UCA1400
};
/* clang-format on */

/* The languages' names in MySQL's 0900 collations and in all others. "": MariaDB has no such order of its
 * own. */
static const struct language {
	const char *mysql, *name;
} languages[] = {
	{"cs", "czech"},
	{"da", "danish"},
	{"de_pb", "german2"},
	{"eo", "esperanto"},
	{"es", "spanish"},
	{"es_trad", "spanish2"},
	{"et", "estonian"},
	{"hr", "croatian"},
	{"hu", "hungarian"},
	{"is", "icelandic"},
	{"la", "roman"},
	{"lt", "lithuanian"},
	{"lv", "latvian"},
	{"pl", "polish"},
	{"ro", "romanian"},
	{"sk", "slovak"},
	{"sl", "slovenian"},
	{"sv", "swedish"},
	{"tr", "turkish"},
	{"vi", "vietnamese"},
	/* only from MySQL: the nearest relative */
	{"nb", "danish"},
	{"nn", "danish"},
	{"bs", "croatian"},
	{"sr_latn", "croatian"},
	{"gl", "spanish"},
};

/* Defaults that are not CHARSET_general_ci. */
static const struct {
	const char *charset, *rest;
} defaults[] = {
	{"big5", "chinese_ci"},
	{"cp932", "japanese_ci"},
	{"dec8", "swedish_ci"},
	{"eucjpms", "japanese_ci"},
	{"euckr", "korean_ci"},
	{"gb18030", "chinese_ci"},
	{"gb2312", "chinese_ci"},
	{"gbk", "chinese_ci"},
	{"hp8", "english_ci"},
	{"latin1", "swedish_ci"},
	{"latin5", "turkish_ci"},
	{"sjis", "japanese_ci"},
	{"swe7", "swedish_ci"},
	{"tis620", "thai_ci"},
	{"ujis", "japanese_ci"},
};

const struct collation *collation_find(struct str name)
{
	for (size_t i = 0; i < sizeof(collations) / sizeof(collations[0]); i++) {
		const struct collation *c = &collations[i];

		if (str_is_ci(name, c->name) || (c->old_name && str_is_ci(name, c->old_name)))
			return c;
	}
	return NULL;
}

bool collation_known(const struct collation *c, const struct server *s)
{
	uint32_t since = s->flavor == FLAVOR_MARIADB ? c->mariadb
			 : s->flavor == FLAVOR_TIDB  ? c->tidb
						     : c->mysql;

	return since && since <= s->version;
}

static bool writes_utf8mb3(const struct server *s)
{
	return s->flavor == FLAVOR_MARIADB ? s->version >= 100600
					   : s->flavor == FLAVOR_MYSQL && s->version >= 80030;
}

const char *collation_name(const struct collation *c, const struct server *s)
{
	return c->old_name && !writes_utf8mb3(s) ? c->old_name : c->name;
}

const char *collation_charset(const struct collation *c, const struct server *s)
{
	/* Names without end, so that what is returned needs no memory of its own. */
	static const char *const names[] = {"armscii8", "ascii", "big5", "binary", "cp1250", "cp1251",
		"cp1256", "cp1257", "cp850", "cp852", "cp866", "cp932", "dec8", "eucjpms", "euckr", "gb18030",
		"gb2312", "gbk", "geostd8", "greek", "hebrew", "hp8", "keybcs2", "koi8r", "koi8u", "latin1",
		"latin2", "latin5", "latin7", "macce", "macroman", "sjis", "swe7", "tis620", "ucs2", "ujis",
		"utf16", "utf16le", "utf32", "utf8mb4"};
	struct str charset = {c->name, strcspn(c->name, "_")};

	if (c->old_name)
		return writes_utf8mb3(s) ? "utf8mb3" : "utf8";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (str_is(charset, names[i]))
			return names[i];
	}
	return "utf8mb4";
}

static const struct collation *named(struct str charset, const char *rest)
{
	char name[128];

	if (charset.n > 32)
		return NULL;
	snprintf(name, sizeof(name), "%.*s_%s", STR_ARG(charset), rest);
	return collation_find(str_of(name));
}

static bool is_unicode(struct str charset)
{
	return str_is_ci(charset, "utf8mb4") || str_is_ci(charset, "utf8mb3") || str_is_ci(charset, "utf8") ||
	       str_is_ci(charset, "ucs2") || str_is_ci(charset, "utf16") || str_is_ci(charset, "utf32");
}

const struct collation *collation_default(struct str charset, const struct server *s)
{
	if (str_is_ci(charset, "binary"))
		return collation_find(charset);
	if (s->flavor == FLAVOR_MARIADB && s->version >= 110500 && is_unicode(charset))
		return named(charset, "uca1400_ai_ci");
	if (s->flavor == FLAVOR_MYSQL && s->version >= 80000 && str_is_ci(charset, "utf8mb4"))
		return named(charset, "0900_ai_ci");
	if (s->flavor == FLAVOR_TIDB && !str_is_ci(charset, "gbk"))
		return named(charset, "bin");
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		if (str_is_ci(charset, defaults[i].charset))
			return named(charset, defaults[i].rest);
	}
	return named(charset, "general_ci");
}

/* What a collation's name says. */
struct traits {
	struct str charset;
	const char *rest;
	bool bin, nopad, accents, cases;
	bool tailored;     /* by a language … */
	const char *lang;  /* … that MariaDB names so; NULL: it has none */
	char mysql[16];    /* … that MySQL 8 names so; "" unknown */
	bool general, uca; /* one of the general_ci family; of the unicode families */
};

static void lang_from_mysql(struct traits *t, struct str short_name)
{
	t->tailored = true;
	snprintf(t->mysql, sizeof(t->mysql), "%.*s", STR_ARG(short_name));
	for (size_t i = 0; i < sizeof(languages) / sizeof(languages[0]); i++) {
		if (str_is(short_name, languages[i].mysql))
			t->lang = languages[i].name;
	}
}

static void lang_from_name(struct traits *t, struct str name)
{
	for (size_t i = 0; i < sizeof(languages) / sizeof(languages[0]); i++) {
		if (!str_is(name, languages[i].name))
			continue;
		t->tailored = true;
		t->lang = languages[i].name;
		snprintf(t->mysql, sizeof(t->mysql), "%s", languages[i].mysql);
		return;
	}
	/* Known to MariaDB and, in the old form, to MySQL. */
	if (str_is(name, "persian") || str_is(name, "sinhala")) {
		t->tailored = true;
		t->lang = str_is(name, "persian") ? "persian" : "sinhala";
	}
}

static struct traits traits_of(const struct collation *c)
{
	size_t n = strcspn(c->name, "_");
	struct traits t = {.charset = {c->name, n}, .rest = c->name[n] ? c->name + n + 1 : ""};
	const char *uca900 = strstr(t.rest, "0900_"), *first = t.rest;

	t.bin = strcmp(t.rest, "bin") == 0 || strcmp(t.rest, "nopad_bin") == 0 ||
		strcmp(t.rest, "0900_bin") == 0;
	t.nopad = strstr(t.rest, "nopad") || uca900;
	t.accents = strstr(t.rest, "_as_") || strstr(t.rest, "as_c") == t.rest;
	t.cases = strstr(t.rest, "_cs") != NULL;
	t.general = strncmp(t.rest, "general", 7) == 0;
	t.uca = !t.general && is_unicode(t.charset);
	if (uca900) {
		if (uca900 > t.rest)
			lang_from_mysql(&t, (struct str){t.rest, (size_t)(uca900 - t.rest - 1)});
		return t;
	}
	if (strncmp(first, "uca1400_", 8) == 0)
		first += 8;
	lang_from_name(&t, (struct str){first, strcspn(first, "_")});
	/* Orders that only MariaDB has; they look at accents. */
	if (strstr(t.rest, "thai_520") || strstr(t.rest, "myanmar"))
		t.accents = true;
	return t;
}

static const struct collation *try(const struct traits *t, const struct server *to, const char *rest)
{
	const struct collation *c = named(t->charset, rest);

	return c && collation_known(c, to) ? c : NULL;
}

/* The first of these that the server knows; the list ends with NULL. "" is skipped. */
static const struct collation *first_of(
	const struct traits *t, const struct server *to, const char *const *rest)
{
	const struct collation *c = NULL;

	for (; !c && *rest; rest++) {
		if (**rest)
			c = try(t, to, *rest);
	}
	return c;
}

static const struct collation *nearest_bin(const struct traits *t, const struct server *to)
{
	const char *const nopad[] = {"nopad_bin", "0900_bin", "bin", NULL};

	return first_of(t, to, t->nopad ? nopad : nopad + 2);
}

/* A tailoring that the target lacks may keep letters apart by accents: so must its stand-in. */
static const struct collation *nearest_tailored(const struct traits *t, const struct server *to)
{
	const char *a = t->accents ? "as" : "ai", *c = t->cases ? "cs" : "ci",
		   *pad = t->nopad ? "nopad_" : "";
	char uca1400[64] = "", uca900[64] = "", uca900_fine[64] = "", old[64] = "", plain1400[64],
	     plain900[64];
	const char *const list[] = {
		uca1400, uca900, uca900_fine, old, plain900, "0900_as_cs", plain1400, NULL};

	if (t->lang)
		snprintf(uca1400, sizeof(uca1400), "uca1400_%s_%s%s_%s", t->lang, pad, a, c);
	if (t->mysql[0]) {
		snprintf(uca900, sizeof(uca900), "%s_0900_%s_%s", t->mysql, a, c);
		snprintf(uca900_fine, sizeof(uca900_fine), "%s_0900_as_cs", t->mysql);
	}
	if (t->lang && !t->accents && !t->cases)
		snprintf(old, sizeof(old), "%s_ci", t->lang);
	snprintf(plain900, sizeof(plain900), "0900_as_%s", c);
	snprintf(plain1400, sizeof(plain1400), "uca1400_%sas_%s", pad, c);
	return first_of(t, to, list);
}

static const struct collation *nearest_uca(const struct traits *t, const struct server *to)
{
	const char *a = t->accents ? "as" : "ai", *c = t->cases ? "cs" : "ci",
		   *pad = t->nopad ? "nopad_" : "";
	char uca1400[64], uca900[64];
	const char *const list[] = {uca1400, uca900, "0900_as_cs", NULL};
	const char *const coarse[] = {
		t->nopad ? "unicode_520_nopad_ci" : "", "unicode_520_ci", "unicode_ci", NULL};
	const struct collation *found;

	snprintf(uca1400, sizeof(uca1400), "uca1400_%s%s_%s", pad, a, c);
	snprintf(uca900, sizeof(uca900), "0900_%s_%s", a, c);
	found = first_of(t, to, list);
	if (found || t->accents || t->cases)
		return found;
	return first_of(t, to, coarse);
}

/* swedish_nopad_ci -> swedish_ci: no more than trailing spaces are lost. */
static const struct collation *without_nopad(const struct traits *t, const struct server *to)
{
	const char *at = strstr(t->rest, "nopad_");
	char rest[96];

	if (!at)
		return NULL;
	snprintf(rest, sizeof(rest), "%.*s%s", (int)(at - t->rest), t->rest, at + 6);
	return try(t, to, rest);
}

static bool knows_charset(struct str charset, const struct server *s)
{
	const struct collation *bin = named(charset, "bin");

	return bin && collation_known(bin, s);
}

static const struct collation *nearest_by_traits(struct traits t, const struct server *to)
{
	bool ascii = str_is(t.charset, "ascii");
	const struct collation *found = NULL;

	if (!knows_charset(t.charset, to))
		t.charset = STR_LIT("utf8mb4");
	if (t.bin)
		return nearest_bin(&t, to);
	if (strncmp(t.rest, "unicode", 7) == 0)
		found = try(&t, to, t.rest); /* the same order in another charset */
	if (found)
		return found;
	if (!t.uca && !t.general)
		found = without_nopad(&t, to);
	else if (t.general)
		found = t.accents ? NULL : try(&t, to, "general_ci");
	else
		found = t.tailored ? nearest_tailored(&t, to) : nearest_uca(&t, to);
	/* Of the small charsets only ASCII's letters fold the same way in utf8mb4. */
	if (!found && ascii)
		found = try(&t, to, "general_ci");
	return found ? found : nearest_bin(&t, to);
}

const struct collation *collation_nearest(const struct collation *c, const struct server *to)
{
	const struct collation *found;
	struct traits t;

	if (collation_known(c, to))
		return c;
	t = traits_of(c);
	/* general_ci of a charset that `to` does not have: its folding is the charset's own. */
	if (t.general && !is_unicode(t.charset))
		t.general = false;
	if (t.general && strstr(t.rest, "1400"))
		t.general = false, t.uca = true;
	if (strcmp(t.rest, "unicode_520_ci") == 0 || strcmp(t.rest, "unicode_520_nopad_ci") == 0)
		t.uca = true; /* gb18030's too */
	found = nearest_by_traits(t, to);
	return found ? found : c;
}

/* Unicode 9 and 14; the older ones weigh many letters otherwise. */
static bool is_modern(const struct traits *t)
{
	return strstr(t->rest, "0900_") || strstr(t->rest, "uca1400_");
}

bool collation_is_twin(const struct collation *a, const struct collation *b)
{
	struct traits x = traits_of(a), y = traits_of(b);

	if (a == b)
		return true;
	if (!str_eq(x.charset, y.charset) || x.bin != y.bin || x.nopad != y.nopad)
		return false;
	if (x.bin)
		return true;
	return is_modern(&x) && is_modern(&y) && x.accents == y.accents && x.cases == y.cases &&
	       x.tailored == y.tailored && strcmp(x.mysql, y.mysql) == 0;
}

int collation_policy_of(const char *word)
{
	static const char *const words[COLLATION_POLICIES] = {"nearest", "fail", "exact"};

	for (int i = 0; i < COLLATION_POLICIES; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

bool sql_collation_may(
	struct str name, const struct server *from, const struct server *to, enum collation_policy policy)
{
	const struct collation *c = collation_find(name), *n;

	if (!c)
		c = collation_default(name, from);
	n = c ? collation_nearest(c, to) : NULL;
	return !n || policy == COLLATION_NEAREST || c == n ||
	       (policy == COLLATION_FAIL && collation_is_twin(c, n));
}

const char *sql_map_collation(struct str name, const struct server *from, const struct server *to)
{
	const struct collation *c = collation_find(name);
	const char *mapped;

	if (c) {
		mapped = collation_name(collation_nearest(c, to), to);
	} else {
		c = collation_default(name, from);
		if (!c)
			return NULL;
		mapped = collation_charset(collation_nearest(c, to), to);
	}
	return str_is_ci(name, mapped) ? NULL : mapped;
}

const char *sql_collation_near(struct str name, const struct server *to)
{
	const struct collation *c = collation_find(name);

	return c ? collation_name(collation_nearest(c, to), to) : name.p;
}

bool sql_collation_fits(struct str name, struct str there, const struct server *to)
{
	const struct collation *c = collation_find(name), *is = collation_find(there);
	struct traits x, y;

	if (!c || !is) /* not in the table: then it is nothing that is mapped */
		return str_eq(name, there);
	c = collation_nearest(c, to);
	x = traits_of(c);
	y = traits_of(is);
	/* Bytes: a space behind them makes another key, where the target can keep it apart. */
	if (x.bin && x.nopad && !y.nopad)
		return false;
	return c == is || y.bin || (!x.bin && (!x.accents || y.accents) && (!x.cases || y.cases));
}
