#pragma once
#include <jansson.h>

/* Answers on a terminal as tables, elsewhere as JSON in DM's shapes. */
void print_json(const json_t *answer);
void print_answer(const char *word, const json_t *answer);
