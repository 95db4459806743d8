/* ops.h - what an operator sees of the process; called by main in the order of this file. */
#ifndef SPILLWAY_OPS_OPS_H
#define SPILLWAY_OPS_OPS_H

#include "engine/registry.h"
#include "engine/server.h"

struct guard_hooks;

/* Before any other thread: working directory, log file and level, daemonize, title, pid file,
 * memory settings. What cannot be done is one warning each. */
void ops_process(struct server *server, const char *executable);
/* Adds the rows of the commands that live in ops/ (CONFIG, INFO, DISK, SLOWLOG, LATENCY ...). */
void ops_register(struct registry *registry);
/* What the guard asks of the server; valid for the life of the process. */
const struct guard_hooks *ops_guard_hooks(struct server *server);
/* Observers of the engine: slow log and latency. After the lanes were built. */
void ops_install(struct server *server);
void ops_uninstall(struct server *server);    /* tests: frees what it made; nothing else runs */
void ops_start(struct server *server);        /* threads: samples, HTTP */
void ops_notify_ready(struct server *server); /* loaded: tells systemd */
void ops_stop(struct server *server);         /* before the guard stops */

#endif
