#pragma once
#include "common/base/buf.h"

/* DECIMAL's bytes of the wire. Nobody outside this folder includes it. */

/* precision at most 65, scale at most 38 and not above it. */
size_t decimal_size(unsigned precision, unsigned scale);
/* "-123.4500": all digits of the scale; p has decimal_size bytes. */
void decimal_put(struct buf *out, const uint8_t *p, unsigned precision, unsigned scale);
