/*
 * The control conversation of the command line: a word and its JSON arguments to the master, its JSON back.
 */
#include "ctl/ask.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/base/paged.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/proc/control.h"
#include "common/proc/link.h"
#include "common/proc/prove.h"
#include "ctl/job.h"
#include "ctl/lock.h"
#include "ctl/owner.h"
#include "ctl/reach.h"

enum {
	PROVE_MS = 5000,
	AGAIN_MS = 200,
	LOOK_MS = 100,
	SERVICE_MS = 5000,
	REACH_MS = 10000,  /* until it is said that nobody is there */
	SILENT_MS = 20000, /* until it is no master; one that loads its store says nothing for up to 15 s */
	KNOCK_MS = 3000,   /* for a host that says nothing; the next one may */
	PLACES = 16,
};

#define SERVICE "/run/tidegate"

/* Another host's master. */
struct place {
	struct link_peer *peer;
	struct address at;
	char text[300];
};

struct ask {
	struct loop *loop;
	struct link *link;
	struct link_peer *master; /* the one that is asked */
	struct place places[PLACES];
	unsigned nplaces, now; /* now: whose turn it is */
	bool reached;          /* somebody listens there */
	bool proved;           /* it has answered */
	bool answered;         /* one of them has, at any time */
	struct control control;
	struct identity *id; /* the operator's certificate; NULL: none */
	/* A unix socket that is to be looked at before the first call, and its name for people; "": none. */
	char socket[700], shown[700];
	const volatile sig_atomic_t *interrupts;
	struct waiting {
		bool done;
		struct err e;
		struct buf *in;
	} waiting; /* for the call under way, where interrupts may end it */
};

static int add_place(struct ask *k, struct str text, struct err *e)
{
	struct place *p = &k->places[k->nplaces];

	if (k->nplaces == PLACES || text.n >= sizeof(p->text))
		return err_set(e, ERR_usage, "--master takes %d addresses at most", PLACES);
	snprintf(p->text, sizeof(p->text), "%.*s", STR_ARG(text));
	if (address_parse(p->text, &p->at, e) < 0)
		return -1;
	if (p->at.kind == ADDRESS_IPC)
		return err_set(
			e, ERR_usage, "%s: among several masters each is tls+tcp:// or tcp://", p->text);
	if (control_check_dial(&k->control, p->text, e) < 0)
		return -1;
	k->nplaces++;
	return 0;
}

/* Other hosts', with commas: as they were typed, so without the word that a file must have for them. */
static int open_remote(struct ask *k, const char *list, const struct args *a, struct err *e)
{
	k->control.plain = true;
	if (control_read_files(&k->control, a->ssl_ca, a->ssl_cert, a->ssl_key, e) < 0)
		return -1;
	for (const char *at = list; *at;) {
		size_t n = strcspn(at, ", ");

		if (n && add_place(k, (struct str){at, n}, e) < 0)
			return -1;
		at += n + (at[n] != '\0');
	}
	if (control_use(&k->control, k->link, e) < 0)
		return -1;
	k->id = k->control.cert ? identity_of_pem(k->control.cert, k->control.key, e) : NULL;
	if (k->control.cert && !k->id)
		return -1;
	for (unsigned i = 0; i < k->nplaces; i++)
		k->places[i].peer = link_dial(k->link, k->places[i].text);
	k->master = k->places[0].peer;
	return 0;
}

/*
 * Of a folder that we have found ourselves, what was looked at may be gone, and somebody else's be there: it
 * is looked at where nobody can change it any more. The service's is in /run, where only root makes any.
 */
static int enter(const char *run, bool named, struct err *e)
{
	if (!named && strcmp(run, SERVICE) != 0)
		return owner_enter(run, geteuid(), e);
	return chdir(run) < 0 ? err_sys(e, ERR_ctl_connect, "run folder %s", run) : 0;
}

/* The folder with master.sock, or a socket itself, which only who names it may mean. */
static int open_local(struct ask *k, const char *run, bool named, struct err *e)
{
	struct stat st;

	if (named && stat(run, &st) == 0 && S_ISSOCK(st.st_mode)) {
		snprintf(k->socket, sizeof(k->socket), "%s", run);
		snprintf(k->shown, sizeof(k->shown), "%s", run);
	} else {
		if (enter(run, named, e) < 0)
			return -1;
		snprintf(k->socket, sizeof(k->socket), "master.sock");
		snprintf(k->shown, sizeof(k->shown), "%s/master.sock", run);
	}
	k->master = link_dial(k->link, k->socket);
	return 0;
}

