/*
 * Two C library functions as libnng must see them, and a word to LeakSanitizer. Every program that uses
 * common/proc/link.h gets them with it; the dynamic linker then lets libnng find them before the C library's.
 * link.c asserts it, and so has them linked in; door.c has a third. Nothing else may be changed here: each is
 * needed for a named fault of libnng 1.5.2.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Not instrumented: a sanitizer calls it before it is set up itself. */
#define PLAIN __attribute__((no_sanitize("address", "thread", "undefined")))

/* The C library's own, under its other exported name: dlsym would call back into here under a sanitizer. */
extern long __sysconf(int name);

/*
 * libnng asks how many processors there are and starts threads by it: 88 of them on 64 processors (T41). Ask
 * sched_getaffinity where the real number is wanted.
 */
PLAIN long sysconf(int name)
{
	return name == _SC_NPROCESSORS_ONLN ? 1 : __sysconf(name);
}

/*
 * An asker that dies between connecting and the end of nng's handshake must not break its listener for ever:
 * nng makes NNG_ECLOSED of EPIPE, takes that for the listener's own end and accepts nobody any more, while
 * connections pile up and their hang-ups keep a processor busy (nanomsg/nng #1518, mended after 1.5.2). A
 * reset is the same news, and one that it gets over.
 */
PLAIN ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	ssize_t n = syscall(SYS_sendmsg, fd, m, flags);

	if (n < 0 && errno == EPIPE)
		errno = ECONNRESET;
	return n;
}

#ifdef __SANITIZE_ADDRESS__
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

/*
 * A message for somebody whose connection ends at this moment (the answer to the poll of a unit that leaves,
 * a request to one that dies): the protocol still finds the pipe, whose sending is closed already, hands the
 * message to it, and the ipc transport neither sends nor frees it, nor calls anybody back. Some hundred
 * bytes, once in a hundred runs under a sanitizer. Messages are libnng's once they are handed over (link.c
 * frees those that come back with an error), so what is told by is where they were made.
 */
PLAIN const char *__lsan_default_suppressions(void)
{
	return "leak:link_msg_of\n";
}

PLAIN const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}
#endif
