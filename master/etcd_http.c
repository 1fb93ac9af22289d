/*
 * The one file that includes libcurl: a POST to one etcd host after the other, within a time, logged in where
 * that is wanted; and the endless answer of a watch. Called by etcd_kv.c, store_etcd.c and store_lead.c, a
 * struct etcd by one thread at a time. HTTP/1.1 only: less to go wrong, and a request costs one round trip
 * anyway.
 */
#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "master/etcd.h"

enum {
	CONNECT_MS = 1000,
	ATTEMPT_MS = 2000, /* a host that was asked and says nothing: the next one is asked */
	PAUSE_MS = 100,    /* between two rounds through all hosts */
	ANSWER_MAX = 64 << 20,
};

/* gRPC's numbers, as the gateway gives them. */
enum { GRPC_CANCELLED = 1, GRPC_DEADLINE = 4, GRPC_UNAVAILABLE = 14, GRPC_UNAUTHENTICATED = 16 };

struct etcd {
	const struct etcd_conf *conf;
	const _Atomic bool *stop;
	CURL *curl;
	unsigned at; /* the host that answered last */
	unsigned attempt_ms;
	char *token; /* of the login; NULL: none yet */
	struct buf body;
	bool unsure;          /* of the last request an attempt got no answer */
	bool connected;       /* the last attempt was answered: its connection may live */
	bool watching, woken; /* the answer under way is a watch's; something has happened */
};

/* What became of one attempt. */
enum outcome { ANSWERED, REFUSED, WANTS_LOGIN, AWAY };

void etcd_begin(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* One line of a watch's answer: an event, or its end. What it says does not matter: the caller looks. */
static void watch_line(struct etcd *c, const char *line, size_t n)
{
	json_t *o = json_loadb(line, n, 0, NULL), *result = json_object_get(o, "result");

	if (!result || json_array_size(json_object_get(result, "events")) > 0 ||
		json_flag(result, "canceled", false))
		c->woken = true;
	json_decref(o);
}

static size_t on_bytes(char *bytes, size_t one, size_t n, void *arg)
{
	struct etcd *c = arg;
	char *newline;

	if (c->body.n + one * n > ANSWER_MAX)
		return 0;
	buf_put(&c->body, bytes, one * n);
	while (c->watching && (newline = memchr(c->body.p, '\n', c->body.n))) {
		watch_line(c, c->body.p, (size_t)(newline - c->body.p));
		buf_cut_front(&c->body, (size_t)(newline - c->body.p) + 1);
		if (c->woken)
			return 0; /* ends the transfer */
	}
	return one * n;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t x, curl_off_t y)
{
	const struct etcd *c = arg;

	(void)a;
	(void)b;
	(void)x;
	(void)y;
	return c->stop && atomic_load(c->stop);
}

static void set_tls(struct etcd *c)
{
	const struct etcd_conf *f = c->conf;

	if (f->ca[0])
		curl_easy_setopt(c->curl, CURLOPT_CAINFO, f->ca);
	if (f->cert[0]) {
		curl_easy_setopt(c->curl, CURLOPT_SSLCERT, f->cert);
		curl_easy_setopt(c->curl, CURLOPT_SSLKEY, f->key);
	}
}

struct etcd *etcd_new(const struct etcd_conf *conf, const _Atomic bool *stop)
{
	struct etcd *c = xcalloc(1, sizeof(*c));

	c->conf = conf;
	c->stop = stop;
	c->attempt_ms = ATTEMPT_MS;
	c->curl = curl_easy_init();
	if (!c->curl)
		abort();
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(c->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, c);
	curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L);
	set_tls(c);
	return c;
}

static void forget_token(struct etcd *c)
{
	if (c->token)
		explicit_bzero(c->token, strlen(c->token));
	free(c->token);
	c->token = NULL;
}

void etcd_free(struct etcd **p)
{
	struct etcd *c = *p;

	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	forget_token(c);
	buf_free(&c->body);
	free(c);
	*p = NULL;
}

static const struct etcd_host *host(const struct etcd *c)
{
	return &c->conf->hosts[c->at];
}

static void next_host(struct etcd *c)
{
	c->at = (c->at + 1) % c->conf->nhosts;
}

static struct curl_slist *headers(const struct etcd *c)
{
	struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
	char *line;

