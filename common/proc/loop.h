#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

/*
 * The main thread's event loop: epoll over descriptors, timers, signals, and a wake-up from other threads.
 * Everything registered is called in the main thread only.
 */
struct loop;

struct loop *loop_new(void);
void loop_free(struct loop **l);
/* on is called with the epoll events while fd is readable (or has hung up). */
void loop_add(struct loop *l, int fd, void (*on)(void *arg, uint32_t events), void *arg);
/* Called for these epoll events from now on; loop_add begins with EPOLLIN. */
void loop_mod(struct loop *l, int fd, uint32_t events);
void loop_del(struct loop *l, int fd);
/* Calls on once, ms from now; returns an id for loop_timer_stop (harmless when it has fired). */
uint64_t loop_timer(struct loop *l, uint64_t ms, void (*on)(void *arg), void *arg);
void loop_timer_stop(struct loop *l, uint64_t id);
/* SIGTERM, SIGINT, …: blocked for all threads started later, delivered here. Call before any thread starts.
 */
void loop_signal(struct loop *l, int signo, void (*on)(void *arg, int signo), void *arg);
/* From any thread: the next loop_once returns at once. */
void loop_wake(struct loop *l);
/* Waits at most ms (-1: for ever) and dispatches what is there. */
void loop_once(struct loop *l, int ms);
/* Runs until loop_stop. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
