/*
 * Privileges that make parts of the work better (grant.def: OPTIONAL), each with what is less good without
 * it.
 */
#include <string.h>

#include "common/config/json.h"
#include "common/db/object.h"
#include "common/sql/grants.h"
#include "common/sql/quote.h"
#include "units/check/items.h"

static bool asks_for(const struct check *c, const char *objects)
{
	unsigned asked = 0, these = 0;

	return !*objects || (objects_parse(json_text(c->load, "objects", ""), &asked, NULL) == 0 &&
				    objects_parse(objects, &these, NULL) == 0 && (asked & these));
}

/* By a statement; what fails otherwise than for want of a privilege says nothing. */
static bool is_denied(struct check *c, const char *trial)
{
	struct buf sql = {0};
	struct err e = {0};
	bool denied;

	for (const char *p = trial; *p; p++) {
		if (*p == '@')
			sql_put_ident(&sql, str_of(c->tables->n ? c->tables->p[0].schema : ""));
		else
			buf_putc(&sql, *p);
	}
	denied = db_exec(c->up, buf_str(&sql), &e) < 0 &&
		 (check_is_denied(&e) || e.sql_errno == CHECK_XA_DENIED);
	buf_free(&sql);
	/* Of LOCK INSTANCE; anybody may say it. */
	if (!denied && str_starts(str_of(trial), "LOCK"))
		db_exec(c->up, STR_LIT("UNLOCK INSTANCE"), NULL);
	return denied;
}

/* By the account's own lists; a role may give it, which they don't say. */
static bool is_unlisted(struct check *c, const char *privilege)
{
	static const char *const lists[] = {"USER_PRIVILEGES", "SCHEMA_PRIVILEGES", "TABLE_PRIVILEGES"};
	char account[320];
	struct buf where = {0};
	bool any = check_has_role(c->up);

	check_account(c->up, account, sizeof(account));
	buf_putf(&where, "PRIVILEGE_TYPE='%s' AND GRANTEE=", privilege);
	sql_put_string(&where, str_of(account));
	for (size_t i = 0; !any && i < sizeof(lists) / sizeof(lists[0]); i++)
		any = check_has_any(c->up, lists[i], buf_str(&where));
	buf_free(&where);
	return !any;
}

/* Views that the copy would leave out. */
static bool has_hidden_views(struct check *c, struct some *views)
{
	struct objects all = {0};
	struct err e = {0};

	if (objects_read(c->up, c->rules, OBJECT_BIT(OBJECT_VIEW), &all, &e) == 0)
		for (unsigned i = 0; i < all.n; i++)
			if (!all.p[i].create)
				some_add(views, "`%s`.`%s`", all.p[i].schema, all.p[i].name);
	objects_fini(&all);
	return views->n > 0;
}

static void tell(
	struct check *c, const char *item, const char *privilege, const char *on, const char *without)
{
	char account[320];
	struct buf mend = {0};

	check_account(c->up, account, sizeof(account));
	buf_putf(&mend, "GRANT %s ON %s TO %s", privilege, on, account);
	check_put_role(c->up, account, &mend);
	check_found(c, item, "warn", 0, db_where(c->up), buf_cstr(&mend),
		"the account %s lacks %s, which is optional: without it %s", account, privilege, without);
	buf_free(&mend);
}

void check_optional(struct check *c, const char *item)
{
	struct grant_optional o;
	struct some views = {0};
	bool all = true;

	db_exec(c->up, STR_LIT("SET SESSION lock_wait_timeout=1"), NULL);
	for (size_t i = 0; grants_optional(i, db_server(c->up), &o); i++) {
		if (!asks_for(c, o.objects) || strcmp(o.trial, "-") == 0 ||
			!(*o.trial ? is_denied(c, o.trial) : is_unlisted(c, o.privilege)))
			continue;
		tell(c, item, o.privilege, "*.*", o.without);
		all = false;
	}
	if (has_hidden_views(c, &views)) {
		struct buf without = {0};

		buf_putf(&without, "these views are left out: %s", some_text(&views));
		tell(c, item, "SHOW VIEW, SELECT", "*.*", buf_cstr(&without));
		buf_free(&without);
		all = false;
	}
	if (all)
		check_passed(c, item, c->up);
	some_free(&views);
}
