/*
 * MySQL's partial JSON updates (binlog_row_value_options=PARTIAL_JSON): the value before and a list of
 * changes give the value after, as binary JSON again. Called by rows.c. The values unfold into a tree, are
 * changed there, and are written in the format's large form, which every reader takes.
 */
#include "common/binlog/json_diff.h"

#include <string.h>

#include "common/binlog/json_walk.h"
#include "common/binlog/wire.h"

enum { LARGE = 4, MAX_KEY = 65535 };

struct node;
struct member {
	struct str key; /* of objects */
	struct node *v;
};
struct node {
	uint8_t type;
	struct str raw; /* of a scalar: its bytes */
	struct member *list;
	size_t n, room;
};

/* One step of a path: .key or [index]. */
struct leg {
	bool is_key, from_end; /* [last-2]: index 2 from the end */
	struct str key;
	uint64_t index;
};

struct work {
	struct arena *a;
	size_t budget; /* nodes: no real value has more than bytes; a made-up one may go in circles */
	struct err *e;
};

static bool is_object(const struct node *n)
{
	return n->type == BJ_SMALL_OBJECT || n->type == BJ_LARGE_OBJECT;
}

static bool is_array(const struct node *n)
{
	return n->type == BJ_SMALL_ARRAY || n->type == BJ_LARGE_ARRAY;
}

static int no_fit(struct work *w, struct str path)
{
	return err_set(w->e, ERR_sync_binlog, "a partial JSON update does not fit the value before: %.*s",
		path.n > 200 ? 200 : (int)path.n, path.p);
}

/* The place for a new member, at i. */
static struct member *make_room(struct work *w, struct node *n, size_t i)
{
	if (n->n == n->room) {
		size_t room = n->room ? 2 * n->room : 4;
		struct member *list = arena_alloc(w->a, room * sizeof(*list));

		if (n->n)
			memcpy(list, n->list, n->n * sizeof(*list));
		n->list = list;
		n->room = room;
	}
	memmove(&n->list[i + 1], &n->list[i], (n->n - i) * sizeof(*n->list));
	n->n++;
	n->list[i] = (struct member){0};
	return &n->list[i];
}

static size_t scalar_size(const struct bj_node *v)
{
	struct cur c = v->at;

	switch (v->type) {
	case BJ_LITERAL:
		return 1;
	case BJ_INT16:
	case BJ_UINT16:
		return 2;
	case BJ_INT32:
	case BJ_UINT32:
		return 4;
	case BJ_INT64:
	case BJ_UINT64:
	case BJ_DOUBLE:
		return 8;
	case BJ_OPAQUE:
		cur_u8(&c);
		/* fallthrough */
	case BJ_STRING:
		bj_string(&c);
		return c.bad ? SIZE_MAX : (size_t)(c.p - v->at.p);
	default:
		return SIZE_MAX;
	}
}

static struct node *unfold(struct work *w, const struct bj_node *v, unsigned depth);

static int unfold_member(
	struct work *w, const struct bj_container *k, uint32_t i, struct node *n, unsigned depth)
{
	struct member *m = make_room(w, n, n->n);
	struct bj_node v;

	if ((k->object && bj_key(k, i, &m->key, w->e) < 0) || bj_member(k, i, &v, w->e) < 0)
		return -1;
	m->v = unfold(w, &v, depth + 1);
	return m->v ? 0 : -1;
}

static struct node *unfold(struct work *w, const struct bj_node *v, unsigned depth)
{
	struct node *n = arena_zalloc(w->a, sizeof(*n));
	struct bj_container k;
	struct cur c = v->at;

	n->type = v->type;
	if (w->budget-- == 0) {
		w->budget = 0;
		bj_damaged(w->e);
		return NULL;
	}
	if (!bj_is_container(v->type)) {
		n->raw = wire_text(&c, scalar_size(v));
		if (c.bad)
			bj_damaged(w->e);
		return c.bad ? NULL : n;
	}
	if (bj_open(v, depth, &k, w->e) < 0)
		return NULL;
	for (uint32_t i = 0; i < k.count; i++)
		if (unfold_member(w, &k, i, n, depth) < 0)
			return NULL;
	return n;
}

static struct node *unfold_root(struct work *w, struct str bytes)
{
	struct bj_node v;

	w->budget = 2 * bytes.n + 64;
	bj_root(bytes, &v);
	return unfold(w, &v, 1);
}

/* --- writing --- */

static void patch(struct buf *out, size_t at, uint64_t v)
{
	for (unsigned i = 0; i < 4; i++)
		out->p[at + i] = (char)(v >> (8 * i));
}

static bool is_inline(uint8_t type)
{
	return type == BJ_LITERAL || type == BJ_INT16 || type == BJ_UINT16 || type == BJ_INT32 ||
	       type == BJ_UINT32;
}

