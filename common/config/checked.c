/*
 * YAML in, checked JSON out: every key, type and range of DM's files by the table config.def, each mistake
 * with its line and column. The only file that knows libyaml. Called by task_file.c and source_file.c; never
 * logs, never prints a text that may be a password.
 */
#include "common/config/checked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"
#include "common/config/keys.h"
#include "common/config/scalar.h"

enum { HIDDEN = '\001', DEPTH_MAX = 32, MERGED_MAX = 10000 };

struct reader {
	const char *name;
	yaml_document_t doc;
	json_t *warnings;
	size_t merged;    /* pairs that merge keys brought, or would have */
	unsigned merging; /* how deep in merge keys we are */
	bool refused;     /* inside of what is refused as a whole: only mistakes are looked for */
	struct err *e;
};

static json_t *read_section(struct reader *r, yaml_node_t *node, const char *section);

static const char *label(const char *section)
{
	if (strcmp(section, "task") == 0)
		return "a task file";
	return strcmp(section, "source") == 0 ? "a source file" : section;
}

static struct str text_of(const yaml_node_t *n)
{
	return (struct str){(const char *)n->data.scalar.value, n->data.scalar.length};
}

static bool plain(const yaml_node_t *n)
{
	return n->type == YAML_SCALAR_NODE && n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* Nothing was written, or null: as if the key were not there. */
static bool is_null(const yaml_node_t *n)
{
	return n->type == YAML_NO_NODE || (plain(n) && scalar_is_null(text_of(n)));
}

static void *complain(struct reader *r, const yaml_node_t *n, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void *complain(struct reader *r, const yaml_node_t *n, enum err_code code, const char *fmt, ...)
{
	char text[900];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(r->e, code, "%s:%zu:%zu: %s", r->name, n->start_mark.line + 1, n->start_mark.column + 1,
		text);
	return NULL;
}

static void note(struct reader *r, const yaml_node_t *n, const struct key *k)
{
	const char *says = "is deprecated and has no effect: ", *what = k->help;

	if (k->status == KEY_NOTED)
		says = "has no effect here: ";
	if (k->status == KEY_RENAMED) {
		says = "is deprecated: its name is ";
		what = k->fallback;
	}
	json_array_append_new(
		r->warnings, json_sprintf("%s:%zu:%zu: `%s` %s%s", r->name, n->start_mark.line + 1,
				     n->start_mark.column + 1, k->name, says, what));
}

static const char *kind_name(const yaml_node_t *n)
{
	if (n->type == YAML_MAPPING_NODE)
		return "a map";
	return n->type == YAML_SEQUENCE_NODE ? "a list" : "a single value";
}

/* One scalar by its key's type: new reference, or NULL with the error. */
static json_t *read_scalar(struct reader *r, yaml_node_t *n, const struct key *k)
{
	struct err why = {0};
	json_t *v;

	if (n->type != YAML_SCALAR_NODE)
		return complain(
			r, n, ERR_config_bad, "`%s` is %s, must be a single value", k->name, kind_name(n));
	v = scalar_read(k, text_of(n), plain(n), &why);
	if (!v)
		return complain(r, n, (enum err_code)why.code, "%s", why.text);
	return v;
}

/* Each item by one(); null items are refused, for they are mistakes of indentation. */
static json_t *read_items(struct reader *r, yaml_node_t *n, const struct key *k,
	json_t *(*one)(struct reader *, yaml_node_t *, const struct key *))
{
	json_t *list = json_array();

	if (n->type != YAML_SEQUENCE_NODE) {
		json_decref(list);
		return complain(r, n, ERR_config_bad, "`%s` is %s, must be a list", k->name, kind_name(n));
	}
	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++) {
		yaml_node_t *item = yaml_document_get_node(&r->doc, *i);
		json_t *v = is_null(item)
				    ? complain(r, item, ERR_config_bad, "an empty item in `%s`", k->name)
				    : one(r, item, k);

		if (!v || json_array_append_new(list, v) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *read_item_section(struct reader *r, yaml_node_t *n, const struct key *k)
{
	return read_section(r, n, k->of);
}

static json_t *read_each(struct reader *r, yaml_node_t *n, const struct key *k)
{
	json_t *list = read_items(r, n, k, read_item_section);
	size_t count = json_array_size(list);

	if (!list || (count >= (size_t)k->min && count <= (size_t)k->max))
		return list;
	json_decref(list);
	return complain(r, n, ERR_config_bad, "`%s` has %zu entries, must have %lld to %lld", k->name, count,
		(long long)k->min, (long long)k->max);
}

/* Puts value (taken) under the name, and the place of the node beside it. */
static void put(json_t *o, const char *name, json_t *value, const yaml_node_t *at)
{
	char *hidden = xasprintf("%c%s", HIDDEN, name);

	json_object_set_new(o, name, value);
	json_object_set_new(o, hidden,
		json_pack("[I, I]", (json_int_t)at->start_mark.line + 1,
			(json_int_t)at->start_mark.column + 1));
	free(hidden);
}

/* A key's node as NUL-terminated text (owned), or NULL with the error: no text, control characters, twice
 * there. */
static char *read_name(struct reader *r, yaml_node_t *n, const json_t *o, const char *where)
{
	char *name;

	if (n->type != YAML_SCALAR_NODE)
		return complain(r, n, ERR_config_bad, "a key in %s is %s", where, kind_name(n));
	if (!scalar_printable(text_of(n)))
		return complain(r, n, ERR_config_bad, "a key in %s holds a control character", where);
	name = xstrndup((const char *)n->data.scalar.value, n->data.scalar.length);
	if (!json_object_get(o, name))
		return name;
	complain(r, n, ERR_config_bad, "`%s` is twice in %s", name, where);
	free(name);
	return NULL;
}

/* A map from names that the file makes to sections. */
static json_t *read_named(struct reader *r, yaml_node_t *n, const struct key *k)
{
	json_t *o = json_object();

	if (n->type != YAML_MAPPING_NODE) {
		json_decref(o);
		return complain(
			r, n, ERR_config_bad, "`%s` is %s, must be a map of names", k->name, kind_name(n));
	}
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
		yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
		yaml_node_t *value = yaml_document_get_node(&r->doc, p->value);
		char *name = read_name(r, key, o, k->name);
		json_t *v = !name ? NULL : is_null(value) ? json_object() : read_section(r, value, k->of);

		if (v)
			put(o, name, v, key);
		free(name);
		if (!v) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

/* Does an unsupported key say what we do anyway? Empty, or the fallback; truth in any spelling. */
static bool harmless(const yaml_node_t *n, const struct key *k)
{
	if (n->type == YAML_MAPPING_NODE)
		return n->data.mapping.pairs.start == n->data.mapping.pairs.top;
	if (n->type == YAML_SEQUENCE_NODE)
		return n->data.sequence.items.start == n->data.sequence.items.top;
	return n->data.scalar.length == 0 || scalar_same(text_of(n), k->fallback);
}

static json_t *read_value(struct reader *r, yaml_node_t *n, const struct key *k)
{
	switch (k->type) {
	case KEY_MAP:
		return read_section(r, n, k->of);
	case KEY_NAMED:
		return read_named(r, n, k);
	case KEY_EACH:
		return read_each(r, n, k);
	case KEY_LIST:
	case KEY_PATTERNS:
	case KEY_REGEXES:
	case KEY_EVENTS:
		return read_items(r, n, k, read_scalar);
	case KEY_ANY:
		return json_null();
	default:
		return read_scalar(r, n, k);
	}
}

static void *unknown(struct reader *r, const yaml_node_t *key, const char *section)
{
	struct str name = text_of(key);
	const char *near = keys_nearest(section, name), *other = NULL;
	const struct key *all;
	size_t n;

	all = keys_all(&n);
	for (size_t i = 0; i < n && !near && !other; i++)
		if (str_is(name, all[i].name))
			other = all[i].section;
	return complain(r, key, ERR_config_unknown_key, "unknown key `%.*s` in %s%s%s%s",
		name.n > 60 ? 60 : (int)name.n, name.p, label(section),
		near    ? "; did you mean `"
		: other ? "; it belongs to "
			: "",
		near    ? near
		: other ? label(other)
			: "",
		near ? "`?" : "");
}

/* A key that we can't do, with something else than what we do anyway: always NULL. What is wrong with it all
 * the same is said first. */
static void *refuse(
	struct reader *r, yaml_node_t *key, yaml_node_t *value, const char *section, const struct key *k)
{
	json_t *v;

	r->refused = true;
	v = read_value(r, value, k);
	r->refused = false;
	if (!v)
		return NULL;
	json_decref(v);
	return complain(r, key, ERR_config_unsupported, "`%.*s` in %s is not supported: %s",
		(int)text_of(key).n, text_of(key).p, label(section), k->help);
}

static bool is_told(const struct key *k)
{
	return k->status == KEY_NOTED || k->status == KEY_DEPRECATED || k->status == KEY_RENAMED;
}

/* One pair of a section. False with the error. */
static bool read_pair(struct reader *r, yaml_node_t *key, yaml_node_t *value, const char *section, json_t *o)
{
	char *name = read_name(r, key, o, label(section));
	const struct key *k = name ? keys_find(section, str_of(name)) : NULL;
	json_t *v = NULL;

	if (name && !k)
		unknown(r, key, section);
	else if (k && is_null(value))
		v = json_null();
	else if (k && k->status == KEY_UNSUPPORTED && !r->refused && !harmless(value, k))
		refuse(r, key, value, section, k);
	else if (k)
		v = read_value(r, value, k);
	if (v && is_told(k) && !is_null(value))
		note(r, key, k);
	if (v && json_is_null(v))
		json_decref(v);
	else if (v)
		put(o, name, v, value);
	free(name);
	return v != NULL;
}

static bool is_merge(const yaml_node_t *key)
{
	return plain(key) && str_is(text_of(key), "<<");
}

/* A key that was written out, or came by an earlier merge, goes before. */
static bool is_there(const json_t *o, const yaml_node_t *key)
{
	return key->type == YAML_SCALAR_NODE && scalar_printable(text_of(key)) &&
	       json_object_get(o, (const char *)key->data.scalar.value);
}

static bool read_merge(struct reader *r, yaml_node_t *n, const char *section, json_t *o);

/* The pairs of a map, then what its merge keys bring. merged: it is such a map itself. */
static bool read_pairs(struct reader *r, const yaml_node_t *n, const char *section, json_t *o, bool merged)
{
	const yaml_node_pair_t *top = n->data.mapping.pairs.top;

	for (const yaml_node_pair_t *p = n->data.mapping.pairs.start; p < top; p++) {
		yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);

		if (is_merge(key) || (merged && is_there(o, key)))
			continue;
		if (!read_pair(r, key, yaml_document_get_node(&r->doc, p->value), section, o))
			return false;
	}
	for (const yaml_node_pair_t *p = n->data.mapping.pairs.start; p < top; p++)
		if (is_merge(yaml_document_get_node(&r->doc, p->key)) &&
			!read_merge(r, yaml_document_get_node(&r->doc, p->value), section, o))
			return false;
	return true;
}

/* Aliases can multiply, and lead back to themselves: so there are bounds. */
static bool read_merged(struct reader *r, yaml_node_t *n, const char *section, json_t *o)
{
	bool good;

	if (n->type != YAML_MAPPING_NODE) {
		complain(r, n, ERR_config_bad, "a merge key (<<) wants a map, or a list of maps");
		return false;
	}
	r->merged += 1 + (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start);
	if (r->merged > MERGED_MAX) {
		complain(r, n, ERR_config_bad, "merge keys (<<) bring more than %d keys", MERGED_MAX);
		return false;
	}
	if (r->merging == DEPTH_MAX) {
		complain(r, n, ERR_config_bad, "merge keys (<<) lead back to themselves");
		return false;
	}
	r->merging++;
	good = read_pairs(r, n, section, o, true);
	r->merging--;
	return good;
}

/* "<<: *anchor", or a list of them. */
static bool read_merge(struct reader *r, yaml_node_t *n, const char *section, json_t *o)
{
	if (n->type != YAML_SEQUENCE_NODE)
		return read_merged(r, n, section, o);
	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++)
		if (!read_merged(r, yaml_document_get_node(&r->doc, *i), section, o))
			return false;
	return true;
}

static bool has_required(struct reader *r, const yaml_node_t *n, const char *section, const json_t *o)
{
	const struct key *all;
	size_t rows;

	all = keys_all(&rows);
	for (size_t i = 0; i < rows; i++) {
		if (all[i].status != KEY_REQUIRED || strcmp(all[i].section, section) != 0)
			continue;
		if (!json_object_get(o, all[i].name)) {
			complain(r, n, ERR_config_bad, "`%s` is missing in %s (%s)", all[i].name,
				label(section), all[i].help);
			return false;
		}
	}
	return true;
}

static json_t *read_section(struct reader *r, yaml_node_t *n, const char *section)
{
	json_t *o;

	if (n->type != YAML_MAPPING_NODE)
		return complain(r, n, ERR_config_bad, "%s is %s, must be a map of keys", label(section),
			kind_name(n));
	o = json_object();
	put(o, "", json_null(), n);
	json_object_del(o, "");
	if (read_pairs(r, n, section, o, false) && has_required(r, n, section, o))
		return o;
	json_decref(o);
	return NULL;
}

/* libyaml's own complaint. */
static int parse_error(const yaml_parser_t *p, const char *name, struct err *e)
{
	if (p->error == YAML_MEMORY_ERROR)
		abort();
	if (p->error == YAML_READER_ERROR)
		return err_set(e, ERR_config_bad, "%s: byte %zu: %s", name, p->problem_offset, p->problem);
	return err_set(e, ERR_config_bad, "%s:%zu:%zu: %s%s%s", name, p->problem_mark.line + 1,
		p->problem_mark.column + 1, p->context ? p->context : "", p->context ? ": " : "",
		p->problem ? p->problem : "no YAML");
}

/* Is there a second document? */
static int check_end(yaml_parser_t *p, const char *name, struct err *e)
{
	yaml_document_t doc;
	yaml_node_t *root;
	int r = 0;

	if (!yaml_parser_load(p, &doc))
		return parse_error(p, name, e);
	root = yaml_document_get_root_node(&doc);
	if (root)
		r = err_set(e, ERR_config_bad, "%s:%zu:1: a second document (---): one file, one document",
			name, root->start_mark.line + 1);
	yaml_document_delete(&doc);
	return r;
}

static int deeper(const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return 1;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return -1;
	default:
		return 0;
	}
}

/* One event: how the depth changes; false: the end, or an error that the reading proper tells. */
static bool next_event(yaml_parser_t *p, int *change, yaml_mark_t *at)
{
	yaml_event_t ev;
	bool more;

	if (!yaml_parser_parse(p, &ev))
		return false;
	*change = deeper(&ev);
	*at = ev.start_mark;
	more = ev.type != YAML_STREAM_END_EVENT;
	yaml_event_delete(&ev);
	return more;
}

/* libyaml takes time by the square of the depth, so that is bounded before it reads the whole. */
static int check_depth(const char *name, struct str text, struct err *e)
{
	yaml_parser_t parser;
	int depth = 0, change;
	yaml_mark_t at;

	if (!yaml_parser_initialize(&parser))
		abort();
	yaml_parser_set_input_string(&parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
	while (depth <= DEPTH_MAX && next_event(&parser, &change, &at))
		depth += change;
	yaml_parser_delete(&parser);
	if (depth <= DEPTH_MAX)
		return 0;
	return err_set(e, ERR_config_bad,
		"%s:%zu:%zu: lists and maps more than %d deep: no key of ours has that", name, at.line + 1,
		at.column + 1, DEPTH_MAX);
}

static int load(struct reader *r, struct str text)
{
	yaml_parser_t parser;
	int result = 0;

	if (check_depth(r->name, text, r->e) < 0)
		return -1;

	if (!yaml_parser_initialize(&parser))
		abort();
	yaml_parser_set_input_string(&parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
	if (!yaml_parser_load(&parser, &r->doc)) {
		result = parse_error(&parser, r->name, r->e);
	} else if (check_end(&parser, r->name, r->e) < 0) {
		yaml_document_delete(&r->doc);
		result = -1;
	}
	yaml_parser_delete(&parser);
	return result;
}

/* --- the file's text again --- */

/* A new node: an alias may have other keys mean the old one. Nodes move. */
static void replace(yaml_document_t *d, yaml_node_pair_t *p, struct str text)
{
	p->value = yaml_document_add_scalar(
		d, NULL, (const yaml_char_t *)text.p, (int)text.n, YAML_DOUBLE_QUOTED_SCALAR_STYLE);
	if (!p->value)
		abort();
}

/* What a file says for a password's sake only: passwords, and what storage URLs have behind `?` (keys). */
static void hide(yaml_document_t *d, yaml_node_pair_t *p, const char *password)
{
	const yaml_node_t *key = yaml_document_get_node(d, p->key),
			  *value = yaml_document_get_node(d, p->value);
	struct str text;
	const char *query;

	if (key->type != YAML_SCALAR_NODE || value->type != YAML_SCALAR_NODE)
		return;
	text = text_of(value);
	if (str_is(text_of(key), "password") && text.n > 0) {
		replace(d, p, str_of(password));
		return;
	}
	query = memmem(text.p, text.n, "://", 3) ? memchr(text.p, '?', text.n) : NULL;
	if (query)
		replace(d, p, (struct str){text.p, (size_t)(query - text.p)});
}

static void hide_secrets(yaml_document_t *d, const char *password)
{
	for (ptrdiff_t i = 0; i < d->nodes.top - d->nodes.start; i++)
		if (d->nodes.start[i].type == YAML_MAPPING_NODE) {
			yaml_node_pair_t *top = d->nodes.start[i].data.mapping.pairs.top;

			for (yaml_node_pair_t *p = d->nodes.start[i].data.mapping.pairs.start; p < top; p++)
				hide(d, p, password);
		}
}

static int add_text(void *out, unsigned char *bytes, size_t n)
{
	buf_put(out, bytes, n);
	return 1;
}

/* Takes doc. */
static void print(yaml_document_t *doc, struct buf *out)
{
	yaml_emitter_t em;

	if (!yaml_emitter_initialize(&em))
		abort();
	yaml_emitter_set_output(&em, add_text, out);
	yaml_emitter_set_unicode(&em, 1);
	yaml_emitter_set_width(&em, -1);
	if (!yaml_emitter_open(&em) || !yaml_emitter_dump(&em, doc) || !yaml_emitter_close(&em))
		abort(); /* out of memory: whatever was parsed can be printed */
	yaml_emitter_delete(&em);
}

int checked_print(const char *name, struct str text, const char *password, struct buf *out, struct err *e)
{
	struct reader r = {.name = name, .e = e};

	if (load(&r, text) < 0)
		return -1;
	hide_secrets(&r.doc, password);
	print(&r.doc, out);
	return 0;
}

static void keep_text(const char *name, struct str text, json_t *o)
{
	struct buf out = {0};
	struct err e = {0};
	char key[] = {HIDDEN, HIDDEN, 'y', 0};

	if (checked_print(name, text, "******", &out, &e) == 0)
		json_object_set_new(o, key, json_stringn(out.p, out.n));
	buf_free(&out);
}

json_t *checked_text(const json_t *o)
{
	char key[] = {HIDDEN, HIDDEN, 'y', 0};

	return json_object_get(o, key);
}

json_t *checked_read(const char *name, struct str text, const char *section, json_t *warnings, struct err *e)
{
	struct reader r = {.name = name, .warnings = warnings, .e = e};
	yaml_node_t *root;
	json_t *o = NULL;

	if (load(&r, text) < 0)
		return NULL;
	root = yaml_document_get_root_node(&r.doc);
	if (!root || is_null(root))
		err_set(e, ERR_config_bad, "%s: the file is empty", name);
	else
		o = read_section(&r, root, section);
	yaml_document_delete(&r.doc);
	if (o)
		keep_text(name, text, o);
	return o;
}

int checked_has(const char *name, struct str text, const char *key, struct err *e)
{
	struct reader r = {.name = name, .e = e};
	yaml_node_t *root;
	int found = 0;

	if (load(&r, text) < 0)
		return -1;
	root = yaml_document_get_root_node(&r.doc);
	if (root && root->type == YAML_MAPPING_NODE)
		for (yaml_node_pair_t *p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top;
			p++) {
			yaml_node_t *n = yaml_document_get_node(&r.doc, p->key);

			found |= n->type == YAML_SCALAR_NODE && str_is(text_of(n), key);
		}
	yaml_document_delete(&r.doc);
	return found;
}

bool checked_hidden(const char *key)
{
	return key[0] == HIDDEN;
}

static const json_t *place(const json_t *o, const char *key)
{
	char hidden[300];

	snprintf(hidden, sizeof(hidden), "%c%s", HIDDEN, key ? key : "");
	return json_object_get(o, hidden);
}

int checked_error(const char *name, const json_t *o, const char *key, struct err *e, const char *fmt, ...)
{
	const json_t *at = place(o, key);
	char text[900];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(e, ERR_config_bad, "%s:%lld:%lld: %s", name,
		(long long)json_integer_value(json_array_get(at, 0)),
		(long long)json_integer_value(json_array_get(at, 1)), text);
}

void checked_warn(json_t *warnings, const char *name, const json_t *o, const char *key, const char *fmt, ...)
{
	const json_t *at = place(o, key), *old;
	char text[900];
	json_t *line;
	va_list ap;
	size_t i;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	line = json_sprintf("%s:%lld:%lld: %s", name, (long long)json_integer_value(json_array_get(at, 0)),
		(long long)json_integer_value(json_array_get(at, 1)), text);
	json_array_foreach(warnings, i, old)
		if (json_equal(line, old)) { /* settings that several instances name */
			json_decref(line);
			return;
		}
	json_array_append_new(warnings, line);
}
