/*
 * The commands that need no master: logs, grants, encrypt, decrypt.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/sql/grants.h"
#include "ctl/ctl.h"
#include "ctl/job.h"
#include "ctl/plain.h"

/* Start of the last `want` lines of f. */
static void seek_lines(FILE *f, long want)
{
	long at, lines = 0;

	fseek(f, 0, SEEK_END);
	for (at = ftell(f) - 1; at > 0; at--) {
		fseek(f, at - 1, SEEK_SET);
		if (fgetc(f) == '\n' && ++lines == want)
			return;
	}
	fseek(f, 0, SEEK_SET);
}

static void copy_lines(FILE *f, const char *unit)
{
	char line[8192];

	while (fgets(line, sizeof(line), f))
		if (!unit || strstr(line, unit)) {
			plain_text(line, "\n\t");
			fputs(line, stdout);
		}
	fflush(stdout);
}

int cmd_logs(const struct args *a, struct err *e)
{
	long lines = a->lines ? strtol(a->lines, NULL, 10) : 50;
	char path[4200];
	FILE *f;

	if (!a->state || a->nrest > 1 || lines < 1) {
		err_set(e, ERR_usage, "logs wants --state DIR of a run, and one unit's name at most");
		return EXIT_USAGE;
	}
	snprintf(path, sizeof(path), "%s/log/tidegate.log", a->state);
	f = fopen(path, "re");
	if (!f) {
		err_sys(e, ERR_io, "%s", path);
		return EXIT_FAILED;
	}
	seek_lines(f, lines);
	do {
		copy_lines(f, a->nrest ? a->rest[0] : NULL);
		clearerr(f);
		if (a->follow)
			clock_sleep_ms(200);
	} while (a->follow && !ferror(stdout));
	fclose(f);
	return EXIT_DONE;
}

int cmd_grants(const struct args *a, struct err *e)
{
	struct buf out = {0};
	int r;

	if (!a->server) {
		err_set(e, ERR_usage, "grants wants --server, say --server mariadb:11.4");
		return EXIT_USAGE;
	}
	r = grants_put(&out, a->for_ ? a->for_ : "all", a->server, a->user ? a->user : "'tidegate'@'%'",
		a->tables, e);
	if (r == 0)
		fputs(buf_cstr(&out), stdout);
	buf_free(&out);
	return r == 0 ? EXIT_DONE : EXIT_USAGE;
}

int job_read_key(const struct args *a, struct secret_key *key, struct err *e)
{
	const char *dir = a->state ? a->state : "/var/lib/tidegate";
	char path[4200];
	int fd, r;

	snprintf(path, sizeof(path), "%s/key", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, ERR_usage, "the key file %s", path);
	r = secret_key_read_fd(fd, key, e);
	close(fd);
	return r;
}

/* One line of standard input, never of the command line: ps shows that. */
static int read_secret(const struct args *a, char *line, int size, struct secret_key *key, struct err *e)
{
	if (a->nrest > 0) {
		err_set(e, ERR_usage, "%s reads standard input, never the command line", a->word);
		return EXIT_USAGE;
	}
	if (job_read_key(a, key, e) < 0)
		return EXIT_FAILED;
	if (!fgets(line, size, stdin))
		line[0] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	return EXIT_DONE;
}

int cmd_encrypt(const struct args *a, struct err *e)
{
	struct secret_key key;
	struct buf out = {0};
	char plain[512];
	int r = read_secret(a, plain, sizeof(plain), &key, e);

	if (r != EXIT_DONE)
		return r;
	r = secret_encrypt(&key, plain, &out, e);
	explicit_bzero(plain, sizeof(plain));
	secret_key_wipe(&key);
	if (r == 0)
		puts(buf_cstr(&out));
	buf_free(&out);
	return r == 0 ? EXIT_DONE : EXIT_FAILED;
}

int cmd_decrypt(const struct args *a, struct err *e)
{
	struct secret_key key;
	char text[2048], plain[1024];
	int r = read_secret(a, text, sizeof(text), &key, e);

	if (r != EXIT_DONE)
		return r;
	r = secret_decrypt(&key, text, false, plain, sizeof(plain), e);
	secret_key_wipe(&key);
	if (r == 0)
		puts(plain);
	explicit_bzero(plain, sizeof(plain));
	return r == 0 ? EXIT_DONE : EXIT_FAILED;
}
