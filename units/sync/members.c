/*
 * ENUM and SET are numbers in the binlog. Into a column of their own kind they go as such; a text gets the
 * members' names, as the copy brought them. Called by the statement builder, and by table.c before the first
 * row.
 */
#include "units/sync/members.h"

#include <inttypes.h>
#include <string.h>

#include "common/sql/value_format.h"

static bool has_members(const struct column *c)
{
	return c->kind == COLUMN_ENUM || c->kind == COLUMN_SET;
}

bool members_go_as_text(const struct column *up, const struct column *down)
{
	return has_members(up) && up->kind != down->kind && (has_members(down) || down->kind == COLUMN_TEXT);
}

/* The shorter list must be how the longer one begins. */
static bool same_numbers(const struct column *up, const struct column *down)
{
	size_t n = strlen(up->type), m = strlen(down->type), least = n < m ? n : m;

	return least == 0 || (strncmp(up->type, down->type, least - 1) == 0 &&
				     (n == m || (n < m ? down : up)->type[least - 1] == ','));
}

int members_check(const struct column *up, const struct column *down, struct err *e)
{
	if (!has_members(up))
		return 0;
	if (up->kind == down->kind && !same_numbers(up, down))
		return err_set(e, ERR_sync_columns,
			"column `%s` is %.200s in the upstream and %.200s in the downstream: the same "
			"numbers mean other members; give it the upstream's",
			up->name, up->type, down->type);
	if (members_go_as_text(up, down) && value_format_is_number(value_format_of(up)))
		return err_set(e, ERR_sync_columns,
			"column `%s` is %.200s in the upstream and %.200s in the downstream: its members go "
			"by number, as their names don't tell them all; give it the upstream's type",
			up->name, up->type, down->type);
	return 0;
}

/* The member at p, "'it''s'" without the quotes around it; *p: behind it. False: there is none. */
static bool next_member(const char **p, struct str *out)
{
	const char *start = *p + 1, *end;

	if ((**p != '(' && **p != ',') || *start != '\'')
		return false;
	for (end = ++start; *end && (*end != '\'' || end[1] == '\''); end++)
		if ((end[0] == '\'' || end[0] == '\\') && end[1])
			end++;
	*out = (struct str){(char *)(uintptr_t)start, (size_t)(end - start)};
	*p = *end ? end + 1 : end;
	return *end != 0;
}

static bool is_named(enum column_kind kind, uint64_t number, unsigned at)
{
	return kind == COLUMN_ENUM ? number == at + 1 : at < 64 && (number >> at & 1);
}

/* The list says its members as literals: they are handed on as they stand there. */
int members_put(struct buf *sql, const struct binlog_value *v, const struct column *c, struct err *e)
{
	uint64_t number = (uint64_t)binlog_value_int(v, c);
	const char *p = strchr(c->type, '('), *comma = "";
	unsigned at = 0, left = c->kind == COLUMN_ENUM ? number != 0 : (unsigned)__builtin_popcountll(number);
	struct str member;

	buf_puts(sql, "_utf8mb4'");
	for (; left > 0 && p && next_member(&p, &member); at++) {
		if (!is_named(c->kind, number, at))
			continue;
		buf_puts(sql, comma);
		buf_put(sql, member.p, member.n);
		comma = ",";
		left--;
	}
	buf_putc(sql, '\'');
	return left == 0 ? 0
			 : err_set(e, ERR_sync_columns,
				   "column `%s`: the number %" PRIu64 " is no member of %.200s", c->name,
				   number, c->type);
}
