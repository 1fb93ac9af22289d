/*
 * Borrowed bytes: comparison of keywords. Used everywhere; allocates nothing.
 */
#include "common/base/str.h"

#include <strings.h>

bool str_is_ci(struct str a, const char *z)
{
	return strlen(z) == a.n && strncasecmp(a.p ? a.p : "", z, a.n) == 0;
}

bool str_starts(struct str a, const char *z)
{
	size_t n = strlen(z);

	return a.n >= n && memcmp(a.p ? a.p : "", z, n) == 0;
}
