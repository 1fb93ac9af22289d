#pragma once
#include "include/stage.h"

/* What can happen to a subtask or a relay. */
enum stage_event {
	EVENT_RUN,     /* the order wants it to run; sent once for each time it is (newly) wanted */
	EVENT_PAUSE,   /* the order wants it paused */
	EVENT_STOP,    /* the order wants it stopped, or does not name it any more */
	EVENT_CHANGED, /* its settings are others now: its units start again with new slices */
	EVENT_ERROR,   /* an error that a retry can't mend */
	EVENT_DONE,    /* all work is done */
	EVENT_GONE,    /* none of its units is alive */
	EVENT_COUNT
};

/* What is to be done on the way. */
enum stage_action {
	ACTION_NONE,
	ACTION_START, /* forget the old error, let the units of the phase be started */
	ACTION_LEAVE, /* ask the units to leave */
};

struct stage_move {
	enum stage next;
	enum stage_action action;
};

struct stage_move stage_move(enum stage now, enum stage_event event);
const char *stage_event_name(enum stage_event event);
