/*
 * The table of configuration keys, and help for those who mistype one. Called by the readers of DM's files
 * and by what prints lists of keys. Knows nothing of YAML.
 */
#include "common/config/keys.h"

#include <string.h>

static const struct key table[] = {
#define KEY(section, name, type, of, fallback, min, max, status, help) \
	{#section, name, KEY_##type, of, fallback, min, max, KEY_##status, help},
#include "config.def"
#undef KEY
};
enum { ROWS = sizeof(table) / sizeof(table[0]), WORD_MAX_ = 64 };

const struct key *keys_all(size_t *n)
{
	*n = ROWS;
	return table;
}

const struct key *keys_find(const char *section, struct str name)
{
	bool any_case = strcmp(section, "session") == 0; /* DM lower-cases them */
	const struct key *any = NULL;

	for (size_t i = 0; i < ROWS; i++) {
		if (strcmp(table[i].section, section) != 0)
			continue;
		if (any_case ? str_is_ci(name, table[i].name) : str_is(name, table[i].name))
			return &table[i];
		if (strcmp(table[i].name, "*") == 0)
			any = &table[i];
	}
	return any;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* How many letters must be added, taken away or changed to make b of a (Levenshtein); both at most WORD_MAX_.
 */
static size_t distance(struct str a, struct str b)
{
	size_t row[WORD_MAX_ + 1];

	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a.p[i - 1] != b.p[j - 1]));
			diagonal = above;
		}
	}
	return row[b.n];
}

/* Is candidate nearer than the best so far? A third of the letters wrong, or two of a short word, is near. */
static bool nearer(struct str word, struct str candidate, size_t *best)
{
	size_t limit = word.n / 3 > 2 ? word.n / 3 : 2, d;

	if (word.n > WORD_MAX_ || candidate.n > WORD_MAX_ || word.n < 2)
		return false;
	d = distance(word, candidate);
	if (d > limit || d >= word.n || d >= *best)
		return false;
	*best = d;
	return true;
}

const char *keys_nearest(const char *section, struct str name)
{
	size_t best = SIZE_MAX;
	const char *found = NULL;

	for (size_t i = 0; i < ROWS; i++)
		if (strcmp(table[i].section, section) == 0 && nearer(name, str_of(table[i].name), &best))
			found = table[i].name;
	return found;
}

const char *words_nearest(struct str word, const char *const *words, size_t n)
{
	size_t best = SIZE_MAX;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++)
		if (nearer(word, str_of(words[i]), &best))
			found = words[i];
	return found;
}

bool words_next(const char **at, struct str *word, bool *refused)
{
	const char *p = *at;

	if (*p == '\0')
		return false;
	*refused = *p == '!';
	p += *refused;
	*word = (struct str){p, strcspn(p, "|")};
	*at = p + word->n + (p[word->n] == '|');
	return true;
}
