/*
 * standby.h - `comlease run --standby PORT`.
 */
#ifndef COMLEASE_STANDBY_H
#define COMLEASE_STANDBY_H

#include "run.h"

/* Has the port whenever nobody else wants it, and runs the command then, again and again: the exit
 * status of the end. */
int standby_port(struct comlease *, const struct run *);

#endif
