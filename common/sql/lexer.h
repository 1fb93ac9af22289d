#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/str.h"

/*
 * Tokens of MySQL's and MariaDB's SQL, tolerant: bytes that are not understood are single-character tokens.
 * Comments are skipped; the inside of version comments is lexed as text where the server would execute it:
 * slash-star-bang with no number or a number not above `version` (MariaDB: and not 50700 to 99999, which it
 * leaves to MySQL), and (MariaDB) slash-star-M-bang. The text must be in a charset where no byte of a
 * multi-byte character is ASCII: utf8, latin1, …, not gbk, sjis or big5.
 */
enum sql_token {
	SQL_END,
	SQL_WORD,  /* unquoted identifier or keyword */
	SQL_IDENT, /* `quoted`, or "quoted" under ANSI_QUOTES: text is the raw bytes with quotes */
	SQL_STRING, /* '…', "…", with an introducer or N/X/B prefix as separate WORD or part: raw bytes with
		       quotes */
	SQL_NUMBER,
	SQL_VARIABLE, /* @x, @@x */
	SQL_CHAR,     /* one of ( ) , ; . = … */
	SQL_BAD,      /* an unclosed string or comment */
};

struct sql_lexer {
	struct str text;
	size_t at;
	uint32_t version; /* of the server that wrote the text: 80030, 101105; 0: not known, the newest */
	bool mariadb, ansi_quotes, no_backslash_escapes;
	/* the token */
	enum sql_token type;
	struct str token; /* raw bytes, borrowed */
	size_t token_at;  /* its offset in text */
	int in_version_comment;
};

void sql_lex_init(struct sql_lexer *lx, struct str text, bool mariadb, uint32_t version);
enum sql_token sql_lex_next(struct sql_lexer *lx);
/* The token as an identifier, unquoted, doubled quotes undone, into out (NUL-terminated, size >= 257). False:
 * it is none. */
bool sql_lex_ident(const struct sql_lexer *lx, char *out, size_t size);
bool sql_lex_is(const struct sql_lexer *lx, const char *keyword); /* a WORD, any case */
/* Where a charset or a collation is named: CHARSET, CHARACTER (SET), COLLATE. */
bool sql_lex_is_charset(const struct sql_lexer *lx);
bool sql_lex_is_char(const struct sql_lexer *lx, char c);

/* Length of the opening mark ("slash star ! 80016") where a version comment that this server executes begins
 * at `at`; else 0. */
size_t sql_lex_version_comment(const struct sql_lexer *lx, size_t at);
/* The comment that begins at `at` as one that is skipped: the offset behind it; 0 where it is not closed,
 * `at` where there is none. */
size_t sql_lex_comment_end(const struct sql_lexer *lx, size_t at);
