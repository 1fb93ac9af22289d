/*
 * One-shot units: tidegate-check, or tidegate-cutover where the order says so, is started once in the slot
 * that the orders name, and what it found is reported. It is never started again by itself: one that died is
 * an answer too. Called by orders.c.
 */
#include "agent/check.h"

#include <stdlib.h>

#include "agent/agent.h"
#include "agent/slice.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"

static json_t *own_slice(void *owner, const struct proc *p)
{
	return slice_check(owner, p);
}

static void on_ended(void *owner, struct proc *p, enum proc_end how)
{
	struct check *c = owner;

	c->done = true;
	if (how == PROC_RETRY || how == PROC_FAILED)
		c->error = p->error;
	else if (how == PROC_STOPPED)
		err_set(&c->error, ERR_check_failed, "the check was ended before it was done");
	proc_want(p, false);
}

static const struct proc_owner check_ops = {own_slice, NULL, on_ended};

struct check *check_new(struct agent *a, json_t *spec, struct err *e)
{
	int64_t slot = json_num(spec, "slot", 0), sub = json_num(spec, "sub", 0);
	enum unit_kind kind = json_object_get(spec, "cutover") ? UNIT_cutover : UNIT_check;
	struct check *c;

	if (slot < 1 || slot > SPAWN_MAX_SLOT || sub < 1 || sub > SPAWN_MAX_SUB) {
		err_set(e, ERR_config_bad, "a check with slot %d and sub %d", (int)slot, (int)sub);
		return NULL;
	}
	if (proc_find(a, kind, (uint32_t)slot, (uint32_t)sub)) {
		err_set(e, ERR_config_bad, "two checks with slot %d and sub %d", (int)slot, (int)sub);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	*c = (struct check){
		.agent = a, .id = json_num(spec, "id", 0), .spec = json_incref(spec), .next = a->checks};
	c->proc = proc_new(a, kind, (unsigned)slot, (unsigned)sub, json_text(spec, "source", "check"));
	proc_own(c->proc, json_text(spec, "task", ""), &check_ops, c);
	a->checks = c;
	return c;
}

void check_free(struct check **cp)
{
	struct check *c = *cp;

	for (struct check **at = &c->agent->checks; *at; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			break;
		}
	proc_free(&c->proc);
	json_decref(c->spec);
	free(c);
	*cp = NULL;
}

void check_tick(struct check *c, uint64_t now)
{
	/* One that could not even be started is done as well, with that error. */
	if (!c->done && proc_is_off(c->proc) && c->proc->error.code) {
		c->done = true;
		c->error = c->proc->error;
	}
	proc_want(c->proc, !c->done && !c->gone);
	proc_tick(c->proc, now);
}
