/*
 * What a server's error number means to us, and the text of an error: where, the server's message, the
 * number, the head of the statement. Used by every file of common/db; pure but for db_fail. No text may ever
 * hold a password.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/db/internal.h"

/* The connection is gone, or is being ended. */
static const uint32_t lost[] = {
	1053,                               /* server shutdown */
	1080, 1152, 1184,                   /* the server ended it */
	1158, 1159, 1160, 1161,             /* network errors, as the server saw them */
	1927, 3169,                         /* killed: MariaDB, MySQL */
	2002, 2003, 2006, 2013, 2055, 4031, /* the library's words; idle for too long */
	2026, 2027,                         /* a TLS stream, a packet that was cut */
};

/* The transaction is gone, or its outcome unknown; the same again may well succeed. */
static const uint32_t retry[] = {
	1020,             /* MariaDB's snapshot isolation: the record has changed */
	1040, 1203,       /* too many connections */
	1205, 1213,       /* lock wait, deadlock */
	1317,             /* somebody ended the query */
	1412,             /* the table's definition has changed since the snapshot */
	1637, 3572,       /* too many transactions; NOWAIT */
	3101,             /* group replication: a conflict with another member */
	8001, 8175, 8176, /* TiDB: memory */
	8002, 8005, 8022, /* write conflicts, a commit that may be tried again */
	8020, 8229,       /* a table is locked; its locks have grown too old */
	8027, 8028,       /* the schema is out of date, or has changed */
	8252,             /* its resource group has had enough for now */
	8501,             /* the outcome is not known: the next start reads the progress under a lock (T2) */
	8502, 9001,       /* the placement driver: time-outs */
	9002, 9003, 9004, /* storage: time-out, busy, many conflicts at one key */
	9005, 9006, 9007, /* a region is away; older than what is kept; a write conflict */
	9008,             /* a store has as many requests as it may */
	9010, 9011, 9012, 9013, /**/
};

/*
 * As the answer to a COMMIT: it was rolled back, surely. A conflict (TiDB, a cluster's certification) that
 * was found before anything was committed; where TiDB can't tell it says 8501.
 */
static const uint32_t undone[] = {1213, 3101, 8002, 8005, 8022, 8028, 9007};

/* So much at once does not go, less may. */
static const uint32_t too_large[] = {
	1197, /* max_binlog_cache_size; MySQL says it once in a session, */
	1534, /* and then this one */
	1206, /* InnoDB has no room for more locks */
	8004, /* TiDB's txn-total-size-limit */
};

/* Refusals whose own words do not say what to do. */
static const struct hint {
	uint32_t number;
	const char *mend;
} hints[] = {
	{6125, "a foreign key needs a unique key of just these columns in its parent: make one in the "
	       "upstream, or "
	       "SET GLOBAL restrict_fk_on_non_standard_key=OFF in the downstream, then resume-task"},
	{3819, "the upstream has this row, whatever its own CHECK says of it (made with "
	       "check_constraint_checks=0, NOT ENFORCED, judged in another time zone): ALTER TABLE ... ALTER "
	       "CONSTRAINT ... NOT ENFORCED in the downstream, then resume-task"},
};

static const char *hint_of(unsigned number)
{
	for (size_t i = 0; i < sizeof(hints) / sizeof(*hints); i++)
		if (hints[i].number == number)
			return hints[i].mend;
	return NULL;
}

static bool in(const uint32_t *list, size_t n, uint32_t x)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i] == x)
			return true;
	return false;
}

bool db_error_is_lost(uint32_t sql_errno)
{
	return in(lost, sizeof(lost) / sizeof(*lost), sql_errno);
}

bool db_error_is_undone(uint32_t sql_errno)
{
	return in(undone, sizeof(undone) / sizeof(*undone), sql_errno);
}

uint32_t db_error_code(uint32_t sql_errno)
{
	if (sql_errno == 0)
		return ERR_NONE;
	if (db_error_is_lost(sql_errno) || in(retry, sizeof(retry) / sizeof(*retry), sql_errno))
		return ERR_db_lost;
	/* 2020: a packet larger than the limit stays so. The library's other numbers are about the
	 * connection. */
	return sql_errno >= 2000 && sql_errno < 2100 && sql_errno != 2020 ? ERR_db_driver : ERR_db_execute;
}

bool db_error_is_too_large(const struct err *e)
{
	enum { UNKNOWN = 1105 };
	static const char *const words[] = {
		"transaction is too large", "transaction too large", "maximum writeset size exceeded"};
	char text[sizeof(e->text)], *tail;

	if (e->sql_errno != UNKNOWN)
		return in(too_large, sizeof(too_large) / sizeof(*too_large), e->sql_errno);
	/* TiDB and Galera say many things by it: here only the server's words tell, without the statement. */
	snprintf(text, sizeof(text), "%s", e->text);
	tail = strstr(text, ", in: ");
	if (tail)
		*tail = '\0';
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasestr(text, words[i]))
			return true;
	return false;
}

static bool holds_word(struct str sql, const char *word)
{
	size_t n = strlen(word), i;

	for (i = 0; i + n <= sql.n; i++)
		if (strncasecmp(sql.p + i, word, n) == 0)
			return true;
	return false;
}

bool db_statement_is_secret(struct str sql)
{
	/* Rows of data may hold these words too, but a statement of rows begins with its verb, and can be
	 * long. */
	struct str head = {sql.p, sql.n < 4096 ? sql.n : 4096};

	if (str_starts(head, "INSERT") || str_starts(head, "UPDATE") || str_starts(head, "DELETE"))
		return false;
	return holds_word(head, "IDENTIFIED") || holds_word(head, "PASSWORD");
}

void db_statement_head(struct str sql, char *out, size_t size)
{
	bool secret = db_statement_is_secret(sql);
	size_t i;

	for (i = 0; i + 4 < size && i < sql.n; i++) {
		char c = sql.p[i];

		if (secret && (c == ' ' || c == '\n' || c == '\t'))
			break;
		out[i] = (unsigned char)c < ' ' || c == 127 ? ' ' : c;
	}
	out[i] = '\0';
	if (i < sql.n)
		memcpy(out + i, "...", 4);
}

int db_fail(const struct db *d, struct str sql, enum err_code code, struct err *e)
{
	unsigned number = client_errno(d->c);
	enum err_code found = db_error_code(number);
	const char *text = db_statement_is_secret(sql) ? "the statement failed" : client_error(d->c);
	char head[220];

	db_statement_head(sql, head, sizeof(head));
	if (found == ERR_db_execute || found == ERR_NONE)
		found = code;
	if (hint_of(number))
		err_set(e, found, "%s: %s (error %u): %s, in: %s", d->where, text, number, hint_of(number),
			head);
	else
		err_set(e, found, "%s: %s (error %u), in: %s", d->where, text, number, head);
	if (e)
		e->sql_errno = number;
	return -1;
}