static void zeros(struct buf *out, size_t n)
{
	memset(buf_room(out, n), 0, n);
	out->n += n;
}

static void put_node(struct buf *out, const struct node *n)
{
	size_t start = out->n, keys = 8, values = 8 + (is_object(n) ? n->n * (LARGE + 2) : 0);

	if (!is_object(n) && !is_array(n)) {
		buf_put(out, n->raw.p, n->raw.n);
		return;
	}
	zeros(out, values + n->n * (1 + LARGE));
	patch(out, start, n->n);
	for (size_t i = 0; is_object(n) && i < n->n; i++, keys += LARGE + 2) {
		patch(out, start + keys, out->n - start);
		out->p[start + keys + 4] = (char)n->list[i].key.n;
		out->p[start + keys + 5] = (char)(n->list[i].key.n >> 8);
		buf_put(out, n->list[i].key.p, n->list[i].key.n);
	}
	for (size_t i = 0; i < n->n; i++, values += 1 + LARGE) {
		const struct node *v = n->list[i].v;

		out->p[start + values] = (char)(is_object(v)  ? BJ_LARGE_OBJECT
						: is_array(v) ? BJ_LARGE_ARRAY
							      : v->type);
		if (is_inline(v->type)) {
			memcpy(out->p + start + values + 1, v->raw.p, v->raw.n);
			continue;
		}
		patch(out, start + values + 1, out->n - start);
		put_node(out, v);
	}
	patch(out, start + 4, out->n - start);
}

/* --- paths --- */

static int hex(struct cur *c)
{
	uint8_t b = cur_u8(c);

	if (b >= '0' && b <= '9')
		return b - '0';
	b |= 0x20;
	if (b < 'a' || b > 'f')
		c->bad = true;
	return b - 'a' + 10;
}

/* An escape in a quoted key, behind its backslash. */
static void put_escape(struct buf *out, struct cur *c)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	uint8_t b = cur_u8(c);
	const char *at = b ? strchr(from, b) : NULL;
	int u = 0;

	if (b != 'u') {
		buf_putc(out, at ? to[at - from] : (char)b);
		return;
	}
	for (unsigned i = 0; i < 4 && !c->bad; i++)
		u = u << 4 | hex(c);
	if (u >= 0x800) {
		buf_putc(out, (char)(0xe0 | u >> 12));
		buf_putc(out, (char)(0x80 | (u >> 6 & 63)));
		buf_putc(out, (char)(0x80 | (u & 63)));
	} else if (u >= 0x80) {
		buf_putc(out, (char)(0xc0 | u >> 6));
		buf_putc(out, (char)(0x80 | (u & 63)));
	} else {
		buf_putc(out, (char)u);
	}
}

static struct str read_key(struct work *w, struct cur *c)
{
	const uint8_t *from = c->p;
	struct buf out = {0};
	struct str key;
	uint8_t b;

	if (cur_left(c) == 0 || *c->p != '"') {
		while (cur_left(c) > 0 && *c->p != '.' && *c->p != '[')
			c->p++;
		c->bad |= c->p == from;
		return (struct str){(const char *)from, (size_t)(c->p - from)};
	}
	c->p++;
	while ((b = cur_u8(c)) != '"' && !c->bad) {
		if (b == '\\')
			put_escape(&out, c);
		else
			buf_putc(&out, (char)b);
	}
	key = (struct str){arena_strdup(w->a, buf_str(&out)), out.n};
	buf_free(&out);
	return key;
}

/* "last" and the '-' behind it, if the number that follows counts from the end. */
static bool skip_last(struct cur *c)
{
	static const char word[] = {'l', 'a', 's', 't'};

	if (cur_left(c) < sizeof(word) || memcmp(c->p, word, sizeof(word)) != 0)
		return false;
	cur_skip(c, sizeof(word));
	if (cur_left(c) > 0 && *c->p == '-')
		cur_skip(c, 1);
	return true;
}

/* False: the path ends (or is damaged: c->bad). MySQL writes a path's legs as its user did, but without
 * blanks. */
static bool next_leg(struct work *w, struct cur *c, struct leg *l)
{
	uint8_t b;

	if (cur_left(c) == 0 || c->bad)
		return false;
	*l = (struct leg){0};
	b = cur_u8(c);
	if (b == '.') {
		l->is_key = true;
		l->key = read_key(w, c);
	} else if (b == '[') {
		l->from_end = skip_last(c);
		while (cur_left(c) > 0 && *c->p >= '0' && *c->p <= '9' && l->index < UINT32_MAX)
			l->index = l->index * 10 + (uint64_t)(cur_u8(c) - '0');
		c->bad |= cur_u8(c) != ']';
	} else {
		c->bad = true;
	}
	return !c->bad;
}

/* Keys are in the order of the server: shorter ones first, then by bytes. The place of key, or where it
 * belongs. */
