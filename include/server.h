#pragma once
#include <stdbool.h>
#include <stdint.h>

/* What kind of server is at the other end. */
enum flavor { FLAVOR_MYSQL, FLAVOR_MARIADB, FLAVOR_TIDB };

struct server {
	enum flavor flavor;
	uint32_t version; /* 100206 = 10.2.6, 90700 = 9.7.0; of TiDB its own version, 70500 = 7.5.0 */
};

static inline const char *flavor_name(enum flavor f)
{
	return f == FLAVOR_MARIADB ? "mariadb" : f == FLAVOR_TIDB ? "tidb" : "mysql";
}
