/* A wall clock that is set ahead once: CROSSWATT_CLOCK="<CLOCK_MONOTONIC ns> <step in ns>".

   Loaded into every program of a bench that was given the fault clock-step. Only the wall clock is
   touched; CLOCK_MONOTONIC goes on, as it does on a real machine. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#define BILLION 1000000000LL

typedef int (*Get)(clockid_t, struct timespec *);

static Get real;
static long long at_ns, step_ns;

__attribute__((constructor)) static void start(void) {
    const char *said = getenv("CROSSWATT_CLOCK");
    real = (Get)dlsym(RTLD_NEXT, "clock_gettime");
    if (!said || sscanf(said, "%lld %lld", &at_ns, &step_ns) != 2) step_ns = 0;
}

static long long shift_ns(void) {
    struct timespec now;
    if (!step_ns || !real || real(CLOCK_MONOTONIC, &now)) return 0;
    return now.tv_sec * BILLION + now.tv_nsec >= at_ns ? step_ns : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!real) start();
    int failed = real(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        long long ns = now->tv_sec * BILLION + now->tv_nsec + shift_ns();
        now->tv_sec = ns / BILLION;
        now->tv_nsec = ns % BILLION;
    }
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec wall;
    (void)zone;
    int failed = clock_gettime(CLOCK_REALTIME, &wall);
    if (!failed) *now = (struct timeval){wall.tv_sec, wall.tv_nsec / 1000};
    return failed;
}

time_t time(time_t *now) {
    struct timespec wall;
    if (clock_gettime(CLOCK_REALTIME, &wall)) return (time_t)-1;
    if (now) *now = wall.tv_sec;
    return wall.tv_sec;
}
