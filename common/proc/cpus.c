/*
 * libnng asks the C library how many processors there are and starts threads by it: 88 of them on 64
 * processors (T41). Every program that uses common/proc/link.h gets this function with it; the dynamic linker
 * then lets libnng find it before the C library's. link.c asserts it, and so has it linked in. Ask
 * sched_getaffinity where the real number is wanted.
 */
#include <unistd.h>

/* The C library's own, under its other exported name: dlsym would call back into here under a sanitizer. */
extern long __sysconf(int name);

/* Not instrumented: a sanitizer calls it before it is set up itself. */
__attribute__((no_sanitize("address", "thread", "undefined"))) long sysconf(int name)
{
	return name == _SC_NPROCESSORS_ONLN ? 1 : __sysconf(name);
}
