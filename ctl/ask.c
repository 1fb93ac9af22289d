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

enum { PROVE_MS = 5000, AGAIN_MS = 200, LOOK_MS = 100, SERVICE_MS = 5000, REACH_MS = 10000 };

#define SERVICE "/run/tidegate"

struct ask {
	struct loop *loop;
	struct link *link;
	struct link_peer *master;
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

/* Another host's: as it was typed, so without the word that a file must have for it. */
static int open_remote(struct ask *k, const char *address, const struct args *a, struct err *e)
{
	k->control.plain = true;
	if (control_read_files(&k->control, a->ssl_ca, a->ssl_cert, a->ssl_key, e) < 0 ||
		control_check_dial(&k->control, address, e) < 0 || control_use(&k->control, k->link, e) < 0)
		return -1;
	k->id = k->control.cert ? identity_of_pem(k->control.cert, k->control.key, e) : NULL;
	if (k->control.cert && !k->id)
		return -1;
	k->master = link_dial(k->link, address);
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

struct ask *ask_open(const char *where, const struct args *a, struct err *e)
{
	struct ask *k;
	struct address at;

	if (address_parse(where, &at, e) < 0)
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

static int reach(struct ask *k, const struct call *c, struct err *e)
{
	uint64_t until = clock_ms() + REACH_MS;

	if (!k->socket[0])
		return 0;
	if (ask_reach(k->socket, k->shown, until < c->until ? until : c->until, k->interrupts, e) < 0)
		return -1;
	k->socket[0] = '\0';
	return 0;
}

/* Before each one: the connection may be another one than at the last. */
static int send_it(struct ask *k, struct call *c, struct err *e)
{
	uint64_t now = clock_ms(), left = c->until > now ? c->until - now : 1;

	if (k->id && prove_wait(k->master, k->id, identity_name(k->id), PROVE_MS, e) < 0)
		return -1;
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

/*
 * The connection may be lost when the command is done and its answer is not here yet. It is sent again then,
 * with the same number, by which the master knows it (T39).
 */
static int send_until(struct ask *k, struct call *c, uint64_t *id, struct err *e)
{
	int rc;

	while (((rc = send_it(k, c, e)) < 0 || (rc = take_reply(c, id, e)) < 0) && is_lost(k, e) &&
		clock_ms() + AGAIN_MS < c->until) {
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

	if (reach(k, &c, e) < 0 || send_all(k, &c, args, e) < 0) {
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
