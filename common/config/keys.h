#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"

/* The rows of include/config.def, and finding one by its name. */
enum key_type {
	KEY_TEXT,
	KEY_INT,
	KEY_BOOL,
	KEY_WORD,
	KEY_SIZE,
	KEY_TIME,
	KEY_ZONE,
	KEY_GTIDS,
	KEY_PATTERN,
	KEY_REGEX,
	KEY_LIST,
	KEY_PATTERNS,
	KEY_REGEXES,
	KEY_EVENTS,
	KEY_MAP,
	KEY_NAMED,
	KEY_EACH,
	KEY_ANY
};
enum key_status { KEY_REQUIRED, KEY_USED, KEY_NOTED, KEY_DEPRECATED, KEY_RENAMED, KEY_UNSUPPORTED };

struct key {
	const char *section, *name;
	enum key_type type;
	const char *of, *fallback;
	int64_t min, max;
	enum key_status status;
	const char *help;
};

/* The whole table; *n rows. */
const struct key *keys_all(size_t *n);
/* The row of that name in the section (of session variables in any case), else its "*" row, else NULL. */
const struct key *keys_find(const char *section, struct str name);
/* The name in the section that is nearest to this one, or NULL where none is near. */
const char *keys_nearest(const char *section, struct str name);
/* The nearest of n words, or NULL: for names that a file makes itself. */
const char *words_nearest(struct str word, const char *const *words, size_t n);

/* Walks a list of words separated by '|': false at the end. refused: it stood behind a '!'. */
bool words_next(const char **at, struct str *word, bool *refused);
