#pragma once
#include "common/base/buf.h"
#include "common/sql/collation.h"

/* A SHOW CREATE text of that server, read under SET NAMES binary: the same in UTF-8, each literal that is
 * none said as x'…'. */
void shown_put_utf8(struct buf *out, struct str text, const struct server *server);
