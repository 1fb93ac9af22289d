/*
 * The folders of a `tidegate run`: where its state is, that it is this job's and nobody else's, its key, its
 * run folder. Called by run.c before anything is started.
 */
#include "ctl/job.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/config/json.h"
#include "ctl/dm_secret.h"
#include "ctl/owner.h"

enum { PREDECESSOR_MS = 20000 };

/* The first 8 bytes of the SHA-256, in hex: names folders, no more. */
static void hash_hex(struct str bytes, char out[17])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	EVP_Digest(bytes.p, bytes.n, md, &n, EVP_sha256(), NULL);
	for (int i = 0; i < 8; i++)
		snprintf(out + 2 * i, 3, "%02x", md[i]);
}

static int make_dirs(char *path, mode_t mode, struct err *e)
{
	for (char *p = path + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(path, mode) < 0 && errno != EEXIST) {
			err_sys(e, ERR_usage, "making the state folder %s", path);
			*p = c;
			return -1;
		}
		*p = c;
		if (c == '\0')
			return 0;
	}
}

/* --state, or a folder named after the job below XDG_STATE_HOME. */
static int choose_state(const struct args *a, struct job *j, struct err *e)
{
	const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	struct buf text = {0};
	char hash[17];
	int n;

	if (a->state && a->state[0] == '/') {
		n = snprintf(j->state, sizeof(j->state), "%s", a->state);
	} else if (a->state) {
		char cwd[2048];

		n = snprintf(
			j->state, sizeof(j->state), "%s/%s", getcwd(cwd, sizeof(cwd)) ? cwd : "", a->state);
	} else {
		json_write(j->identity, &text);
		hash_hex(buf_str(&text), hash);
		buf_free(&text);
		if (base && base[0] == '/')
			n = snprintf(j->state, sizeof(j->state), "%s/tidegate/%s", base, hash);
		else
			n = snprintf(j->state, sizeof(j->state), "%s/.local/state/tidegate/%s",
				home ? home : "/root", hash);
	}
	if (n >= (int)sizeof(j->state))
		return err_set(e, ERR_usage, "the state folder's path is too long");
	while (n > 1 && j->state[n - 1] == '/')
		j->state[--n] = '\0';
	return 0;
}

static int open_state(struct job *j, struct err *e)
{
	struct stat st;

	if (make_dirs(j->state, 0700, e) < 0)
		return -1;
	j->state_fd = open(j->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->state_fd < 0)
		return err_sys(e, ERR_usage, "opening the state folder %s", j->state);
	if (fstat(j->state_fd, &st) < 0 || (st.st_mode & 022))
		return err_set(
			e, ERR_usage, "the state folder %s can be written by others: chmod 700 it", j->state);
	if (faccessat(j->state_fd, ".", W_OK, 0) < 0)
		return err_sys(e, ERR_usage, "the state folder %s", j->state);
	return 0;
}

/* The state folder remembers what it was made for; another job in it would mix two copies. */
static int check_identity(struct job *j, struct err *e)
{
	struct buf was = {0}, is = {0};
	int r = 0;

	json_write(j->identity, &is);
	if (faccessat(j->state_fd, "job.json", F_OK, 0) < 0) {
		r = io_replace_file(j->state_fd, "job.json", is.p, is.n, 0600, e);
		if (r < 0)
			err_add(e, "state folder %s", j->state);
	} else if (io_read_file(j->state_fd, "job.json", 1 << 20, &was, e) < 0) {
		r = err_add(e, "state folder %s", j->state);
	} else if (!str_eq(buf_str(&was), buf_str(&is))) {
		r = err_set(e, ERR_state_other_job, "%s was made for %s, not for %s", j->state,
			buf_cstr(&was), buf_cstr(&is));
	}
	buf_free(&was);
	buf_free(&is);
	return r;
}

/* Sockets live in a short path (108 bytes), not in the state folder, whose path may be long. */
static int choose_run(const char *state, char *out, size_t size, struct err *e)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char hash[17];
	int n;

	hash_hex(str_of(state), hash);
	if (geteuid() == 0)
		n = snprintf(out, size, "/run/tidegate-%s", hash);
	else if (runtime && runtime[0] == '/' && strlen(runtime) < 60)
		n = snprintf(out, size, "%s/tidegate-%s", runtime, hash);
	else
		n = snprintf(out, size, "/tmp/tidegate-%u-%s", (unsigned)geteuid(), hash);
	return n < (int)size ? 0 : err_set(e, ERR_usage, "the run folder's path is too long");
}

