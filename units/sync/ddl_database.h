#pragma once
#include "units/sync/ddl_statement.h"

/*
 * Behind a CREATE DATABASE that failed as its database is there (e: the server's words), in the statement's
 * session. 1: that is right, as a route leads it to where others go, or to another name, and what is there
 * has the default that the statement asks for; 0: it is not, and e says more where that is known; -1: e.
 */
int ddl_database_stands(struct apply *a, const struct ddl_statement *j, struct err *e);