bool ask_is_list(const char *where)
{
	struct str s = str_of(where);

	return strchr(where, ',') && (str_starts(s, "tcp://") || str_starts(s, "tls+tcp://"));
}

struct ask *ask_open(const char *where, const struct args *a, struct err *e)
{
	struct ask *k;
	struct address at = {.kind = ADDRESS_TCP};

	/* A path may have commas. */
	if (!ask_is_list(where) && address_parse(where, &at, e) < 0)
		return NULL;
	k = xcalloc(1, sizeof(*k));
	k->loop = loop_new();
	k->link = link_new(k->loop);
	if ((at.kind == ADDRESS_IPC ? open_local(k, at.path, a && a->master, e)
				    : open_remote(k, where, a, e)) < 0)
		ask_close(&k);
	return k;
}

void ask_until(struct ask *k, const volatile sig_atomic_t *interrupts)
{
	k->interrupts = interrupts;
}

void ask_close(struct ask **k)
{
	if (!*k)
		return;
	link_leave(&(*k)->link);
	loop_free(&(*k)->loop);
	identity_free(&(*k)->id);
	control_fini(&(*k)->control);
	free(*k);
	*k = NULL;
}

/* "result": false carries the reason; its code where the master gave one. */
static json_t *check_result(json_t *answer, struct err *e)
{
	if (!answer || json_flag(answer, "result", true))
		return answer;
	err_set(e, (enum err_code)json_num(answer, "code", ERR_bad_stage), "%s",
		json_text(answer, "msg", "refused"));
	json_decref(answer);
	return NULL;
}

/* One request with its answer's bytes; answers that come in pieces are put together in text. */
struct call {
	const char *word;
	struct buf out, in;
	uint64_t until; /* clock_ms */
	unsigned turns; /* how often the next one's turn has come */
	struct paged_text text;
};

static void on_reply(void *arg, const struct err *failed, struct str reply)
{
	struct waiting *w = arg;

	w->done = true;
	if (failed)
		w->e = *failed;
	else
		buf_put(w->in, reply.p, reply.n);
}

/* As link_call_wait, but for as long as nobody interrupts. */
static int call_until(struct ask *k, struct call *c, uint64_t ms, struct err *e)
{
	if (*k->interrupts)
		return err_set(e, ERR_ctl_connect, "interrupted");
	buf_clear(&c->in);
	k->waiting = (struct waiting){.in = &c->in};
	link_call(k->master, &c->out, ms, on_reply, &k->waiting);
	while (!k->waiting.done && !*k->interrupts)
		loop_once(k->loop, LOOK_MS);
	if (!k->waiting.done) /* its answer is nobody's: the loop does not run again */
		return err_set(e, ERR_ctl_connect, "interrupted");
	*e = k->waiting.e;
	return e->code ? -1 : 0;
}

static bool interrupted(const struct ask *k)
{
	return k->interrupts && *k->interrupts;
}

/* Each in its turn, one look: 0: k->now is there. *lasts: none of them will be in a moment. */
static int look_round(struct ask *k, uint64_t until, bool *lasts, struct err *e)
{
	*lasts = true;
	for (unsigned i = 0; i < k->nplaces && !interrupted(k); i++) {
		const struct place *p = &k->places[k->now];
		uint64_t now = clock_ms(), left = until > now ? until - now : 1;
		struct err why = {0}, before;
		bool never;

		if (ask_knock(&p->at, p->text, left < KNOCK_MS ? (unsigned)left : KNOCK_MS, &never, &why) ==
			0)
			return 0;
		*lasts &= never;
		before = *e;
		err_set(e, ERR_ctl_connect, "%s%s%s", before.text, before.text[0] ? "; " : "", why.text);
		k->now = (k->now + 1) % k->nplaces;
	}
	return -1;
}

