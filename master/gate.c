/*
 * The door of the control socket: who is asking, and may that one ask this? Called by serve.c with each
 * request, before anything of it is read. A unix socket tells its peer's user; of another host's connection
 * only that is known which it has proved (T40); its connection's number is never used again (link.h).
 */
#include "master/gate.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"

enum {
	GATE_TOLD_MS = 1000,
	GATE_BURST = 20,
	GATE_CERT_MAX = 64 << 10,
	ANYBODY = ROLE_AGENT | ROLE_MASTER | ROLE_OPERATOR,
};

#define GROUP "tidegate"

static const struct {
	uint16_t type;
	unsigned roles;
} rights[] = {
	{MSG_agent_hello, ROLE_AGENT},
	{MSG_agent_next, ROLE_AGENT},
	{MSG_agent_report, ROLE_AGENT},
	{MSG_agent_report_part, ROLE_AGENT},
	{MSG_agent_more, ROLE_AGENT},
	{MSG_command, ROLE_OPERATOR},
	{MSG_forwarded, ROLE_MASTER},
	{MSG_challenge, ANYBODY},
	{MSG_prove, ANYBODY},
};

static unsigned roles_for(uint16_t type)
{
	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++)
		if (rights[i].type == type)
			return rights[i].roles;
	return ANYBODY; /* refused by whoever knows the messages */
}

void gate_read_group(struct gate *g)
{
	const struct group *group = getgrnam(GROUP);

	g->group = group ? group->gr_gid : 0;
	for (char **m = group ? group->gr_mem : NULL; m && *m; m++) {
		const struct passwd *p = getpwnam(*m);

		if (p && g->nmembers < GATE_MEMBERS)
			g->members[g->nmembers++] = p->pw_uid;
		else if (p)
			log_warn("the group " GROUP " has more than %d members: %s may not command",
				GATE_MEMBERS, p->pw_name);
	}
}

static bool in_group(const struct gate *g, uid_t uid, gid_t gid)
{
	for (unsigned i = 0; i < g->nmembers; i++)
		if (g->members[i] == uid)
			return true;
	return g->group && gid == g->group;
}

/* Agents and other masters of this host run as our own user; root could be anybody. */
static unsigned local_roles(const struct gate *g, const struct link_req *req)
{
	if (req->peer_uid == 0 || req->peer_uid == geteuid() || req->peer_uid == g->run_owner)
		return ANYBODY;
	return in_group(g, req->peer_uid, req->peer_gid) ? ROLE_OPERATOR : 0;
}

static struct gate_entry *find(struct gate *g, uint32_t pipe)
{
	for (unsigned i = 0; i < GATE_CONNECTIONS; i++)
		if (pipe && g->entries[i].pipe == pipe)
			return &g->entries[i];
	return NULL;
}

/* A free place, or that of who was silent for longest; one that proved nothing yet goes before one that did:
 * agents are heard every few seconds, so a flood of strangers does not push them out. */
static struct gate_entry *place(struct gate *g)
{
	struct gate_entry *best = NULL;

	for (unsigned i = 0; i < GATE_CONNECTIONS; i++) {
		struct gate_entry *at = &g->entries[i];

		if (!at->pipe)
			return at;
		if (!best || (at->role == 0) > (best->role == 0) ||
			((at->role == 0) == (best->role == 0) && at->used_ms < best->used_ms))
			best = at;
	}
	return best;
}

/*
 * Without a CA nobody can prove to be an operator: that is plain TCP, which was allowed for whoever reaches
 * it. An agent shows its key all the same, so that two of one name are told apart.
 */
static unsigned remote_roles(const struct gate *g, const struct gate_entry *at)
{
	unsigned open = g->control->ca ? 0 : ROLE_MASTER | ROLE_OPERATOR;

	return open | (at ? at->role : 0);
}

int gate_check(struct gate *g, const struct link_req *req, uint64_t now, struct err *e)
{
	unsigned wanted = roles_for(req->head.type);
	struct gate_entry *at;

	if (req->via == ADDRESS_IPC) {
		if (local_roles(g, req) & wanted)
			return 0;
		return err_set(e, ERR_not_allowed, "%s may not send %s to the master", req->from,
			msg_name(req->head.type));
	}
	at = find(g, req->pipe);
	if (at)
		at->used_ms = now;
	if (wanted == ANYBODY || remote_roles(g, at) & wanted)
		return 0;
	if (at && at->role)
		return err_set(e, ERR_not_allowed,
			"`%s` at %s may not send %s: its certificate is not for that", at->name, req->from,
			msg_name(req->head.type));
	return err_set(e, ERR_unproved, "%s has not proved who it is", req->from);
}

void gate_tell(struct gate *g, const struct link_req *req, struct err *e, uint64_t now)
{
	if (e->code == ERR_unproved)
		return; /* every connection begins so */
	if (g->told_ms > now + GATE_BURST * GATE_TOLD_MS) {
		g->untold++;
		return;
	}
	log_warn("refused %s of %s: %s%s", msg_name(req->head.type), req->from, e->text,
		g->untold ? " (and others, of which there were too many to tell)" : "");
	g->told_ms = (g->told_ms > now ? g->told_ms : now) + GATE_TOLD_MS;
	g->untold = 0;
}

