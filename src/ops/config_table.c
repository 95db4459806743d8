/* config_table.c - every directive that is known, one row each.
 *
 * A row says how its value is written, where it goes in struct settings, what it is at the start
 * and who may change it. Rows without a field are accepted, checked, stored and shown, and change
 * nothing here: they exist so that the configuration of a Redis or Valkey server can be used as it
 * is. Names, kinds, bounds and defaults are those of Redis 7.2 and of Valkey where only it has the
 * directive.
 */
#include <limits.h>

#include "base/log.h"
#include "ops/config_directive.h"

#define FIELD(type, f) _Generic(((struct settings *)0)->f, type : offsetof(struct settings, f))

#define BOOL(n, f, d, fl, ...)                                                                     \
    {                                                                                              \
        .name = n, .kind = CONFIG_BOOL, .initial = d, .field = FIELD(bool, f), .flags = fl,        \
        __VA_ARGS__                                                                                \
    }
#define NUMBER_ROW(n, k, f, d, lo, hi, fl, ...)                                                    \
    {                                                                                              \
        .name = n, .kind = k, .initial = d, .field = FIELD(int64_t, f), .min = lo, .max = hi,      \
        .flags = fl, __VA_ARGS__                                                                   \
    }
#define INT(n, f, d, lo, hi, fl, ...) NUMBER_ROW(n, CONFIG_INT, f, d, lo, hi, fl, __VA_ARGS__)
#define MEMORY(n, f, d, lo, fl, ...)                                                               \
    NUMBER_ROW(n, CONFIG_MEMORY, f, d, lo, INT64_MAX, fl, __VA_ARGS__)
#define SIZE(n, f, d, fl, ...) NUMBER_ROW(n, CONFIG_SIZE, f, d, 0, INT64_MAX, fl, __VA_ARGS__)
#define ENUM(n, f, d, c, fl, ...)                                                                  \
    {                                                                                              \
        .name = n, .kind = CONFIG_ENUM, .initial = d, .field = FIELD(int, f), .choices = c,        \
        .flags = fl, __VA_ARGS__                                                                   \
    }
#define STRING(n, f, d, fl, ...)                                                                   \
    {                                                                                              \
        .name = n, .kind = CONFIG_STRING, .initial = d, .field = FIELD(const char *, f),           \
        .flags = (fl) | CONFIG_IMMUTABLE, __VA_ARGS__                                              \
    }
#define TEXT(n, f, d, fl, ...)                                                                     \
    {                                                                                              \
        .name = n, .kind = CONFIG_TEXT, .initial = d, .field = FIELD(struct setting_text, f),      \
        .flags = fl, __VA_ARGS__                                                                   \
    }
#define SPECIAL(n, s, d, fl, ...)                                                                  \
    {                                                                                              \
        .name = n, .kind = CONFIG_SPECIAL, .initial = d, .field = CONFIG_NO_FIELD,                 \
        .special = &config_special_##s, .flags = fl, __VA_ARGS__                                   \
    }

/* Without a field, and so without an effect. */
#define STORED(n, k, d, lo, hi, fl, ...)                                                           \
    {                                                                                              \
        .name = n, .kind = k, .initial = d, .field = CONFIG_NO_FIELD, .min = lo, .max = hi,        \
        .flags = (fl) | CONFIG_EFFECTLESS, __VA_ARGS__                                             \
    }
#define S_BOOL(n, d, fl, ...)        STORED(n, CONFIG_BOOL, d, 0, 0, fl, __VA_ARGS__)
#define S_INT(n, d, lo, hi, fl, ...) STORED(n, CONFIG_INT, d, lo, hi, fl, __VA_ARGS__)
#define S_MEMORY(n, d, fl, ...)      STORED(n, CONFIG_MEMORY, d, 0, INT64_MAX, fl, __VA_ARGS__)
#define S_TEXT(n, d, fl, ...)        STORED(n, CONFIG_TEXT, d, 0, 0, fl, __VA_ARGS__)
#define IGNORED(n)                                                                                 \
    {                                                                                              \
        .name = n, .kind = CONFIG_TEXT, .initial = "", .field = CONFIG_NO_FIELD,                   \
        .flags = CONFIG_IGNORED | CONFIG_MULTI | CONFIG_HIDDEN | CONFIG_EFFECTLESS                 \
    }
#define EXTRA(n, fl, ...)                                                                          \
    {                                                                                              \
        .name = n, .kind = CONFIG_TEXT, .initial = "", .field = CONFIG_NO_FIELD,                   \
        .flags = CONFIG_EXTRA | CONFIG_MULTI | CONFIG_HIDDEN | (fl), __VA_ARGS__                   \
    }

