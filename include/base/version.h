/* version.h - the version of this server, and the version of Redis it answers as. */
#ifndef SPILLWAY_BASE_VERSION_H
#define SPILLWAY_BASE_VERSION_H

#define SPILLWAY_VERSION       "0.1.0"
#define SPILLWAY_REDIS_VERSION "7.2.5" /* redis_version of INFO and HELLO: clients decide by it */

#endif