	list = curl_slist_append(list, "Expect:");
	if (!c->token)
		return list;
	line = xasprintf("Authorization: %s", c->token);
	list = curl_slist_append(list, line);
	explicit_bzero(line, strlen(line));
	free(line);
	return list;
}

/* One POST to the present host; its answer is in c->body then. */
static CURLcode perform(struct etcd *c, const char *path, struct str text, uint64_t ms)
{
	const struct etcd_host *h = host(c);
	char *url =
		xasprintf("%s://%s:%u%s", c->conf->tls ? "https" : "http", h->name, (unsigned)h->port, path);
	struct curl_slist *list = headers(c);
	CURLcode r;

	buf_clear(&c->body);
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)text.n);
	curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, text.p);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, (long)(ms ? ms : 1));
	r = curl_easy_perform(c->curl);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(list);
	free(url);
	return r;
}

static void away(const struct etcd *c, const char *why, struct err *e)
{
	err_set(e, ERR_store_away, "etcd at %s:%u: %.300s", host(c)->name, (unsigned)host(c)->port, why);
}

/* An answer that is an error: what it means for the request. */
static enum outcome refusal(const struct etcd *c, const json_t *answer, struct err *e)
{
	/* A stream's errors are wrapped once more. */
	const json_t *inner = json_object_get(answer, "error"), *o = json_is_object(inner) ? inner : answer;
	const char *text = json_text(o, "message", json_text(o, "error", "no reason given"));
	int64_t code = json_num(o, "code", json_num(o, "grpc_code", 0));

	if (code == GRPC_UNAVAILABLE || code == GRPC_CANCELLED || code == GRPC_DEADLINE) {
		away(c, text, e);
		return AWAY;
	}
	err_set(e, ERR_store, "etcd at %s:%u refuses: %.300s", host(c)->name, (unsigned)host(c)->port, text);
	/* A token that has run out, was of a member that was restarted, or older than a change of the users.
	 */
	if (c->conf->user[0] &&
		(code == GRPC_UNAUTHENTICATED || strstr(text, "auth token") ||
			strstr(text, "auth store is old") || strstr(text, "user name is empty")))
		return WANTS_LOGIN;
	return REFUSED;
}

/* Plain text is a proxy's, another server's, or the gateway's own refusal: its first line, as far as it can
 * be shown. */
static void no_etcd(const struct etcd *c, long status, struct err *e)
{
	char text[160];
	size_t n = 0;

	while (n < c->body.n && n < sizeof(text) - 1 && c->body.p[n] >= ' ' && c->body.p[n] <= '~') {
		text[n] = c->body.p[n];
		n++;
	}
	text[n] = '\0';
	err_set(e, ERR_store_away, "%s:%u does not answer as an etcd does (HTTP status %ld: %s)",
		host(c)->name, (unsigned)host(c)->port, status, text);
}

static enum outcome read_answer(struct etcd *c, json_t **answer, struct err *e)
{
	long status = 0;

	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	*answer = json_loadb(c->body.p, c->body.n, JSON_DISABLE_EOF_CHECK, NULL);
	if (!json_is_object(*answer)) {
		json_decref(*answer);
		*answer = NULL;
		no_etcd(c, status, e);
		return AWAY;
	}
	if (status == 200 && !json_object_get(*answer, "error"))
		return ANSWERED;
	enum outcome o = refusal(c, *answer, e);
	json_decref(*answer);
	*answer = NULL;
	return o;
}

static enum outcome attempt(
	struct etcd *c, const char *path, struct str text, uint64_t ms, json_t **answer, struct err *e)
{
	CURLcode r = perform(c, path, text, ms < c->attempt_ms ? ms : c->attempt_ms);
	long connects = 0;

	/* libcurl sends again by itself where a connection that it had kept ends without an answer. */
	curl_easy_getinfo(c->curl, CURLINFO_NUM_CONNECTS, &connects);
	c->unsure |= c->connected && connects > 0;
	c->connected = r == CURLE_OK;
	if (r == CURLE_OK)
		return read_answer(c, answer, e);
	if (r == CURLE_SSL_CERTPROBLEM || r == CURLE_SSL_CACERT_BADFILE) {
		err_set(e, ERR_config_bad,
			"etcd at %s:%u: the files of ca, cert or key can't be used: %.200s", host(c)->name,
			(unsigned)host(c)->port, curl_easy_strerror(r));
		return REFUSED;
	}
	away(c, curl_easy_strerror(r), e);
	return AWAY;
}

