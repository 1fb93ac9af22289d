#pragma once
#include <stdbool.h>
#include <stdint.h>

/*
 * An error is a value: its finder fills it (err_set), those above add context (err_add), the edge logs it
 * once. Codes, classes and what to do: include/error.def. 0 is success, -1 means "see e".
 */
enum err_code {
	ERR_NONE = 0,
#define ERR(code, name, class, scope, level, act, message, workaround) ERR_##name = code,
#include "error.def"
#undef ERR
};

enum err_scope { ERR_SCOPE_ANY, ERR_SCOPE_UPSTREAM, ERR_SCOPE_DOWNSTREAM, ERR_SCOPE_INTERNAL };
enum err_level { ERR_LEVEL_LOW, ERR_LEVEL_MEDIUM, ERR_LEVEL_HIGH };
enum err_act {
	ERR_ACT_RETRY, /* the unit is started again, or tries again, by itself */
	ERR_ACT_PAUSE, /* a person must look: the subtask is paused with the error */
	ERR_ACT_STOP,  /* a mistake in the request: refused, nothing was changed */
};

struct err {
	uint32_t code;      /* enum err_code; 0: no error */
	uint32_t sql_errno; /* the server's own error number, 0 where there is none */
	char text[1000];    /* one line, NUL-terminated: what and where; cut with "..." where longer */
};

struct err_info {
	uint32_t code;
	const char *name, *class, *message, *workaround;
	enum err_scope scope;
	enum err_level level;
	enum err_act act;
};

/* Sets code and text ("<what happened>"); always returns -1. NULL for e is allowed everywhere. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* As err_set, with ": <strerror(errno)>" at the end. */
int err_sys(struct err *e, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "<context>: " before the text; returns -1. */
int err_add(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void err_clear(struct err *e);
/* The table's row; an unknown code gives the row of ERR_internal. */
const struct err_info *err_info(uint32_t code);
enum err_act err_act(uint32_t code);
/* DM's one-line form into out: "[code=36027:class=sync-unit:scope=internal:level=high], Message: …,
 * Workaround: …". */
void err_line(const struct err *e, char *out, uint32_t size);
const char *err_scope_name(enum err_scope s);
const char *err_level_name(enum err_level l);
