/*
 * What the load must know of the upstream before it says what it wants: foreign keys, and which server this
 * is. Called by the leader thread with the listing of the tables.
 */
#include "units/dump/ties.h"

#include "common/sql/foreign.h"

struct noting {
	const struct item *child;
	json_t *list;
};

static void note(void *arg, const struct foreign *f)
{
	const struct noting *n = arg;
	const char *schema = n->child->schema;

	json_array_append_new(n->list, json_pack("[s, s, s, s, i]", schema, n->child->name,
					       f->schema[0] ? f->schema : schema, f->table, f->acts));
}

json_t *ties_of(const struct catalog *c, const struct server *from)
{
	struct noting n = {.list = json_array()};

	for (unsigned i = 0; i < c->tables.n; i++) {
		n.child = &c->tables.p[i];
		foreign_each(str_of(n.child->create), from, note, &n);
	}
	return n.list;
}

int ties_identity(struct db *d, char *out, size_t size, struct err *e)
{
	bool found;

	return db_value(d,
		db_server(d)->flavor == FLAVOR_MARIADB
			? "SELECT CONCAT(@@global.gtid_domain_id,'-',@@global.server_id)"
			: "SELECT @@global.server_uuid",
		out, size, &found, e);
}
