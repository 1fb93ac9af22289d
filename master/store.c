/* What both backends share: the dispatch, the tables' names. Called by model.c and main.c. */
#include "master/store.h"

#include <string.h>

#include "common/config/json.h"

const char *const store_table_names[STORE_TABLES] = {"source", "task", "subtask", "agent", "kept"};

static struct store_head *head(const struct store *s)
{
	return (struct store_head *)(uintptr_t)s;
}

void store_close(struct store **s)
{
	if (*s)
		head(*s)->ops->close(*s);
	*s = NULL;
}

uint64_t store_term(struct store *s)
{
	return head(s)->ops->term(s);
}

void store_leader(struct store *s, struct store_leader *out)
{
	*out = (struct store_leader){0};
	head(s)->ops->leader(s, out);
}

int store_trouble(struct store *s, struct err *e)
{
	return head(s)->ops->trouble ? head(s)->ops->trouble(s, e) : 0;
}

json_t *store_masters(struct store *s, bool *known)
{
	*known = !head(s)->ops->masters;
	return head(s)->ops->masters ? head(s)->ops->masters(s, known) : NULL;
}

/* Who reads this in a term hears of all that were evicted before it. */
static int check_others(struct store *s, struct err *e)
{
	struct store_leader self;
	bool known, other = false;
	json_t *all = store_masters(s, &known), *v;
	size_t i;

	store_leader(s, &self);
	json_array_foreach(all, i, v)
		other |= strcmp(json_text(v, "address", ""), self.address) != 0 &&
			 json_flag(v, "stands", false);
	json_decref(all);
	if (!known)
		return err_set(
			e, ERR_bad_stage, "who else would lead is not known yet: try again in a moment");
	return other ? 0
		     : err_set(e, ERR_bad_stage,
			       "no other master is there that would lead: they are away, or evicted (see "
			       "list-member)");
}

int store_evict(struct store *s, bool away, struct err *e)
{
	if (!head(s)->ops->evict)
		return err_set(e, ERR_bad_stage,
			"this master's store is a file of its own: no other one could lead");
	if (away && check_others(s, e) < 0)
		return -1;
	head(s)->ops->evict(s, away);
	return 0;
}

const char *store_cluster(const struct store *s)
{
	return head(s)->cluster;
}

uint64_t store_revision(const struct store *s)
{
	return head(s)->revision;
}

int store_load(struct store *s, json_t *tables[STORE_TABLES], struct err *e)
{
	for (int t = 0; t < STORE_TABLES; t++)
		tables[t] = json_object();
	if (head(s)->ops->load(s, tables, e) == 0)
		return 0;
	for (int t = 0; t < STORE_TABLES; t++) {
		json_decref(tables[t]);
		tables[t] = NULL;
	}
	return -1;
}

int store_commit(
	struct store *s, uint64_t revision, const struct store_change *changes, size_t n, struct err *e)
{
	if (revision <= head(s)->revision)
		return err_set(e, ERR_internal, "a commit that does not move the store on");
	return head(s)->ops->commit(s, revision, changes, n, e);
}