#define IMM  CONFIG_IMMUTABLE
#define PROT CONFIG_PROTECTED
#define SECR CONFIG_SENSITIVE
#define VOLA CONFIG_VOLATILE
#define NONE CONFIG_EFFECTLESS
#define UNS  CONFIG_UNSUPPORTED

#define NO_TLS      .note = "this server speaks no TLS; put a TLS proxy in front of it"
#define NO_PRIMARY  .note = "this server does not follow a primary"
#define NO_REPLICAS .note = "this server has no replicas to wait for"
#define NO_CLUSTER  .note = "this server does not speak the cluster protocol"
#define NO_USERS    .note = "this server has one user only, whose password is requirepass"
#define NO_RENAMES  .note = "this server does not rename commands"
#define NO_RDMA     .note = "this server has no RDMA transport"
#define NO_MPTCP    .note = "this server does not open MPTCP sockets"

static const struct config_choice channels[] = {
    {"allchannels", 1}, {"resetchannels", 0}, {NULL, 0}};
static const struct config_choice fsyncs[] = {{"everysec", APPENDFSYNC_EVERYSEC},
                                              {"always", APPENDFSYNC_ALWAYS},
                                              {"no", APPENDFSYNC_NO},
                                              {NULL, 0}};
static const struct config_choice policies[] = {{"volatile-lru", MAXMEMORY_VOLATILE_LRU},
                                                {"volatile-lfu", MAXMEMORY_VOLATILE_LFU},
                                                {"volatile-random", MAXMEMORY_VOLATILE_RANDOM},
                                                {"volatile-ttl", MAXMEMORY_VOLATILE_TTL},
                                                {"allkeys-lru", MAXMEMORY_ALLKEYS_LRU},
                                                {"allkeys-lfu", MAXMEMORY_ALLKEYS_LFU},
                                                {"allkeys-random", MAXMEMORY_ALLKEYS_RANDOM},
                                                {"noeviction", MAXMEMORY_NOEVICTION},
                                                {NULL, 0}};
static const struct config_choice disk_policies[] = {{"auto", DISK_POLICY_AUTO},
                                                     {"evict", DISK_POLICY_EVICT},
                                                     {"memory-only", DISK_POLICY_MEMORY_ONLY},
                                                     {"shed", DISK_POLICY_SHED},
                                                     {"strict", DISK_POLICY_STRICT},
                                                     {NULL, 0}};
static const struct config_choice damages[] = {
    {"stop-at-damage", AOF_DAMAGE_STOP_AT_DAMAGE}, {"refuse", AOF_DAMAGE_REFUSE}, {NULL, 0}};
static const struct config_choice actions[] = {
    {"no", ACTION_NO}, {"yes", ACTION_YES}, {"local", ACTION_LOCAL}, {NULL, 0}};
static const struct config_choice supervisors[] = {{"upstart", SUPERVISED_UPSTART},
                                                   {"systemd", SUPERVISED_SYSTEMD},
                                                   {"auto", SUPERVISED_AUTO},
                                                   {"no", SUPERVISED_NO},
                                                   {NULL, 0}};
static const struct config_choice oom_scores[] = {{"no", OOM_SCORE_NO},
                                                  {"yes", OOM_SCORE_RELATIVE},
                                                  {"relative", OOM_SCORE_RELATIVE},
                                                  {"absolute", OOM_SCORE_ABSOLUTE},
                                                  {NULL, 0}};
static const struct config_choice levels[] = {
    {"debug", LOG_LEVEL_DEBUG},     {"verbose", LOG_LEVEL_VERBOSE}, {"notice", LOG_LEVEL_NOTICE},
    {"warning", LOG_LEVEL_WARNING}, {"nothing", LOG_LEVEL_NOTHING}, {NULL, 0}};
static const struct config_choice log_formats[] = {
    {"legacy", LOG_FORMAT_LEGACY}, {"logfmt", LOG_FORMAT_LOGFMT}, {NULL, 0}};
static const struct config_choice log_times[] = {{"legacy", LOG_TIMESTAMP_LEGACY},
                                                 {"iso8601", LOG_TIMESTAMP_ISO8601},
                                                 {"milliseconds", LOG_TIMESTAMP_MILLISECONDS},
                                                 {NULL, 0}};
static const struct config_choice facilities[] = {/* codes of RFC 5424 */
                                                  {"user", 1},    {"local0", 16}, {"local1", 17},
                                                  {"local2", 18}, {"local3", 19}, {"local4", 20},
                                                  {"local5", 21}, {"local6", 22}, {"local7", 23},
                                                  {NULL, 0}};
static const struct config_choice shutdowns[] = {
    {"default", SHUTDOWN_DEFAULT}, {"save", SHUTDOWN_SAVE},   {"nosave", SHUTDOWN_NOSAVE},
    {"now", SHUTDOWN_NOW},         {"force", SHUTDOWN_FORCE}, {NULL, 0}};
