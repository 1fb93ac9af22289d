/*
 * The text protocol's result: its head, then a packet for each row. Used by rows.c for large results. Trusts
 * no length in a packet.
 */
#include "common/db/text_rows.h"

#include <stdio.h>

#include "common/base/buf.h"

enum { COM_QUERY_ = 3, OK = 0, NULL_VALUE = 0xfb, EOF_ = 0xfe, EOF_MOST = 8, MALFORMED = 2027 };

static int malformed(struct client_error *why)
{
	why->number = MALFORMED;
	snprintf(why->text, sizeof(why->text), "the server sent a result that can't be read");
	return -1;
}

static bool is_end(struct str p)
{
	return (uint8_t)p.p[0] == EOF_ && p.n <= EOF_MOST;
}

/* The columns' definitions, which whoever asked knows, and the end of them. */
static int skip_definitions(struct text_rows *t, struct client_error *why)
{
	struct str p;

	for (unsigned i = 0; i < t->columns; i++)
		if (packets_next(&t->packets, &p, why) < 0)
			return -1;
	if (packets_next(&t->packets, &p, why) < 0)
		return -1;
	return is_end(p) ? 0 : malformed(why);
}

static int read_head(struct text_rows *t, struct client_error *why)
{
	struct str p;
	struct cur c;

	if (packets_next(&t->packets, &p, why) < 0)
		return -1;
	if ((uint8_t)p.p[0] == OK)
		return 0;
	c = cur_of(p.p, p.n);
	t->columns = (unsigned)cur_lenenc(&c); /* a wish for a local file is no length */
	if (c.bad || t->columns == 0 || t->columns > UINT16_MAX)
		return malformed(why);
	return skip_definitions(t, why) < 0 ? -1 : 1;
}

int text_rows_open(
	struct text_rows *t, struct client *c, struct str sql, unsigned timeout_ms, struct client_error *why)
{
	int r;

	if (client_send_command(c, COM_QUERY_, sql) < 0) {
		why->number = client_errno(c);
		snprintf(why->text, sizeof(why->text), "%s", client_error(c));
		return -1;
	}
	*t = (struct text_rows){0};
	packets_init(&t->packets, client_socket(c), timeout_ms);
	r = read_head(t, why);
	if (r <= 0) {
		t->ended = true;
		text_rows_close(t);
	}
	return r;
}

int text_rows_next(struct text_rows *t, struct str *values, struct client_error *why)
{
	struct str p;
	struct cur c;

	if (t->ended)
		return 0;
	if (packets_next(&t->packets, &p, why) < 0) {
		t->ended = true;
		return -1;
	}
	if (is_end(p)) {
		t->ended = true;
		return 0;
	}
	c = cur_of(p.p, p.n);
	for (unsigned i = 0; i < t->columns; i++) {
		if (cur_left(&c) > 0 && *c.p == NULL_VALUE) {
			cur_skip(&c, 1);
			values[i] = (struct str){NULL, 0};
			continue;
		}
		values[i].n = cur_lenenc(&c);
		values[i].p = (const char *)cur_bytes(&c, values[i].n);
	}
	return c.bad || cur_left(&c) > 0 ? malformed(why) : 1;
}

void text_rows_close(struct text_rows *t)
{
	struct client_error ignored;
	struct str p;

	while (!t->ended && packets_next(&t->packets, &p, &ignored) == 0)
		t->ended = is_end(p);
	packets_fini(&t->packets);
}