/* A host that is being started again is there in a moment. */
static int reach_remote(struct ask *k, uint64_t until, struct err *e)
{
	bool lasts;

	while (err_clear(e), look_round(k, until, &lasts, e) < 0) {
		if (interrupted(k))
			return err_set(e, ERR_ctl_connect, "interrupted");
		if (lasts || clock_ms() + AGAIN_MS >= until)
			return -1;
		clock_sleep_ms(AGAIN_MS);
	}
	k->master = k->places[k->now].peer;
	k->reached = true;
	return 0;
}

static int reach(struct ask *k, const struct call *c, struct err *e)
{
	uint64_t until = clock_ms() + REACH_MS;

	until = until < c->until ? until : c->until;
	if (k->nplaces && !k->reached)
		return reach_remote(k, until, e);
	if (!k->socket[0])
		return 0;
	if (ask_reach(k->socket, k->shown, until, k->interrupts, e) < 0)
		return -1;
	k->socket[0] = '\0';
	return 0;
}

/*
 * Is the one that takes connections a master, and do the certificates fit? Several: one that stands still is
 * passed by, also where nothing is to be proved.
 */
static int prove(struct ask *k, struct err *e)
{
	if (k->id && prove_wait(k->master, k->id, identity_name(k->id), PROVE_MS, e) < 0)
		return -1;
	if (!k->id && k->nplaces > 1 && !k->proved && prove_there(k->master, PROVE_MS, e) < 0)
		return -1;
	k->proved = k->answered = true;
	return 0;
}

/* Before each one: the connection may be another one than at the last. */
static int send_it(struct ask *k, struct call *c, struct err *e)
{
	uint64_t now;

	if (reach(k, c, e) < 0 || prove(k, e) < 0)
		return -1;
	now = clock_ms();
	uint64_t left = c->until > now ? c->until - now : 1;
	return k->interrupts ? call_until(k, c, left, e)
			     : link_call_wait(k->master, &c->out, left, &c->in, e);
}

static int take_part(struct call *c, struct str body, uint64_t *id, struct err *e)
{
	struct msg_answer_part m;

	if (msg_get_answer_part(body, &m, e) < 0)
		return -1;
	*id = m.id;
	return paged_add(&c->text, &(struct paged){m.from, m.total, m.text}, e);
}

/* 1: the answer is whole in c->text; 0: the rest of it is to be asked for, by id; -1. */
static int take_reply(struct call *c, uint64_t *id, struct err *e)
{
	struct msg_answer m;
	struct msg_head h;
	struct str body;

	if (msg_open(buf_str(&c->in), &h, &body, e) < 0)
		return -1;
	if (h.type == MSG_answer_part)
		return take_part(c, body, id, e);
	if (msg_expect(buf_str(&c->in), MSG_answer, &body, e) < 0 || msg_get_answer(body, &m, e) < 0)
		return -1;
	buf_clear(&c->text.text);
	buf_put(&c->text.text, m.json.p, m.json.n);
	return 1;
}

/* Lost, or another connection than the one that was proved. */
static bool is_lost(const struct ask *k, const struct err *e)
{
	return e->code == ERR_link || (k->id && e->code == ERR_unproved);
}

/* One that can't find the leader, as it is cut off from etcd; another one may: each is asked once. */
static bool knows_none(const struct ask *k, const struct call *c, const struct err *e)
{
	return k->nplaces > 1 && e->code == ERR_not_leader && c->turns + 1 < k->nplaces;
}

/* The next one of several masters, each of which passes the same number on to the same leader. */
static void turn(struct ask *k, struct call *c, const struct err *e)
{
	if (k->nplaces < 2 || (e->code != ERR_link && e->code != ERR_not_leader))
		return;
	k->now = (k->now + 1) % k->nplaces;
	k->reached = k->proved = false;
	c->turns++;
}

/* Whoever takes connections and has never answered, all of them: no waiting mends certificates. */
static bool is_hopeless(const struct ask *k, const struct call *c, uint64_t began, struct err *e)
{
	if (!k->id || k->answered || c->turns + 1 < k->nplaces || clock_ms() < began + SILENT_MS)
		return false;
	err_set(e, ERR_ctl_connect,
		"%s takes connections, but does not answer: is it a master, with a certificate of that CA "
		"and host name? (or one that stands still)",
		k->places[k->now].text);
	return true;
}