static const struct config_choice sanitizes[] = {
    {"no", SANITIZE_NO}, {"yes", SANITIZE_YES}, {"clients", SANITIZE_CLIENTS}, {NULL, 0}};
static const struct config_choice diskless_loads[] = {{"disabled", DISKLESS_LOAD_DISABLED},
                                                      {"on-empty-db", DISKLESS_LOAD_WHEN_DB_EMPTY},
                                                      {"swapdb", DISKLESS_LOAD_SWAPDB},
                                                      {NULL, 0}};
static const struct config_choice propagation_errors[] = {
    {"ignore", PROPAGATION_ERROR_IGNORE},
    {"panic", PROPAGATION_ERROR_PANIC},
    {"panic-on-replicas", PROPAGATION_ERROR_PANIC_ON_REPLICAS},
    {NULL, 0}};
static const struct config_choice endpoints[] = {{"ip", ENDPOINT_IP},
                                                 {"hostname", ENDPOINT_HOSTNAME},
                                                 {"unknown-endpoint", ENDPOINT_UNKNOWN},
                                                 {NULL, 0}};
static const struct config_choice tls_auths[] = {
    {"no", TLS_AUTH_NO}, {"yes", TLS_AUTH_YES}, {"optional", TLS_AUTH_OPTIONAL}, {NULL, 0}};
static const struct config_choice version_checks[] = {{"strict", 0}, {"relaxed", 1}, {NULL, 0}};
static const struct config_choice save_behaviors[] = {{"sync", 0}, {"best-effort", 1}, {NULL, 0}};