static int open_run(struct job *j, struct err *e)
{
	if (choose_run(j->state, j->run, sizeof(j->run), e) < 0)
		return -1;
	if (mkdir(j->run, 0711) < 0 && errno != EEXIST)
		return err_sys(e, ERR_usage, "making the run folder %s", j->run);
	if (!owner_is(j->run, geteuid()))
		return err_set(e, ERR_usage, "the run folder %s belongs to somebody else", j->run);
	return 0;
}

int job_find_run(const char *state, char *out, size_t size, struct err *e)
{
	char *real = realpath(state, NULL);
	int r;

	if (!real)
		return err_sys(e, ERR_ctl_connect, "state folder %s", state);
	r = choose_run(real, out, size, e);
	free(real);
	if (r == 0 && access(out, F_OK) == 0 && !owner_is(out, geteuid()))
		return err_set(e, ERR_ctl_connect, "the run folder %s belongs to somebody else", out);
	return r;
}

int job_encrypt(const struct args *a, json_t *endpoint, const struct secret_key *key, struct err *e)
{
	const char *plain;
	struct buf text = {0};
	struct secret_key own;
	int r;

	if (dm_secret_open(a, endpoint, e) < 0)
		return -1;
	plain = json_text(endpoint, "password", "");
	if (!*plain || secret_is_encrypted(plain))
		return 0;
	if (!key && job_read_key(a, &own, e) < 0)
		return -1;
	r = secret_encrypt(key ? key : &own, plain, &text, e);
	json_wipe(endpoint, "password");
	if (r == 0)
		json_object_set_new(endpoint, "password", json_string(buf_cstr(&text)));
	if (!key)
		secret_key_wipe(&own);
	buf_free(&text);
	return r;
}

static int encrypt_passwords(const struct args *a, struct job *j, struct err *e)
{
	for (unsigned i = 0; i < j->nsources; i++)
		if (job_encrypt(a, json_object_get(j->sources[i].source, "endpoint"), &j->key, e) < 0)
			return -1;
	return job_encrypt(a, json_object_get(j->task, "downstream"), &j->key, e);
}

/* One `run` at a time in a state folder; the lock goes with this process, however it ends. */
static int lock_state(struct job *j, struct err *e)
{
	j->lock_fd = openat(j->state_fd, "run.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (j->lock_fd < 0)
		return err_sys(e, ERR_io, "%s/run.lock", j->state);
	if (flock(j->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, ERR_locked, "another tidegate run works in %s", j->state);
	return 0;
}

/* A supervisor whose `run` was killed still saves and leaves: its successor waits for it. */
static int wait_for_predecessor(const struct job *j, struct err *e)
{
	char path[200];
	int fd, r;

	snprintf(path, sizeof(path), "%s/tidegated.lock", j->run);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return 0;
	for (int i = 0; (r = flock(fd, LOCK_EX | LOCK_NB)) < 0 && i < PREDECESSOR_MS / 50; i++)
		clock_sleep_ms(50);
	close(fd);
	return r == 0 ? 0 : err_set(e, ERR_locked, "a supervisor still runs in %s", j->run);
}

int job_open(const struct args *a, struct job *j, struct err *e)
{
	char *real;

	if (choose_state(a, j, e) < 0 || open_state(j, e) < 0)
		return -1;
	/* The run folder's name is made from the real path, so that --state through a symlink finds it too.
	 */
	real = realpath(j->state, NULL);
	if (real && strlen(real) < sizeof(j->state))
		strcpy(j->state, real);
	free(real);
	if (check_identity(j, e) < 0 || lock_state(j, e) < 0 ||
		secret_key_make(j->state_fd, "key", &j->key, e) < 0 || encrypt_passwords(a, j, e) < 0)
		return -1;
	if (mkdirat(j->state_fd, "log", 0700) < 0 && errno != EEXIST)
		return err_sys(e, ERR_usage, "making %s/log", j->state);
	if (open_run(j, e) < 0)
		return -1;
	return wait_for_predecessor(j, e);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	return type == FTW_DP ? rmdir(path) : unlink(path);
}

void job_remove_run(const struct job *j)
{
	if (j->run[0])
		nftw(j->run, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void job_close(struct job *j)
{
	for (unsigned i = 0; i < j->nsources; i++)
		json_decref(j->sources[i].source);
	json_decref(j->task);
	json_decref(j->identity);
	secret_key_wipe(&j->key);
	io_close(&j->state_fd);
	io_close(&j->lock_fd);
}
