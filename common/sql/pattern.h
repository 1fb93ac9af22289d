#pragma once
#include <stdbool.h>

#include "common/base/err.h"
#include "common/base/str.h"

/*
 * A pattern of names as rules have them (docs/design/rules-of-tables.md): '*' (last character only), '?',
 * '[a-z]', '[!a]' for the whole name, or after '~' a regular expression that may match anywhere in it.
 */
struct pattern;

/* NULL with ERR_config_bad. */
struct pattern *pattern_new(const char *text, bool case_sensitive, struct err *e);
/* A regular expression without the '~'. */
struct pattern *pattern_new_regex(const char *regex, bool case_sensitive, struct err *e);
void pattern_free(struct pattern **p);
/* How many groups in parentheses it has. */
unsigned pattern_groups(const struct pattern *p);
bool pattern_is_regex(const struct pattern *p);
/* when_unsure: what a matcher says that gives up (limits, a name that is no UTF-8). */
bool pattern_matches(const struct pattern *p, struct str name, bool when_unsure);
/* 1: it matches, and groups[0 … n-1] (0: all that matched) borrow the name; 0: it does not; -1: the matcher
 * gave up. */
int pattern_find(const struct pattern *p, struct str name, struct str *groups, unsigned n, struct err *e);
