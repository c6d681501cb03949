/* Copyright 2026 The neurosurgeon_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * A library to preload into a process. It shifts the wall clock by the number of seconds, an int64, that the file
 * $WALL_CLOCK_FILE holds.
 *
 * libfaketime does not change pthread_mutex_timedlock. Fast DDS takes locks with wall-clock deadlines. If the shifted
 * clock is a day back, those deadlines have already passed, and Fast DDS drops data that it should send. A real clock
 * does not have this effect. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* A deadline of at least this many seconds is on the wall clock; an earlier one is on the monotonic clock. */
#define EPOCH_S 1000000000

static const volatile int64_t *offset_s;
static int (*real_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*real_mutex_timedlock)(pthread_mutex_t *, const struct timespec *);
static int (*real_sem_timedwait)(sem_t *, const struct timespec *);
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("WALL_CLOCK_FILE");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  void *map = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset_s, PROT_READ, MAP_SHARED, file, 0);
  if (file >= 0) close(file);
  if (map != MAP_FAILED) offset_s = map;
#ifdef __x86_64__
  real_cond_timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
#else
  real_cond_timedwait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
#endif
  real_mutex_timedlock = dlsym(RTLD_NEXT, "pthread_mutex_timedlock");
  real_sem_timedwait = dlsym(RTLD_NEXT, "sem_timedwait");
  real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
}

static int64_t offset(void) { return offset_s ? *offset_s : 0; }

static const struct timespec *real(const struct timespec *until, struct timespec *changed) {
  if (!until || until->tv_sec < EPOCH_S) return until;
  *changed = *until;
  changed->tv_sec -= offset();
  return changed;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = real_clock_gettime ? real_clock_gettime(clock, now) : (int)syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += offset();
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec fine;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &fine);
  now->tv_sec = fine.tv_sec;
  now->tv_usec = fine.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *now) {
  struct timespec fine;
  clock_gettime(CLOCK_REALTIME, &fine);
  if (now) *now = fine.tv_sec;
  return fine.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
  struct timespec changed;
  return real_cond_timedwait(cond, mutex, real(until, &changed));
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict until) {
  struct timespec changed;
  return real_mutex_timedlock(mutex, real(until, &changed));
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
  struct timespec changed;
  return real_sem_timedwait(semaphore, real(until, &changed));
}