static size_t place_of(const struct node *n, struct str key, bool *found)
{
	size_t lo = 0, hi = n->n;

	*found = false;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		struct str k = n->list[mid].key;
		int d = k.n != key.n ? (k.n < key.n ? -1 : 1) : k.n ? memcmp(k.p, key.p, k.n) : 0;

		if (d == 0) {
			*found = true;
			return mid;
		}
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The element that is meant; n->n: there is none. */
static size_t index_in(const struct node *n, const struct leg *l)
{
	if (l->index >= n->n)
		return n->n;
	return l->from_end ? n->n - 1 - (size_t)l->index : (size_t)l->index;
}

/* The place where the child is kept; NULL: there is none. [0] of what is no array is the thing itself. */
static struct node **child(struct node **at, const struct leg *l)
{
	struct node *n = *at;
	size_t i;
	bool found;

	if (l->is_key) {
		if (!is_object(n))
			return NULL;
		i = place_of(n, l->key, &found);
		return found ? &n->list[i].v : NULL;
	}
	if (!is_array(n))
		return l->index == 0 ? at : NULL; /* [0] and [last] */
	i = index_in(n, l);
	return i < n->n ? &n->list[i].v : NULL;
}

/* --- changes --- */

static bool insert(struct work *w, struct node *parent, const struct leg *l, struct node *v)
{
	struct member *m;
	size_t i;
	bool found = false;

	if (l->is_key ? !is_object(parent) || l->key.n > MAX_KEY : !is_array(parent))
		return false;
	i = l->is_key ? place_of(parent, l->key, &found) : index_in(parent, l);
	if (!l->is_key && l->from_end && l->index >= parent->n)
		i = 0; /* before all that there is */
	if (found)
		return false;
	m = make_room(w, parent, i);
	m->key = l->key;
	m->v = v;
	return true;
}

static bool take_out(struct node *parent, const struct leg *l)
{
	bool found = true;
	size_t i;

	if (l->is_key ? !is_object(parent) : !is_array(parent))
		return false;
	i = l->is_key ? place_of(parent, l->key, &found) : index_in(parent, l);
	if (!found || i >= parent->n)
		return false;
	memmove(&parent->list[i], &parent->list[i + 1], (parent->n - i - 1) * sizeof(*parent->list));
	parent->n--;
	return true;
}

static int change(struct work *w, struct node **root, uint8_t op, struct str path, struct node *v)
{
	struct cur c = wire_cur(path);
	struct node **parent = NULL, **at = root;
	struct leg l, last = {0};

	if (cur_u8(&c) != '$')
		return no_fit(w, path);
	while (next_leg(w, &c, &l)) {
		if (!at) /* the step before led nowhere */
			return no_fit(w, path);
		parent = at;
		at = child(parent, &l);
		last = l;
	}
	if (c.bad || (!parent && op != JSON_DIFF_REPLACE))
		return no_fit(w, path);
	if (op == JSON_DIFF_REPLACE) {
		if (!at)
			return no_fit(w, path);
		*at = v;
		return 0;
	}
	return (op == JSON_DIFF_INSERT ? insert(w, *parent, &last, v) : take_out(*parent, &last))
		       ? 0
		       : no_fit(w, path);
}

static int one(struct work *w, struct node **root, struct cur *c)
{
	uint8_t op = cur_u8(c);
	struct str path = wire_text(c, cur_lenenc(c)), value = {0};
	struct node *v = NULL;

	if (op != JSON_DIFF_REMOVE)
		value = wire_text(c, cur_lenenc(c));
	if (c->bad || op > JSON_DIFF_REMOVE)
		return bj_damaged(w->e);
	if (op != JSON_DIFF_REMOVE) {
		v = unfold_root(w, value);
		if (!v)
			return -1;
	}
	return change(w, root, op, path, v);
}

/* The value unfolded is many times the bytes, and only these are kept: it has an arena of its own. */
static int apply(struct work *w, struct str base, struct str diffs, struct buf *out)
{
	struct node *root = unfold_root(w, base);
	struct cur c = wire_cur(diffs);

	while (root && cur_left(&c) > 0)
		if (one(w, &root, &c) < 0)
			root = NULL;
	if (!root)
		return -1;
	buf_put_u8(out, is_object(root) ? BJ_LARGE_OBJECT : is_array(root) ? BJ_LARGE_ARRAY : root->type);
	put_node(out, root);
	return 0;
}

int binlog_json_apply(struct str base, struct str diffs, struct arena *a, struct str *out, struct err *e)
{
	struct work w = {.a = arena_new(0), .e = e};
	struct buf b = {0};
	int r = apply(&w, base, diffs, &b);

	if (r == 0)
		*out = (struct str){arena_strdup(a, buf_str(&b)), b.n};
	buf_free(&b);
	arena_free(&w.a);
	return r;
}
