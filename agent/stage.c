/*
 * The stages of a subtask (and of a relay) and every move between them, as one table: stage x event -> next,
 * action. Used by agent/subtask.c and agent/source.c; no other file changes a stage.
 *
 * A move into Paused or Stopped always goes through Pausing or Stopping: the stage is only told when no unit
 * is left that could still write.
 */
#include "agent/stage.h"

#include <assert.h>

/* What is not in the table leaves the stage as it is. */
static const struct stage_move moves[STAGE_END][EVENT_COUNT] = {
	[STAGE_New][EVENT_RUN] = {STAGE_Running, ACTION_START},
	[STAGE_New][EVENT_PAUSE] = {STAGE_Paused, ACTION_NONE},
	[STAGE_New][EVENT_STOP] = {STAGE_Stopped, ACTION_NONE},

	[STAGE_Running][EVENT_PAUSE] = {STAGE_Pausing, ACTION_LEAVE},
	[STAGE_Running][EVENT_STOP] = {STAGE_Stopping, ACTION_LEAVE},
	[STAGE_Running][EVENT_CHANGED] = {STAGE_Resuming, ACTION_LEAVE},
	[STAGE_Running][EVENT_ERROR] = {STAGE_Pausing, ACTION_LEAVE},
	[STAGE_Running][EVENT_DONE] = {STAGE_Finished, ACTION_LEAVE},

	[STAGE_Paused][EVENT_RUN] = {STAGE_Running, ACTION_START},
	[STAGE_Paused][EVENT_STOP] = {STAGE_Stopped, ACTION_NONE},

	[STAGE_Stopped][EVENT_RUN] = {STAGE_Running, ACTION_START},
	[STAGE_Stopped][EVENT_PAUSE] = {STAGE_Paused, ACTION_NONE},

	[STAGE_Finished][EVENT_STOP] = {STAGE_Stopping, ACTION_LEAVE},
	[STAGE_Finished][EVENT_CHANGED] = {STAGE_Resuming, ACTION_LEAVE},

	[STAGE_Pausing][EVENT_RUN] = {STAGE_Resuming, ACTION_NONE},
	[STAGE_Pausing][EVENT_STOP] = {STAGE_Stopping, ACTION_NONE},
	[STAGE_Pausing][EVENT_GONE] = {STAGE_Paused, ACTION_NONE},

	[STAGE_Resuming][EVENT_PAUSE] = {STAGE_Pausing, ACTION_NONE},
	[STAGE_Resuming][EVENT_STOP] = {STAGE_Stopping, ACTION_NONE},
	[STAGE_Resuming][EVENT_ERROR] = {STAGE_Pausing, ACTION_NONE},
	[STAGE_Resuming][EVENT_GONE] = {STAGE_Running, ACTION_START},

	[STAGE_Stopping][EVENT_RUN] = {STAGE_Resuming, ACTION_NONE},
	[STAGE_Stopping][EVENT_PAUSE] = {STAGE_Pausing, ACTION_NONE},
	[STAGE_Stopping][EVENT_GONE] = {STAGE_Stopped, ACTION_NONE},
};

static const char *const event_names[EVENT_COUNT] = {
	[EVENT_RUN] = "run",
	[EVENT_PAUSE] = "pause",
	[EVENT_STOP] = "stop",
	[EVENT_CHANGED] = "changed",
	[EVENT_ERROR] = "error",
	[EVENT_DONE] = "done",
	[EVENT_GONE] = "gone",
};

struct stage_move stage_move(enum stage now, enum stage_event event)
{
	assert(now > STAGE_NONE && now < STAGE_END && event < EVENT_COUNT);
	if (moves[now][event].next == STAGE_NONE)
		return (struct stage_move){now, ACTION_NONE};
	return moves[now][event];
}

const char *stage_event_name(enum stage_event event)
{
	return event < EVENT_COUNT ? event_names[event] : "?";
}