const struct config_directive config_directives[] = {
    /* Network */
    SPECIAL("bind", bind, "* -::*", CONFIG_MULTI),
    INT("port", port, "6379", 0, 65535, 0),
    INT("tcp-backlog", tcp_backlog, "511", 0, INT_MAX, IMM),
    INT("tcp-keepalive", tcp_keepalive_s, "300", 0, INT_MAX, 0),
    INT("timeout", timeout_s, "0", 0, INT_MAX, 0),
    INT("maxclients", maxclients, "10000", 1, UINT_MAX, 0),
    INT("max-new-connections-per-cycle", max_new_connections_per_cycle, "10", 1, 1000, 0),
    BOOL("protected-mode", protected_mode, "yes", 0),
    STRING("unixsocket", unixsocket, "", 0),
    STRING("unixsocketgroup", unixsocketgroup, "", 0),
    NUMBER_ROW("unixsocketperm", CONFIG_OCTAL, unixsocketperm, "0", 0, 0777, IMM),
    INT("socket-mark-id", socket_mark_id, "0", 0, UINT_MAX, IMM),
    TEXT("bind-source-addr", bind_source_addr, "", NONE),
    INT("http-port", http_port, "0", 0, 65535, IMM),
    STRING("http-bind", http_bind, "127.0.0.1", CONFIG_MULTI),

    /* TLS */
    INT("tls-port", tls_port, "0", 0, 65535, UNS, NO_TLS),
    BOOL("tls-cluster", tls_cluster, "no", UNS, NO_TLS),
    BOOL("tls-replication", tls_replication, "no", UNS, NO_TLS),
    ENUM("tls-auth-clients", tls_auth_clients, "yes", tls_auths, NONE),
    TEXT("tls-cert-file", tls_cert_file, "", VOLA | NONE),
    TEXT("tls-key-file", tls_key_file, "", VOLA | NONE),
    TEXT("tls-key-file-pass", tls_key_file_pass, "", SECR | NONE),
    TEXT("tls-client-cert-file", tls_client_cert_file, "", VOLA | NONE),
    TEXT("tls-client-key-file", tls_client_key_file, "", VOLA | NONE),
    TEXT("tls-client-key-file-pass", tls_client_key_file_pass, "", SECR | NONE),
    TEXT("tls-dh-params-file", tls_dh_params_file, "", VOLA | NONE),
    TEXT("tls-ca-cert-file", tls_ca_cert_file, "", VOLA | NONE),
    TEXT("tls-ca-cert-dir", tls_ca_cert_dir, "", VOLA | NONE),
    TEXT("tls-protocols", tls_protocols, "", NONE),
    TEXT("tls-ciphers", tls_ciphers, "", NONE),
    TEXT("tls-ciphersuites", tls_ciphersuites, "", NONE),
    BOOL("tls-prefer-server-ciphers", tls_prefer_server_ciphers, "no", NONE),
    BOOL("tls-session-caching", tls_session_caching, "yes", NONE),
    INT("tls-session-cache-size", tls_session_cache_size, "20480", 0, INT_MAX, NONE),
    INT("tls-session-cache-timeout", tls_session_cache_timeout_s, "300", 0, INT_MAX, NONE),
    INT("tls-auto-reload-interval", tls_auto_reload_interval_s, "0", 0, INT_MAX, NONE),
    INT("max-new-tls-connections-per-cycle", max_new_tls_connections_per_cycle, "1", 1, 1000, NONE),
    S_TEXT("tls-auth-clients-user", "off", 0),

    /* Clients and the protocol */
    INT("client-default-resp", client_default_resp, "2", 2, 3, IMM | CONFIG_HIDDEN),
    MEMORY("proto-max-bulk-len", proto_max_bulk_len, "512mb", 1048576, 0),
    MEMORY("client-query-buffer-limit", client_query_buffer_limit, "1gb", 1048576, 0),
    SPECIAL("client-output-buffer-limit", output_limits,
            "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60", CONFIG_MULTI),
    NUMBER_ROW("maxmemory-clients", CONFIG_MEMORY_OR_PERCENT, maxmemory_clients, "0", 0, INT64_MAX,
               NONE),
    INT("tracking-table-max-keys", tracking_table_max_keys, "1000000", 0, INT64_MAX, NONE),

    /* The server */
    SPECIAL("io-threads", workers, "auto", IMM),
    INT("databases", databases, "16", 1, INT_MAX, IMM),
    INT("hz", hz, "10", 0, INT_MAX, NONE | CONFIG_CLIP, .clip_low = 1, .clip_high = 500),
    BOOL("daemonize", daemonize, "no", IMM),
    ENUM("supervised", supervised, "no", supervisors, IMM),
    STRING("pidfile", pidfile, "", 0),
    SPECIAL("dir", dir, ".", PROT | CONFIG_DENY_LOADING),
    STRING("logfile", logfile, "", 0),
    ENUM("loglevel", loglevel, "notice", levels, 0),
    ENUM("log-format", log_format, "legacy", log_formats, 0),
    ENUM("log-timestamp-format", log_timestamp_format, "legacy", log_times, 0),
    BOOL("hide-user-data-from-log", hide_user_data_from_log, "no", NONE),
    BOOL("syslog-enabled", syslog_enabled, "no", IMM),
    STRING("syslog-ident", syslog_ident, "spillway", 0),
    ENUM("syslog-facility", syslog_facility, "local0", facilities, IMM),
    BOOL("crash-log-enabled", crash_log_enabled, "yes", NONE),
    BOOL("always-show-logo", always_show_logo, "no", IMM | NONE),
    BOOL("set-proc-title", set_proc_title, "yes", IMM),
    TEXT("proc-title-template", proc_title_template, "{title} {listen-addr} {server-mode}", 0,
         .check = config_check_title),
    BOOL("disable-thp", disable_thp, "yes", IMM),
    ENUM("oom-score-adj", oom_score_adj, "no", oom_scores, 0),
    SPECIAL("oom-score-adj-values", oom_values, "0 200 800", CONFIG_MULTI),
    STRING("server-cpulist", server_cpulist, "", 0, .alias = "server_cpulist"),
    INT("shutdown-timeout", shutdown_timeout_s, "10", 0, INT_MAX, 0),
    {.name = "shutdown-on-sigint",
     .kind = CONFIG_BITS,
     .initial = "default",
     .field = FIELD(int, shutdown_on_sigint),
     .choices = shutdowns,
     .flags = CONFIG_MULTI},
    {.name = "shutdown-on-sigterm",
     .kind = CONFIG_BITS,
     .initial = "default",
     .field = FIELD(int, shutdown_on_sigterm),
     .choices = shutdowns,
     .flags = CONFIG_MULTI},
    ENUM("enable-debug-command", enable_debug_command, "no", actions, IMM),
    ENUM("enable-module-command", enable_module_command, "no", actions, IMM | NONE),
    ENUM("enable-protected-configs", enable_protected_configs, "no", actions, IMM),
    BOOL("extended-redis-compatibility", extended_redis_compatibility, "no", NONE),
    TEXT("availability-zone", availability_zone, "", 0),
    TEXT("locale-collate", locale_collate, "", NONE),
    TEXT("ignore-warnings", ignore_warnings, "", NONE),
    STRING("hash-seed", hash_seed, "", SECR | NONE),

    /* Security */
    TEXT("requirepass", requirepass, "", SECR),
    STRING("aclfile", aclfile, "", UNS, NO_USERS),
    BOOL("acl-pubsub-default", acl_pubsub_default_all, "resetchannels", NONE, .choices = channels),
    INT("acllog-max-len", acllog_max_len, "128", 0, INT64_MAX, NONE),
    EXTRA("user", 0, NO_USERS),
    EXTRA("rename-command", 0, NO_RENAMES),

    /* Memory */
    SPECIAL("maxmemory", maxmemory, "0", 0),
    ENUM("maxmemory-policy", maxmemory_policy, "noeviction", policies, 0),
    INT("maxmemory-samples", maxmemory_samples, "5", 1, INT_MAX, 0),
    INT("maxmemory-eviction-tenacity", maxmemory_eviction_tenacity, "10", 0, 100, NONE),
    INT("lfu-log-factor", lfu_log_factor, "10", 0, INT_MAX, 0),
    INT("lfu-decay-time", lfu_decay_time_min, "1", 0, INT_MAX, 0),
    INT("active-expire-effort", active_expire_effort, "1", 1, 10, NONE),
    BOOL("lazyfree-lazy-eviction", lazyfree_lazy_eviction, "no", 0),
    BOOL("lazyfree-lazy-expire", lazyfree_lazy_expire, "no", 0),
    BOOL("lazyfree-lazy-server-del", lazyfree_lazy_server_del, "no", 0),
    BOOL("lazyfree-lazy-user-del", lazyfree_lazy_user_del, "no", 0),
    BOOL("lazyfree-lazy-user-flush", lazyfree_lazy_user_flush, "no", 0),
    BOOL("activedefrag", activedefrag, "no", NONE),

    /* Encodings */
    INT("hash-max-listpack-entries", hash_max_listpack_entries, "512", 0, INT64_MAX, 0,
        .alias = "hash-max-ziplist-entries"),
    MEMORY("hash-max-listpack-value", hash_max_listpack_value, "64", 0, 0,
           .alias = "hash-max-ziplist-value"),
    INT("set-max-intset-entries", set_max_intset_entries, "512", 0, INT64_MAX, 0),
    INT("set-max-listpack-entries", set_max_listpack_entries, "128", 0, INT64_MAX, 0),
    MEMORY("set-max-listpack-value", set_max_listpack_value, "64", 0, 0),
    INT("zset-max-listpack-entries", zset_max_listpack_entries, "128", 0, INT64_MAX, 0,
        .alias = "zset-max-ziplist-entries"),
    MEMORY("zset-max-listpack-value", zset_max_listpack_value, "64", 0, 0,
           .alias = "zset-max-ziplist-value"),
    INT("list-max-listpack-size", list_max_listpack_size, "-2", INT_MIN, INT_MAX, 0,
        .alias = "list-max-ziplist-size"),
    INT("list-compress-depth", list_compress_depth, "0", 0, INT_MAX, 0),
    MEMORY("hll-sparse-max-bytes", hll_sparse_max_bytes, "3000", 0, 0),
    MEMORY("stream-node-max-bytes", stream_node_max_bytes, "4096", 0, NONE),
    INT("stream-node-max-entries", stream_node_max_entries, "100", 0, INT64_MAX, NONE),

    /* Snapshots (RDB) */
    SPECIAL("save", save, "3600 1 300 100 60 10000", CONFIG_MULTI),
    BOOL("stop-writes-on-bgsave-error", stop_writes_on_bgsave_error, "yes", 0),
    BOOL("rdbcompression", rdbcompression, "yes", 0),
    BOOL("rdbchecksum", rdbchecksum, "yes", IMM),
    BOOL("rdb-version-check", rdb_version_check_relaxed, "strict", 0, .choices = version_checks),
    ENUM("sanitize-dump-payload", sanitize_dump_payload, "no", sanitizes, NONE),
    TEXT("dbfilename", dbfilename, "dump.rdb", PROT, .check = config_check_dbfilename),
    BOOL("rdb-del-sync-files", rdb_del_sync_files, "no", NONE),
    BOOL("rdb-save-incremental-fsync", rdb_save_incremental_fsync, "yes", NONE),
    INT("rdb-key-save-delay", rdb_key_save_delay, "0", INT_MIN, INT_MAX, CONFIG_HIDDEN),
    INT("key-load-delay", key_load_delay, "0", INT_MIN, INT_MAX, CONFIG_HIDDEN),
    MEMORY("snapshot-buffer-limit", snapshot_buffer_limit, "64mb", 1048576, 0),

    /* Append-only file */
    BOOL("appendonly", appendonly, "no", CONFIG_DENY_LOADING),
    STRING("appendfilename", appendfilename, "appendonly.aof", 0,
           .check = config_check_appendfilename),
    STRING("appenddirname", appenddirname, "appendonlydir", 0, .check = config_check_appenddirname),
    ENUM("appendfsync", appendfsync, "everysec", fsyncs, 0),
    BOOL("no-appendfsync-on-rewrite", no_appendfsync_on_rewrite, "no", 0),
    INT("auto-aof-rewrite-percentage", auto_aof_rewrite_percentage, "100", 0, INT_MAX, 0),
    MEMORY("auto-aof-rewrite-min-size", auto_aof_rewrite_min_size, "64mb", 0, 0),
    BOOL("aof-load-truncated", aof_load_truncated, "yes", 0),
    BOOL("aof-use-rdb-preamble", aof_use_rdb_preamble, "yes", 0),
    BOOL("aof-timestamp-enabled", aof_timestamp_enabled, "no", 0),
    BOOL("aof-rewrite-incremental-fsync", aof_rewrite_incremental_fsync, "yes", NONE),
    ENUM("aof-damage", aof_damage, "stop-at-damage", damages, 0),
    SIZE("aof-max-size", aof_max_size, "auto", 0),
    MEMORY("aof-buffer-limit", aof_buffer_limit, "64mb", 1048576, 0),

    /* Disk-budget guard */
    SIZE("disk-budget", disk_budget, "auto", 0),
    ENUM("disk-full-policy", disk_full_policy, "auto", disk_policies, 0),
    INT("disk-low-percent", disk_low_percent, "10", 0, 100, 0),
    INT("disk-high-percent", disk_high_percent, "5", 0, 100, 0),
    MEMORY("disk-low-limit", disk_low_limit, "2gb", 0, 0),
    MEMORY("disk-high-limit", disk_high_limit, "1gb", 0, 0),
    INT("disk-low-seconds", disk_low_seconds, "900", 0, INT_MAX, 0),
    NUMBER_ROW("disk-leave-factor", CONFIG_DECIMAL, disk_leave_factor_x100, "1.25", 101, 1000, 0),
    INT("disk-dwell-seconds", disk_dwell_seconds, "10", 0, 3600, 0),
    INT("disk-rewrite-margin", disk_rewrite_margin_percent, "15", 0, 1000, 0),
    MEMORY("disk-meta-reserve", disk_meta_reserve, "1mb", 65536, 0),
    MEMORY("disk-reclaim-reserve", disk_reclaim_reserve, "4mb", 0, 0),
    INT("disk-inode-reserve", disk_inode_reserve, "64", 0, INT_MAX, 0),
    SIZE("disk-ballast", disk_ballast, "auto", 0),
    INT("disk-poll-min-ms", disk_poll_min_ms, "100", 10, 60000, 0),
    INT("disk-poll-max-ms", disk_poll_max_ms, "1000", 10, 60000, 0),
    INT("disk-unknown-seconds", disk_unknown_seconds, "10", 1, 3600, 0),
    INT("disk-lag-seconds", disk_lag_seconds, "2", 1, 3600, 0),
    INT("disk-stall-timeout", disk_stall_timeout_s, "20", 1, 86400, CONFIG_SECONDS),
    INT("disk-log-seconds", disk_log_seconds, "60", 0, 86400, 0),
    BOOL("disk-emergency-rewrite", disk_emergency_rewrite, "no", 0),
    BOOL("disk-ping-reports-error", disk_ping_reports_error, "no", 0),
    SPECIAL("disk-fault", faults, "", CONFIG_HIDDEN | CONFIG_MULTI),

    /* Replication */
    SPECIAL("replicaof", replicaof, "", IMM | CONFIG_MULTI | UNS, .alias = "slaveof", NO_PRIMARY),
    TEXT("masterauth", masterauth, "", SECR | NONE, .alias = "primaryauth"),
    TEXT("masteruser", masteruser, "", NONE, .alias = "primaryuser"),
    BOOL("replica-read-only", replica_read_only, "yes", NONE, .alias = "slave-read-only"),
    BOOL("replica-serve-stale-data", replica_serve_stale_data, "yes", NONE,
         .alias = "slave-serve-stale-data"),
    BOOL("replica-lazy-flush", replica_lazy_flush, "no", NONE, .alias = "slave-lazy-flush"),
    BOOL("replica-ignore-maxmemory", replica_ignore_maxmemory, "yes", NONE,
         .alias = "slave-ignore-maxmemory"),
    BOOL("replica-announced", replica_announced, "yes", NONE),
    BOOL("replica-ignore-disk-write-errors", replica_ignore_disk_write_errors, "no", NONE),
    INT("replica-priority", replica_priority, "100", 0, INT_MAX, NONE, .alias = "slave-priority"),
    TEXT("replica-announce-ip", replica_announce_ip, "", NONE, .alias = "slave-announce-ip"),
    INT("replica-announce-port", replica_announce_port, "0", 0, 65535, NONE,
        .alias = "slave-announce-port"),
    INT("min-replicas-to-write", min_replicas_to_write, "0", 0, INT_MAX, UNS,
        .alias = "min-slaves-to-write", NO_REPLICAS),
    INT("min-replicas-max-lag", min_replicas_max_lag_s, "10", 0, INT_MAX, NONE,
        .alias = "min-slaves-max-lag"),
    INT("repl-ping-replica-period", repl_ping_replica_period_s, "10", 1, INT_MAX, NONE,
        .alias = "repl-ping-slave-period"),
    INT("repl-timeout", repl_timeout_s, "60", 1, INT_MAX, NONE),
    MEMORY("repl-backlog-size", repl_backlog_size, "1mb", 1, NONE),
    INT("repl-backlog-ttl", repl_backlog_ttl_s, "3600", 0, INT64_MAX, NONE),
    BOOL("repl-disable-tcp-nodelay", repl_disable_tcp_nodelay, "no", NONE),
    BOOL("repl-diskless-sync", repl_diskless_sync, "yes", NONE),
    INT("repl-diskless-sync-delay", repl_diskless_sync_delay_s, "5", 0, INT_MAX, NONE),
    INT("repl-diskless-sync-max-replicas", repl_diskless_sync_max_replicas, "0", 0, INT_MAX, NONE),
    ENUM("repl-diskless-load", repl_diskless_load, "disabled", diskless_loads,
         CONFIG_DENY_LOADING | NONE),
    ENUM("propagation-error-behavior", propagation_error_behavior, "ignore", propagation_errors,
         NONE),
    BOOL("import-mode", import_mode, "no", CONFIG_DENY_LOADING),

    /* Scripts, slow log, latency, events */
    INT("busy-reply-threshold", busy_reply_threshold_ms, "5000", 0, INT64_MAX, NONE,
        .alias = "lua-time-limit"),
    INT("slowlog-log-slower-than", slowlog_log_slower_than_us, "10000", -1, INT64_MAX, 0,
        .alias = "commandlog-execution-slower-than"),
    INT("slowlog-max-len", slowlog_max_len, "128", 0, INT64_MAX, 0,
        .alias = "commandlog-slow-execution-max-len"),
    INT("commandlog-reply-larger-than", commandlog_reply_larger_than, "1048576", -1, INT64_MAX, 0),
    INT("commandlog-request-larger-than", commandlog_request_larger_than, "1048576", -1, INT64_MAX,
        0),
    INT("commandlog-large-reply-max-len", commandlog_large_reply_max_len, "128", 0, INT64_MAX, 0),
    INT("commandlog-large-request-max-len", commandlog_large_request_max_len, "128", 0, INT64_MAX,
        0),
    INT("latency-monitor-threshold", latency_monitor_threshold_ms, "0", 0, INT64_MAX, 0),
    BOOL("latency-tracking", latency_tracking, "yes", 0),
    SPECIAL("latency-tracking-info-percentiles", percentiles, "50 99 99.9", CONFIG_MULTI),
    SPECIAL("notify-keyspace-events", notify, "", NONE),

    /* Cluster: what one node shows */
    BOOL("cluster-enabled", cluster_enabled, "no", IMM | UNS, NO_CLUSTER),
    BOOL("cluster-require-full-coverage", cluster_require_full_coverage, "yes", NONE),
    INT("cluster-databases", cluster_databases, "1", 1, INT_MAX, IMM | NONE),
    TEXT("cluster-announce-ip", cluster_announce_ip, "", NONE),
    INT("cluster-announce-port", cluster_announce_port, "0", 0, 65535, NONE),
    TEXT("cluster-announce-hostname", cluster_announce_hostname, "", NONE,
         .check = config_check_hostname),
    ENUM("cluster-preferred-endpoint-type", cluster_preferred_endpoint_type, "ip", endpoints, NONE),

    /* Known, stored, shown, without effect: other servers' internals, and clusters of several
     * nodes */
    S_INT("active-defrag-cycle-max", "25", 1, 99, 0),
    S_INT("active-defrag-cycle-min", "1", 1, 99, 0),
    S_INT("active-defrag-cycle-us", "500", 0, 100000, 0),
    STORED("active-defrag-ignore-bytes", CONFIG_MEMORY, "100mb", 1, INT64_MAX, 0),
    S_INT("active-defrag-max-scan-fields", "1000", 1, INT64_MAX, 0),
    S_INT("active-defrag-threshold-lower", "10", 0, 1000, 0),
    S_INT("active-defrag-threshold-upper", "100", 0, 1000, 0),
    S_BOOL("activerehashing", "yes", 0),
    S_BOOL("aof-disable-auto-gc", "no", 0),
    S_TEXT("aof-rewrite-cpulist", "", IMM, .alias = "aof_rewrite_cpulist"),
    S_TEXT("bgsave-cpulist", "", IMM, .alias = "bgsave_cpulist"),
    S_TEXT("bio-cpulist", "", IMM, .alias = "bio_cpulist"),
    S_BOOL("cluster-allow-pubsubshard-when-down", "yes", 0),
    S_BOOL("cluster-allow-reads-when-down", "no", 0),
    S_BOOL("cluster-allow-replica-migration", "yes", 0),
    S_INT("cluster-announce-bus-port", "0", 0, 65535, 0),
    S_TEXT("cluster-announce-client-ipv4", "", 0),
    S_TEXT("cluster-announce-client-ipv6", "", 0),
    S_INT("cluster-announce-client-port", "0", 0, 65535, 0),
    S_INT("cluster-announce-client-tls-port", "0", 0, 65535, 0),
    S_TEXT("cluster-announce-human-nodename", "", 0),
    S_INT("cluster-announce-tls-port", "0", 0, 65535, 0),
    S_INT("cluster-blacklist-ttl", "60", 0, INT64_MAX, 0),
    S_INT("cluster-compatibility-sample-ratio", "0", 0, 100, 0),
    S_TEXT("cluster-config-file", "nodes.conf", IMM),
    STORED("cluster-config-save-behavior", CONFIG_ENUM, "sync", 0, 0, 0, .choices = save_behaviors),
    S_MEMORY("cluster-link-sendbuf-limit", "0", 0),
    S_INT("cluster-manual-failover-timeout", "5000", 1, INT_MAX, 0),
    S_INT("cluster-migration-barrier", "1", 0, INT_MAX, 0),
    S_INT("cluster-node-timeout", "15000", 0, INT64_MAX, 0),
    S_INT("cluster-ping-interval", "1000", 0, INT64_MAX, CONFIG_HIDDEN),
    S_INT("cluster-port", "0", 0, 65535, IMM),
    S_BOOL("cluster-replica-no-failover", "no", 0, .alias = "cluster-slave-no-failover"),
    S_INT("cluster-replica-validity-factor", "10", 0, INT_MAX, 0,
          .alias = "cluster-slave-validity-factor"),
    S_INT("cluster-slot-migration-log-max-len", "1000", 0, INT64_MAX, 0),
    S_BOOL("cluster-slot-stats-enabled", "no", 0),
    S_BOOL("crash-memcheck-enabled", "yes", 0),
    S_TEXT("debug-context", "", CONFIG_HIDDEN),
    S_BOOL("dual-channel-replication-enabled", "no", 0),
    S_BOOL("dynamic-hz", "yes", 0),
    S_BOOL("enable-debug-assert", "no", IMM | CONFIG_HIDDEN),
    S_INT("events-per-io-thread", "2", 0, INT_MAX, CONFIG_HIDDEN),
    S_BOOL("io-threads-do-reads", "no", IMM),
    S_BOOL("jemalloc-bg-thread", "yes", 0),
    S_INT("loading-process-events-interval-bytes", "2097152", 1024, INT_MAX, CONFIG_HIDDEN),
    S_INT("prefetch-batch-max-size", "16", 0, 128, 0),
    S_BOOL("repl-rdb-channel", "no", CONFIG_HIDDEN),
    S_MEMORY("replica-full-sync-buffer-limit", "0", 0),
    S_TEXT("req-res-logfile", "", IMM | CONFIG_HIDDEN),
    S_MEMORY("slot-migration-max-failover-repl-bytes", "0", 0),
    S_BOOL("use-exit-on-panic", "no", CONFIG_HIDDEN),
    S_INT("watchdog-period", "0", 0, INT_MAX, CONFIG_HIDDEN),

    /* Known, and only their defaults are accepted */
    S_BOOL("mptcp", "no", IMM | UNS, NO_MPTCP),
    S_BOOL("repl-mptcp", "no", IMM | UNS, NO_MPTCP),
    S_TEXT("rdma-bind", "", UNS, NO_RDMA),
    S_INT("rdma-port", "0", 0, 65535, UNS, NO_RDMA),
    S_INT("rdma-completion-vector", "-1", -1, INT_MAX, IMM | UNS, NO_RDMA),
    S_INT("rdma-rx-size", "1048576", 65536, 16777216, IMM | UNS, NO_RDMA),

    /* Accepted in files and forgotten: directives that Redis 7 accepts and ignores itself */
    IGNORED("list-max-ziplist-entries"),
    IGNORED("list-max-ziplist-value"),
    IGNORED("lua-replicate-commands"),
    /* Known, and refused with a reason */
    EXTRA("loadmodule", 0, .note = "this server has no modules"),
    EXTRA("sentinel", 0, .note = "sentinel directive while not in sentinel mode"),
};

const size_t config_directive_count = COUNT_OF(config_directives);
