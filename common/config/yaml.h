#pragma once
#include <jansson.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * DM's two files, checked key by key against include/config.def and turned into what the master takes
 * (docs/protocol.md). Passwords come out as they stand in the file (plain, or "tg1:…"): the caller encrypts
 * and wipes them. NULL with e (ERR_config_…: "FILE:LINE:COLUMN: …") where anything is wrong; else the caller
 * owns the object. Its member "warnings" is an array of lines for the log: keys without effect here,
 * deprecated ones. It is for the user's eyes: whoever sends the object takes it out.
 */
enum config_kind { CONFIG_TASK, CONFIG_SOURCE };

/* {"source-id", "endpoint":{…}, "enable_relay":bool, "relay":{options}, ["case_sensitive":bool,] "yaml",
 * "warnings"}; yaml is the file as text, its passwords as stars
 */
json_t *config_load_source(const char *file, struct err *e);
/*
 * {"name", "mode", "meta_schema", "sources":["…"], "downstream":{…}, "rules":{…}, "dump":{…}, "load":{…},
 * "sync":{…}, "ignore_checking_items":[…], "instances":{source:{"rules","dump","load","sync","start"}},
 * "yaml", "warnings"} instances has what each source wants; rules, dump, load and sync beside it are those of
 * the first source.
 */
json_t *config_load_task(const char *file, struct err *e);
/* Such a yaml with its password again (in any form), onto out. */
int config_with_password(const char *yaml, const char *password, struct buf *out, struct err *e);
/* Which of the two it is, by its keys. */
int config_kind(const char *file, enum config_kind *kind, struct err *e);