/*
 * The connection may be lost when the command is done and its answer is not here yet. It is sent again then,
 * with the same number, by which the master knows it (T39).
 */
static int send_until(struct ask *k, struct call *c, uint64_t *id, struct err *e)
{
	uint64_t began = clock_ms();
	int rc;

	while (((rc = send_it(k, c, e)) < 0 || (rc = take_reply(c, id, e)) < 0) &&
		(is_lost(k, e) || knows_none(k, c, e)) && clock_ms() + AGAIN_MS < c->until &&
		!is_hopeless(k, c, began, e)) {
		turn(k, c, e);
		clock_sleep_ms(AGAIN_MS);
		err_clear(e);
	}
	return rc;
}

static void put_request(struct call *c, const char *word, const json_t *args)
{
	struct buf text = {0};

	json_write(args, &text);
	buf_clear(&c->out);
	msg_put_command(&c->out, link_request_id(),
		&(struct msg_command){.word = str_of(word), .args = buf_str(&text)});
	paged_free(&text);
}

static int send_all(struct ask *k, struct call *c, const json_t *args, struct err *e)
{
	uint64_t id = 0;
	int rc;

	put_request(c, c->word, args);
	while ((rc = send_until(k, c, &id, e)) == 0) {
		json_t *next =
			json_pack("{s:I, s:I}", "id", (json_int_t)id, "from", (json_int_t)c->text.text.n);

		put_request(c, "answer-page", next);
		json_decref(next);
	}
	return rc;
}

json_t *ask_command(struct ask *k, const char *word, const json_t *args, unsigned timeout_ms, struct err *e)
{
	struct call c = {.word = word, .until = clock_ms() + timeout_ms};
	json_t *o = NULL;

	if (send_all(k, &c, args, e) < 0) {
		if (e->code == ERR_link)
			e->code = ERR_ctl_connect;
		err_add(e, "%s", word);
	} else {
		o = check_result(json_parse(buf_str(&c.text.text), "the master's answer", e), e);
	}
	paged_free(&c.out);
	paged_free(&c.in);
	paged_free(&c.text.text);
	return o;
}

/* Is somebody's master.sock in this folder? */
static bool has_master(const char *run)
{
	char path[700];
	struct stat st;

	snprintf(path, sizeof(path), "%s/master.sock", run);
	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Looks for the run folders of this user's jobs; the only one is meant. */
static int find_only_run(const char *dir, const char *prefix, char *run, size_t size)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	char path[600];
	int found = 0;

	while (d && (entry = readdir(d)) != NULL) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (!owner_is(path, geteuid()) || !has_master(path))
			continue;
		snprintf(run, size, "%s", path);
		found++;
	}
	if (d)
		closedir(d);
	return found;
}

/*
 * `systemctl start` is over a moment before the master listens: the supervisor is there, and it is waited
 * for. On a host without a master that is in vain.
 */
static bool wait_for_service(void)
{
	uint64_t until = clock_ms() + SERVICE_MS;

	while (lock_is_held(SERVICE, "tidegated.lock") && clock_ms() < until) {
		if (has_master(SERVICE))
			return true;
		clock_sleep_ms(AGAIN_MS / 4);
	}
	return false;
}

int ask_find(const struct args *a, char *run, size_t size, struct err *e)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char prefix[40] = "tidegate-";
	int found;

	if (a->master) {
		snprintf(run, size, "%s", a->master);
		return 0;
	}
	if (a->state)
		return job_find_run(a->state, run, size, e);
	if (has_master(SERVICE)) {
		snprintf(run, size, SERVICE);
		return 0;
	}
	if (geteuid() != 0 && !(runtime && runtime[0] == '/'))
		snprintf(prefix, sizeof(prefix), "tidegate-%u-", (unsigned)geteuid());
	found = find_only_run(geteuid() == 0                 ? "/run"
			      : runtime && runtime[0] == '/' ? runtime
							     : "/tmp",
		prefix, run, size);
	if (found == 1)
		return 0;
	if (found == 0 && wait_for_service()) {
		snprintf(run, size, SERVICE);
		return 0;
	}
	return err_set(e, ERR_ctl_connect, "%s: give --state DIR of a run, or --master DIR",
		found ? "several jobs run on this host" : "no master found on this host");
}
