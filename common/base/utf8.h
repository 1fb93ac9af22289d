#pragma once
#include "common/base/str.h"

/* Bytes of the character that p[0..n) begins with, n > 0; 0: it begins none. Overlong forms, surrogates and
 * what is beyond U+10FFFF are none. */
size_t utf8_character(const char *p, size_t n);
bool utf8_is(struct str s);
bool utf8_is_ascii(struct str s);
