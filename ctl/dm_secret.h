#pragma once
#include <jansson.h>

#include "common/base/err.h"
#include "ctl/ctl.h"

/*
 * --dm-key: the password of the endpoint, where it is DM's cipher text, becomes plain, to be encrypted with
 * our own key. Without the option, and where it is no such text, it stays as it is. -1: the key file can't be
 * read, or the text was made with another key.
 */
int dm_secret_open(const struct args *a, json_t *endpoint, struct err *e);
