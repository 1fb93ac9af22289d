#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Bytes that belong to somebody else: a slice of a buffer, of a message, of a mapped file. Not
 * NUL-terminated. */
struct str {
	const char *p;
	size_t n;
};

#define STR_LIT(s) ((struct str){(s), sizeof(s) - 1})
/* For printf: "%.*s", STR_ARG(x). */
#define STR_ARG(s) (int)(s).n, (s).p

static inline struct str str_of(const char *z)
{
	return (struct str){z, z ? strlen(z) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_is(struct str a, const char *z)
{
	return str_eq(a, str_of(z));
}

/* ASCII case folding only: for keywords, never for identifiers of a server. */
bool str_is_ci(struct str a, const char *z);
bool str_starts(struct str a, const char *z);
