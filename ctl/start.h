#pragma once
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "ctl/job.h"

/* The supervisor of a `tidegate run`: started in a session of its own, so that Ctrl-C reaches only this
 * program (T47). */
struct started {
	pid_t pid;    /* 0: not running */
	int alive_fd; /* held open for the run's life: when this program dies, the supervisor sees it and
			 leaves */
	int status;   /* of waitpid, once gone */
};

/* Log lines go to STATE/log/tidegate.log. ERR_locked where one runs in this state folder already. */
int start_supervisor(const struct args *a, const struct job *j, struct started *s, struct err *e);
/* True while it lives; reaps it when it is gone. */
bool start_alive(struct started *s);
/* Asks it to leave (everything is saved), waits at most 30 s, or until a second interrupt is counted; then
 * kills. */
void start_stop(struct started *s, const volatile sig_atomic_t *interrupts);
/* At once: SIGQUIT, all processes end as they are. */
void start_abort(struct started *s);
/* The last error line of the log (empty without one), for "the supervisor died" messages. */
void start_last_words(const struct job *j, char *out, size_t size);
