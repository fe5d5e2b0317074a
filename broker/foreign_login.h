/*
 * foreign_login.h - is somebody who has a device a getty, or the login that it has become?
 */
#ifndef COMLEASE_FOREIGN_LOGIN_H
#define COMLEASE_FOREIGN_LOGIN_H

#include "foreign.h"

/* By his command and his unit. Not mgetty and its kin, which share the line with others. */
bool foreign_offers_login(const struct foreign *);

#endif
