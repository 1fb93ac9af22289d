#pragma once
/*
 * Spool files, from the dump to the load of the same host: segments, one behind the other. A segment is a
 * head of SEGMENT_HEAD bytes ("T000001234 0000262144\n": kind, rows, bytes behind the head) and its bytes:
 * SEGMENT_TEXT: rows, a line each, fields parted by tabs, in the order of the table's columns without the
 * generated ones. A field is as inside of an SQL string, a tab as \t; \N is NULL. LOAD DATA reads it as it
 * is. SEGMENT_SQL: one INSERT statement, of rows that only SQL can say.
 */
enum { SEGMENT_HEAD = 22, SEGMENT_TEXT = 'T', SEGMENT_SQL = 'S' };
#define SEGMENT_PRINT "%c%09u %010llu\n"
#define SEGMENT_ENDING ".rows" /* of the files' names */
