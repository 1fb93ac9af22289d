/* Whether a table that somebody has made takes the rows of one of the upstream: for the load, and beforehand.
 */
#include "common/sql/takes.h"

#include <strings.h>

static bool is_extra(const struct route_extras *x, const char *name)
{
	for (unsigned i = 0; x && i < x->n; i++)
		if (strcasecmp(x->p[i].column, name) == 0)
			return true;
	return false;
}

static int check_extras(const struct structure *there, const struct structure *from,
	const struct route_extras *x, struct err *e)
{
	for (unsigned i = 0; x && i < x->n; i++) {
		const char *name = x->p[i].column;

		if (structure_column(from, name) >= 0)
			return err_set(e, ERR_load_failed,
				"column `%s` is one of the upstream's, and the task's routes would fill it "
				"too (extract-…)",
				name);
		if (structure_column(there, name) < 0)
			return err_set(e, ERR_load_failed,
				"the table is there already, without column `%s`, which the task's routes "
				"fill (extract-…)",
				name);
	}
	return 0;
}

/* A generated one takes no value. One that is generated upstream comes with no copied row (exactly), and
 * would stay empty. The ends of row history are written where the table there keeps none itself. */
static int check_generated(const struct column *from, const struct column *there, bool exactly, struct err *e)
{
	if (from->generated == there->generated || structure_is_row_time(from) ||
		structure_is_row_time(there))
		return 0;
	if (there->generated)
		return err_set(e, ERR_load_failed,
			"the table is there already, with a generated column `%s`, which the upstream's rows "
			"have "
			"values of their own for",
			there->name);
	return exactly ? err_set(e, ERR_load_failed,
				 "the table is there already, with an ordinary column `%s`, which is a "
				 "generated "
				 "one of the upstream, whose values are not copied",
				 there->name)
		       : 0;
}

int structure_takes(const struct structure *there, const struct structure *from, const struct route_extras *x,
	bool exactly, struct err *e)
{
	for (unsigned i = 0; i < from->ncolumns; i++) {
		int at = structure_column(there, from->columns[i].name);

		if (at < 0)
			return err_set(e, ERR_load_failed, "the table is there already, without column `%s`",
				from->columns[i].name);
		if (check_generated(&from->columns[i], &there->columns[at], exactly, e) < 0)
			return -1;
	}
	if (check_extras(there, from, x, e) < 0)
		return -1;
	for (unsigned i = 0; exactly && i < there->ncolumns; i++)
		if (structure_column(from, there->columns[i].name) < 0 &&
			!is_extra(x, there->columns[i].name))
			return err_set(e, ERR_load_failed,
				"the table is there already, with a column `%s` that the upstream has not",
				there->columns[i].name);
	return 0;
}

/* Is column c of the table there one of the key's, or filled by routes? */
static bool is_named(const struct structure *there, unsigned c, const struct structure *from,
	const struct key *by, const struct route_extras *x)
{
	const char *name = there->columns[c].name;
	int at = structure_column(from, name);

	for (unsigned i = 0; at >= 0 && i < by->ncolumns; i++)
		if (by->columns[i] == (unsigned)at)
			return true;
	return is_extra(x, name);
}

bool structure_names_one(const struct structure *there, const struct structure *from, const struct key *by,
	const struct route_extras *x)
{
	for (unsigned i = 0; i < there->nkeys; i++) {
		const struct key *k = &there->keys[i];
		bool within = k->unique && k->usable;

		for (unsigned c = 0; within && c < k->ncolumns; c++)
			within = is_named(there, k->columns[c], from, by, x);
		if (within)
			return true;
	}
	return false;
}

/* The next visible column from i on; ncolumns: there is none. */
static unsigned visible(const struct structure *s, unsigned i)
{
	while (i < s->ncolumns && s->columns[i].invisible)
		i++;
	return i;
}

bool structure_same_order(const struct structure *a, const struct structure *b)
{
	unsigned i = visible(a, 0), k = visible(b, 0);

	while (i < a->ncolumns && k < b->ncolumns &&
		strcasecmp(a->columns[i].name, b->columns[k].name) == 0) {
		i = visible(a, i + 1);
		k = visible(b, k + 1);
	}
	return i == a->ncolumns && k == b->ncolumns;
}
