/*
 * A CREATE DATABASE whose target is there: where routes lead several databases to one, the first made it.
 * Called by ddl_do.c when the server has refused it. It must never take for made what has another default:
 * tables that come behind it without a charset would differ.
 */
#include "units/sync/ddl_database.h"

#include <string.h>
#include <strings.h>

#include "common/base/log.h"
#include "common/sql/lexer.h"
#include "common/sql/quote.h"
#include "units/sync/ddl_session.h"
#include "units/sync/routed.h"

/* What the statement says; "": nothing. */
struct asked {
	char charset[257], collation[257];
};

/* The word or text at the lexer: an option's value. DEFAULT: as if it were not said. */
static bool take_value(struct sql_lexer *lx, char *out, size_t size)
{
	sql_lex_next(lx);
	if (sql_lex_is_char(lx, '='))
		sql_lex_next(lx);
	if (sql_lex_is(lx, "DEFAULT")) {
		out[0] = '\0';
		return true;
	}
	if (lx->type == SQL_STRING && lx->token.n >= 2 && lx->token.n - 2 < size) {
		snprintf(out, size, "%.*s", (int)lx->token.n - 2, lx->token.p + 1);
		return true;
	}
	return sql_lex_ident(lx, out, size);
}

/* False: one that is not known here. */
static bool take_option(struct sql_lexer *lx, struct asked *out)
{
	char value[257];

	if (sql_lex_is(lx, "DEFAULT"))
		return true;
	if (sql_lex_is(lx, "CHARACTER")) {
		sql_lex_next(lx);
		return sql_lex_is(lx, "SET") && take_value(lx, out->charset, sizeof(out->charset));
	}
	if (sql_lex_is(lx, "CHARSET"))
		return take_value(lx, out->charset, sizeof(out->charset));
	if (sql_lex_is(lx, "COLLATE"))
		return take_value(lx, out->collation, sizeof(out->collation));
	if (sql_lex_is(lx, "COMMENT")) { /* changes nothing that comes there */
		sql_lex_next(lx);
		if (sql_lex_is_char(lx, '='))
			sql_lex_next(lx);
		return lx->type == SQL_STRING;
	}
	return sql_lex_is(lx, "ENCRYPTION") && take_value(lx, value, sizeof(value)) &&
	       strcasecmp(value, "N") == 0;
}

static bool read_asked(struct apply *a, const struct ddl_statement *j, struct asked *out, struct err *e)
{
	struct sql_ddl *ddl = arena_alloc(a->scratch, sizeof(*ddl));
	const struct server *s = db_server(a->ddl);
	struct sql_lexer lx;
	struct str text = buf_str(&j->text);

	memset(out, 0, sizeof(*out));
	if (sql_ddl_read(text, s, j->q.sql_mode, ddl, e) < 0)
		return false;
	sql_ddl_lexer(&lx, text, s, j->q.sql_mode);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD)
		if (lx.token_at >= ddl->schema_end && !sql_lex_is_char(&lx, ';') && !take_option(&lx, out))
			return false;
	return lx.type == SQL_END;
}

/* A charset's name is a word of the statement: as an introducer. */
static bool is_word(const char *s)
{
	return *s &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == strlen(s);
}

/* The collation that the session gives a new database by these words. */
static bool ask_collation(struct db *d, const struct asked *w, char *out, size_t size, struct err *e)
{
	const char *charset = w->charset[0] ? w->charset : w->collation;
	size_t n = w->charset[0] ? strlen(charset) : strcspn(charset, "_");
	char sql[700];
	bool found;

	if (!*charset)
		return db_value(d, "SELECT @@collation_server", out, size, &found, e) == 0 && found;
	if (!is_word(charset) || (w->collation[0] && !is_word(w->collation)))
		return false;
	snprintf(sql, sizeof(sql), "SELECT COLLATION(_%.*s''%s%s)", (int)n, charset,
		w->collation[0] ? " COLLATE " : "", w->collation);
	return db_value(d, sql, out, size, &found, e) == 0 && found;
}

static bool default_of(struct db *d, const char *schema, char *out, size_t size, struct err *e)
{
	struct buf sql = {0};
	bool found;
	int r;

	buf_puts(&sql, "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=");
	sql_put_string(&sql, str_of(schema));
	r = db_value(d, buf_cstr(&sql), out, size, &found, e);
	buf_free(&sql);
	return r == 0 && found;
}

/* Shared, as routed_database_shared. In our own session: in the statement's, of latin1 or another one, names
 * that are no ASCII are not found. */
static int is_shared(struct apply *a, const struct ddl_statement *j, struct err *e)
{
	if (ddl_place_is_told(&j->place))
		return 0;
	return ddl_session_reset(a, e) < 0 ? -1 : routed_database_shared(a, j->ddl, j->to->schema, e);
}

int ddl_database_stands(struct apply *a, const struct ddl_statement *j, struct err *e)
{
	char wanted[128] = "", is[128] = "";
	struct asked asked;
	struct err mine = {0};
	/* What its words mean is the statement's session's to say. */
	bool known = read_asked(a, j, &asked, &mine) &&
		     ask_collation(a->ddl, &asked, wanted, sizeof(wanted), &mine);
	int shared = db_error_is_lost(mine.sql_errno) ? -1 : 0;

	if (shared == 0) {
		err_clear(&mine);
		shared = is_shared(a, j, &mine);
	}
	if (shared > 0 && known && default_of(a->ddl, j->to->schema, is, sizeof(is), &mine)) {
		if (strcasecmp(wanted, is) == 0) {
			log_info("nothing to make: `%s` is there with the default that it asks for",
				j->to->schema);
			return 1;
		}
		err_add(e, "`%s` is there with another default collation: %s, not %s", j->to->schema, is,
			wanted);
		return 0;
	}
	/* A question that could not be asked is asked again, one that the server can't answer says nothing.
	 */
	if (shared < 0 || db_error_is_lost(mine.sql_errno)) {
		*e = mine;
		return -1;
	}
	return 0;
}