void gate_challenge(struct gate *g, struct link_req **req, uint64_t now)
{
	struct gate_entry *at = find(g, (*req)->pipe);
	struct msg_challenge asked;
	struct msg_challenged m = {0};
	struct buf b = {0};
	struct err e = {0};

	if (msg_get_challenge((*req)->body, &asked, &e) < 0) {
		link_fail(req, &e);
		return;
	}
	if (!at) {
		at = place(g);
		*at = (struct gate_entry){.pipe = (*req)->pipe};
	}
	at->used_ms = now; /* what it has proved before holds until it proves something else */
	if (io_random_hex(at->nonce, (IDENTITY_NONCE - 1) / 2, &e) < 0) {
		*at = (struct gate_entry){0};
		link_fail(req, &e);
		return;
	}
	m.nonce = str_of(at->nonce);
	msg_put_challenged(&b, (*req)->head.request, &m);
	link_reply(req, &b);
	buf_free(&b);
}

/* It ends up in logs and in the store. */
static bool copy(struct str from, char *out, size_t size)
{
	for (size_t i = 0; i < from.n; i++)
		if ((unsigned char)from.p[i] < ' ' || from.p[i] == 0x7f)
			return false;
	if (from.n >= size)
		return false;
	snprintf(out, size, "%.*s", STR_ARG(from));
	return true;
}

static int check_by(
	struct gate *g, struct gate_entry *at, const struct msg_prove *m, const char *cert, struct err *e)
{
	struct proof p = {.nonce = at->nonce, .name = at->name, .cert = cert, .key = at->key};

	p.signature = m->signature;
	if (!copy(m->name, at->name, sizeof(at->name)) || !at->name[0] ||
		!copy(m->key, at->key, sizeof(at->key)))
		return err_set(e, ERR_identity, "a name or key that can't be one");
	if (g->control->ca) {
		at->key[0] = '\0';
		if (!cert[0])
			return err_set(e, ERR_identity,
				"`%.64s` shows no certificate, this master wants one (ssl-ca, ssl-cert, "
				"ssl-key)",
				at->name);
		return identity_check_cert(&p, g->control->ca, &at->role, e);
	}
	if (cert[0])
		return err_set(e, ERR_identity,
			"`%.64s` shows a certificate, this master has no ssl-ca to know it by", at->name);
	if (identity_check_key(&p, e) < 0)
		return -1;
	at->role = ROLE_AGENT;
	return 0;
}

static int check_proof(struct gate *g, struct gate_entry *at, const struct msg_prove *m, struct err *e)
{
	struct str c = m->certificate;
	char *cert;
	int rc;

	if (c.n > GATE_CERT_MAX || (c.n && memchr(c.p, 0, c.n)))
		return err_set(e, ERR_identity, "a certificate of %zu bytes that can't be one", c.n);
	cert = xstrndup(c.n ? c.p : "", c.n);
	rc = check_by(g, at, m, cert, e);
	free(cert);
	return rc;
}

void gate_prove(struct gate *g, struct link_req **req, uint64_t now)
{
	struct gate_entry *at = find(g, (*req)->pipe);
	struct msg_prove m;
	struct err e = {0};
	struct buf b = {0};
	int rc = msg_get_prove((*req)->body, &m, &e);

	if (rc == 0 && (!at || !at->nonce[0]))
		rc = err_set(&e, ERR_unproved, "%s was given no challenge to meet", (*req)->from);
	if (rc == 0)
		rc = check_proof(g, at, &m, &e);
	if (at)
		at->nonce[0] = '\0'; /* each serves once */
	if (rc < 0) {
		if (at)
			*at = (struct gate_entry){0};
		gate_tell(g, *req, &e, now);
		link_fail(req, &e);
		return;
	}
	log_info("%s at %s is %s `%s`", at->key[0] ? at->key : "a certificate", (*req)->from,
		at->role == ROLE_AGENT    ? "agent"
		: at->role == ROLE_MASTER ? "master"
					  : "operator",
		at->name);
	msg_put_ok(&b, (*req)->head.request, &(struct msg_ok){0});
	link_reply(req, &b);
	buf_free(&b);
}

int gate_agent(struct gate *g, const struct link_req *req, const char *name, const char **key, struct err *e)
{
	const struct gate_entry *at = req->via == ADDRESS_IPC ? NULL : find(g, req->pipe);

	*key = at ? at->key : "";
	if (req->via == ADDRESS_IPC)
		return 0;
	if (!at || !(at->role & ROLE_AGENT))
		return err_set(e, ERR_unproved, "%s has not proved which agent it is", req->from);
	if (strcmp(at->name, name) != 0)
		return err_set(
			e, ERR_identity, "`%s` at %s speaks for agent `%.64s`", at->name, req->from, name);
	return 0;
}
