/*
 * Collations by number, for events that carry no names. Called by sync for a statement's session. Pure.
 */
#include "common/sql/collation_id.h"

#include <stdio.h>
#include <string.h>

#include "common/sql/collation.h"
#include "common/sql/dialect.h"

enum { MYSQL = 1, MARIADB = 2, BOTH = 3, UCA1400_FIRST = 2048 };

static const struct {
	unsigned id, whose;
	const char *name;
} ids[] = {
#define ID(id, whose, name) {id, whose, name},
#include "common/sql/collation_id.def"
#undef ID
};

enum { COUNT = sizeof(ids) / sizeof(*ids) };

static const char *const charsets[] = {"utf8mb3", "utf8mb4", "ucs2", "utf16", "utf32"};

/* 256 numbers a charset, 8 a language: bit 0 case, bit 1 accents, bit 2 no padding. */
static const char *uca1400(unsigned id)
{
	static const char *const languages[] = {"", "icelandic_", "latvian_", "romanian_", "slovenian_",
		"polish_", "estonian_", "spanish_", "swedish_", "turkish_", "czech_", "danish_",
		"lithuanian_", "slovak_", "spanish2_", "roman_", "persian_", "esperanto_", "hungarian_",
		"sinhala_", "german2_", NULL, NULL, "vietnamese_", "croatian_"};
	unsigned charset = (id - UCA1400_FIRST) / 256, language = id % 256 / 8;
	const struct collation *c;
	char name[96];

	if (charset >= sizeof(charsets) / sizeof(*charsets) ||
		language >= sizeof(languages) / sizeof(*languages) || !languages[language])
		return NULL;
	snprintf(name, sizeof(name), "%s_uca1400_%s%s%s_%s", charsets[charset], languages[language],
		id & 4 ? "nopad_" : "", id & 2 ? "as" : "ai", id & 1 ? "cs" : "ci");
	c = collation_find(str_of(name));
	return c ? c->name : NULL;
}

const char *sql_collation_of_id(unsigned id, const struct server *s)
{
	unsigned whose = s->flavor == FLAVOR_MARIADB ? MARIADB : MYSQL;

	if (id >= UCA1400_FIRST)
		return whose == MARIADB ? uca1400(id) : NULL;
	for (size_t i = 0; i < COUNT; i++) {
		if (ids[i].id == id && (ids[i].whose & whose)) {
			const struct collation *c = collation_find(str_of(ids[i].name));

			return c ? collation_name(c, s) : ids[i].name;
		}
	}
	return NULL;
}

/* The list is in order of numbers: this is asked for each text column of each TABLE_MAP. */
static unsigned first_of(unsigned id)
{
	unsigned from = 0, to = COUNT;

	while (from < to) {
		unsigned middle = from + (to - from) / 2;

		if (ids[middle].id < id)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

struct str sql_charset_of_id(unsigned id, enum flavor flavor)
{
	unsigned whose = flavor == FLAVOR_MARIADB ? MARIADB : MYSQL, uca = (id - UCA1400_FIRST) / 256;

	if (id >= UCA1400_FIRST)
		return whose == MARIADB && uca < sizeof(charsets) / sizeof(*charsets) ? str_of(charsets[uca])
										      : (struct str){0};
	for (unsigned i = first_of(id); i < COUNT && ids[i].id == id; i++)
		if (ids[i].whose & whose)
			return (struct str){ids[i].name, strcspn(ids[i].name, "_")};
	return (struct str){0};
}
