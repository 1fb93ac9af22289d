/*
 * Which server understands what, unfolded from feature.def. Called by the rules of sql_translate; it must
 * hold no rule itself.
 */
#include "common/sql/translate.h"

static const struct {
	uint32_t mysql, mariadb, tidb;
} features[FEATURE_COUNT] = {
#define FEATURE(name, my, ma, ti) [FEATURE_##name] = {my, ma, ti},
#include "common/sql/feature.def"
#undef FEATURE
};

bool knows(const struct server *s, enum feature f)
{
	uint32_t since = s->flavor == FLAVOR_MARIADB ? features[f].mariadb
			 : s->flavor == FLAVOR_TIDB  ? features[f].tidb
						     : features[f].mysql;

	return since && s->version >= since;
}
