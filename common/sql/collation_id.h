#pragma once
#include "common/base/str.h"
#include "server.h"

/* The charset of a collation's number, as events of that server carry it, "binary" among them; without bytes:
 * not known. */
struct str sql_charset_of_id(unsigned id, enum flavor flavor);
