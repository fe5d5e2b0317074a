/*
 * clock.h - the two clocks: the one for deadlines, and the one for people.
 */
#ifndef COMLEASE_CLOCK_H
#define COMLEASE_CLOCK_H

#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC: deadlines and durations. */
uint64_t clock_now_ms(void);

/* Milliseconds since 1970: what is shown and logged. */
int64_t clock_real_ms(void);

#endif