/* At the present host; tokens are known to all of them. */
static enum outcome login(struct etcd *c, uint64_t ms, struct err *e)
{
	json_t *o = json_pack("{s:s, s:s}", "name", c->conf->user, "password", c->conf->password), *answer;
	struct buf text = {0};
	enum outcome r;

	forget_token(c);
	json_write(o, &text);
	json_wipe(o, "password");
	json_decref(o);
	r = attempt(c, "/v3/auth/authenticate", buf_str(&text), ms, &answer, e);
	explicit_bzero(text.p, text.n);
	buf_free(&text);
	if (r == ANSWERED) {
		c->token = xstrdup(json_text(answer, "token", ""));
		json_decref(answer);
		return ANSWERED;
	}
	err_add(e, "logging in to etcd as %s", c->conf->user);
	return r == AWAY ? AWAY : REFUSED;
}

static bool stopped(const struct etcd *c)
{
	return c->stop && atomic_load(c->stop);
}

static uint64_t left(uint64_t deadline)
{
	uint64_t now = clock_ms();

	return deadline > now ? deadline - now : 0;
}

/* One host, with a login before it where one is due, and once more where the token was of no use any more. */
static enum outcome ask_host(
	struct etcd *c, const char *path, struct str text, uint64_t deadline, json_t **answer, struct err *e)
{
	enum outcome r = WANTS_LOGIN;

	if (c->token || !c->conf->user[0])
		r = attempt(c, path, text, left(deadline), answer, e);
	if (r != WANTS_LOGIN)
		return r;
	r = login(c, left(deadline), e);
	if (r == ANSWERED)
		r = attempt(c, path, text, left(deadline), answer, e);
	return r == WANTS_LOGIN ? REFUSED : r;
}

int etcd_post(
	struct etcd *c, const char *path, const json_t *request, unsigned ms, json_t **answer, struct err *e)
{
	uint64_t deadline = clock_ms() + ms;
	struct buf text = {0};
	enum outcome r = AWAY;
	struct err before = {0};

	*answer = NULL;
	c->watching = c->unsure = false;
	json_write(request, &text);
	for (unsigned asked = 1; r == AWAY; asked++) {
		r = ask_host(c, path, buf_str(&text), deadline, answer, e);
		if (r == AWAY) {
			c->unsure = true;
			next_host(c);
		}
		/* What our own deadline cut off says less than the try before it. */
		if (r == AWAY && left(deadline) == 0 && before.code)
			*e = before;
		if (r == AWAY && (left(deadline) == 0 || stopped(c)))
			break;
		if (r == AWAY)
			before = *e;
		if (r == AWAY && asked % c->conf->nhosts == 0)
			clock_sleep_ms(PAUSE_MS);
	}
	buf_free(&text);
	return r == ANSWERED ? 0 : -1;
}

void etcd_set_patience(struct etcd *c, unsigned ms)
{
	c->attempt_ms = ms ? ms : ATTEMPT_MS;
}

bool etcd_unsure(const struct etcd *c)
{
	return c->unsure;
}

/* A transfer that came to its end, or was ended by us, was a watch; what the host said against it is lost. */
int etcd_watch(struct etcd *c, const char *key, uint64_t from, unsigned ms, struct err *e)
{
	char number[24];
	struct buf text = {0};
	json_t *o;
	CURLcode r;
	long status = 0;

	snprintf(number, sizeof(number), "%llu", (unsigned long long)from + 1);
	o = json_pack("{s:{s:o, s:s}}", "create_request", "key", etcd_b64(key, strlen(key)), "start_revision",
		number);
	json_write(o, &text);
	json_decref(o);
	c->watching = true;
	c->woken = false;
	r = perform(c, "/v3/watch", buf_str(&text), ms);
	c->watching = false;
	buf_free(&text);
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (c->woken || stopped(c) || (status == 200 && r == CURLE_OPERATION_TIMEDOUT))
		return 0;
	away(c, r == CURLE_OK ? "the watch was ended" : curl_easy_strerror(r), e);
	next_host(c);
	return -1;
}
