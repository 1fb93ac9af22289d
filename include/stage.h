#pragma once

enum stage {
	STAGE_NONE = 0,
#define STAGE(id, name) STAGE_##name = id,
#include "stage.def"
#undef STAGE
	STAGE_END
};

static inline const char *stage_name(int s)
{
	static const char *const names[STAGE_END] = {
#define STAGE(id, name) [id] = #name,
#include "stage.def"
#undef STAGE
	};
	return s > 0 && s < STAGE_END && names[s] ? names[s] : "InvalidStage";
}
