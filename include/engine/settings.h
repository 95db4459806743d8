/* settings.h - the values of the configuration: one plain struct, read by the engine and all above.
 *
 * Only ops/config writes it: all of it while starting, single fields by CONFIG SET. Fields are
 * named as their directive, with the unit at the end. How to read them:
 *
 *   scalars (bool, int enum, int64_t)  any thread, RELAXED_LOAD(&settings->hz): a recent value
 *   const char *                       set once before any other thread starts; never NULL
 *   struct setting_text                may change: settings_text_copy takes a copy under the lock
 *   "settings lock"                    by the accessor at the end of this header
 *
 * Who must act when a value changes registers with config_on_change (ops/config.h). Layers below
 * the engine never see this struct: they have option structs of their own, which main and those
 * hooks fill. Tests get a struct with the defaults from config_new and config_settings.
 */
#ifndef SPILLWAY_ENGINE_SETTINGS_H
#define SPILLWAY_ENGINE_SETTINGS_H

#include "base/bytes.h"
#include "base/lock.h"

/* A size that may also be `auto` or a percentage, in one word so that it is read in one load: >= 0
 * is bytes, SETTING_AUTO is auto, -1 - p is p percent (1..100) of what the reader measures by. */
#define SETTING_AUTO INT64_C(-1)

ALWAYS_INLINE bool setting_is_percent(int64_t size)
{
    return size < SETTING_AUTO;
}

/* Bytes that `size` stands for: a percentage of `whole`, or `automatic` where it says auto. */
ALWAYS_INLINE int64_t setting_resolve(int64_t size, int64_t whole, int64_t automatic)
{
    if (size >= 0)
        return size;
    return size == SETTING_AUTO ? automatic
                                : (int64_t)((double)whole * (double)(-1 - size) / 100.0);
}

/* A string that CONFIG SET may replace while others read. */
struct setting_text {
    char *text; /* settings lock; owned by the configuration, never NULL */
};

enum setting_appendfsync { APPENDFSYNC_NO, APPENDFSYNC_EVERYSEC, APPENDFSYNC_ALWAYS };

/* maxmemory-policy, as bits, so that a reader may ask for a family (MAXMEMORY_ALLKEYS ...). */
enum setting_maxmemory_policy {
    MAXMEMORY_LRU = 1,
    MAXMEMORY_LFU = 2,
    MAXMEMORY_TTL = 4,
    MAXMEMORY_RANDOM = 8,
    MAXMEMORY_ALLKEYS = 16,
    MAXMEMORY_NOEVICTION = 0,
    MAXMEMORY_VOLATILE_LRU = MAXMEMORY_LRU,
    MAXMEMORY_VOLATILE_LFU = MAXMEMORY_LFU,
    MAXMEMORY_VOLATILE_TTL = MAXMEMORY_TTL,
    MAXMEMORY_VOLATILE_RANDOM = MAXMEMORY_RANDOM,
    MAXMEMORY_ALLKEYS_LRU = MAXMEMORY_ALLKEYS | MAXMEMORY_LRU,
    MAXMEMORY_ALLKEYS_LFU = MAXMEMORY_ALLKEYS | MAXMEMORY_LFU,
    MAXMEMORY_ALLKEYS_RANDOM = MAXMEMORY_ALLKEYS | MAXMEMORY_RANDOM
};

/* disk-full-policy */
enum setting_disk_policy {
    DISK_POLICY_AUTO,
    DISK_POLICY_EVICT,
    DISK_POLICY_MEMORY_ONLY,
    DISK_POLICY_SHED,
    DISK_POLICY_STRICT
};

enum setting_aof_damage { AOF_DAMAGE_STOP_AT_DAMAGE, AOF_DAMAGE_REFUSE };

/* enable-debug-command, enable-module-command, enable-protected-configs */
enum setting_protected_action { ACTION_NO, ACTION_YES, ACTION_LOCAL };

enum setting_supervised { SUPERVISED_NO, SUPERVISED_AUTO, SUPERVISED_SYSTEMD, SUPERVISED_UPSTART };
enum setting_oom_score_adj { OOM_SCORE_NO, OOM_SCORE_RELATIVE, OOM_SCORE_ABSOLUTE };
enum setting_sanitize { SANITIZE_NO, SANITIZE_YES, SANITIZE_CLIENTS };
enum setting_diskless_load {
    DISKLESS_LOAD_DISABLED,
    DISKLESS_LOAD_WHEN_DB_EMPTY,
    DISKLESS_LOAD_SWAPDB
};
enum setting_propagation_error {
    PROPAGATION_ERROR_IGNORE,
    PROPAGATION_ERROR_PANIC,
    PROPAGATION_ERROR_PANIC_ON_REPLICAS
};
enum setting_endpoint { ENDPOINT_IP, ENDPOINT_HOSTNAME, ENDPOINT_UNKNOWN };
enum setting_tls_auth { TLS_AUTH_NO, TLS_AUTH_YES, TLS_AUTH_OPTIONAL };

/* shutdown-on-sigint, shutdown-on-sigterm: bits */
enum setting_shutdown {
    SHUTDOWN_DEFAULT = 0,
    SHUTDOWN_SAVE = 1,
    SHUTDOWN_NOSAVE = 2,
    SHUTDOWN_NOW = 4,
    SHUTDOWN_FORCE = 8
};

/* notify-keyspace-events: bits, in the letters' order of Redis */
enum setting_notify {
    NOTIFY_KEYSPACE = 1 << 0,  /* K */
    NOTIFY_KEYEVENT = 1 << 1,  /* E */
    NOTIFY_GENERIC = 1 << 2,   /* g */
    NOTIFY_STRING = 1 << 3,    /* $ */
    NOTIFY_LIST = 1 << 4,      /* l */
    NOTIFY_SET = 1 << 5,       /* s */
    NOTIFY_HASH = 1 << 6,      /* h */
    NOTIFY_ZSET = 1 << 7,      /* z */
    NOTIFY_EXPIRED = 1 << 8,   /* x */
    NOTIFY_EVICTED = 1 << 9,   /* e */
    NOTIFY_STREAM = 1 << 10,   /* t */
    NOTIFY_KEY_MISS = 1 << 11, /* m, not part of A */
    NOTIFY_MODULE = 1 << 13,   /* d */
    NOTIFY_NEW = 1 << 14,      /* n, not part of A */
    NOTIFY_ALL = NOTIFY_GENERIC | NOTIFY_STRING | NOTIFY_LIST | NOTIFY_SET | NOTIFY_HASH |
                 NOTIFY_ZSET | NOTIFY_EXPIRED | NOTIFY_EVICTED | NOTIFY_STREAM |
                 NOTIFY_MODULE /* A */
};

/* client-output-buffer-limit: one row per class of client */
enum setting_client_class {
    CLIENT_CLASS_NORMAL,
    CLIENT_CLASS_REPLICA,
    CLIENT_CLASS_PUBSUB,
    CLIENT_CLASS_COUNT
};
struct setting_output_limit {
    int64_t hard_bytes, soft_bytes, soft_seconds; /* atomic each; 0 = no limit */
};

#define SETTING_SAVE_POINTS_MAX 64
struct setting_save_point {
    int64_t seconds, changes;
};

#define SETTING_PERCENTILES_MAX 32

struct settings {
    /* Network */
    int64_t port; /* 0 = no TCP */
    int64_t tcp_backlog;
    int64_t tcp_keepalive_s; /* 0 = off */
    int64_t timeout_s;       /* idle clients; 0 = never */
    int64_t maxclients;
    int64_t max_new_connections_per_cycle;
    int64_t socket_mark_id;
    int64_t unixsocketperm; /* mode bits; 0 = as umask has it */
    bool protected_mode;
    const char *unixsocket; /* path; "" = none */
    const char *unixsocketgroup;
    struct setting_text bind; /* addresses, blank separated; '-' before one = may be missing */
    struct setting_text bind_source_addr;
    int64_t http_port;     /* probes and metrics; 0 = off */
    const char *http_bind; /* addresses, blank separated */

    /* TLS */
    int64_t tls_port, tls_session_cache_size, tls_session_cache_timeout_s;
    int64_t tls_auto_reload_interval_s;
    int64_t max_new_tls_connections_per_cycle;
    int tls_auth_clients; /* enum setting_tls_auth */
    bool tls_cluster, tls_replication, tls_session_caching, tls_prefer_server_ciphers;
    struct setting_text tls_cert_file, tls_key_file, tls_key_file_pass;
    struct setting_text tls_client_cert_file, tls_client_key_file, tls_client_key_file_pass;
    struct setting_text tls_ca_cert_file, tls_ca_cert_dir, tls_dh_params_file;
    struct setting_text tls_protocols, tls_ciphers, tls_ciphersuites;

    /* Clients and the protocol */
    int64_t client_default_resp;       /* 2 or 3; set once */
    int64_t proto_max_bulk_len;        /* bytes */
    int64_t client_query_buffer_limit; /* bytes */
    int64_t maxmemory_clients; /* bytes or percentage of maxmemory (setting_resolve); 0 = none */
    struct setting_output_limit client_output_buffer_limit[CLIENT_CLASS_COUNT];
    int64_t tracking_table_max_keys; /* 0 = no limit */

    /* The server */
    int64_t io_threads; /* workers, resolved: at least 1 */
    int64_t databases;
    int64_t hz;
    int64_t shutdown_timeout_s;
    int shutdown_on_sigint, shutdown_on_sigterm; /* enum setting_shutdown bits */
    int supervised;                              /* enum setting_supervised */
    int oom_score_adj;                           /* enum setting_oom_score_adj */
    int64_t oom_score_adj_values[3];             /* atomic each: primary, replica, child */
    int loglevel;                                /* enum log_level */
    int log_format, log_timestamp_format; /* enum log_format, enum log_timestamp of base/log.h */
    int syslog_facility;                  /* code of RFC 5424; its name by config_get_one */
    int enable_debug_command;             /* enum setting_protected_action */
    int enable_module_command;            /* enum setting_protected_action */
    int enable_protected_configs;         /* enum setting_protected_action */
    bool daemonize, set_proc_title, always_show_logo, disable_thp, crash_log_enabled;
    bool syslog_enabled;
    bool hide_user_data_from_log, extended_redis_compatibility, activedefrag;
    const char *pidfile, *logfile; /* "" = none; logfile "" = stdout */
    const char *syslog_ident;
    const char *server_cpulist;
    const char *hash_seed;   /* "" = random */
    struct setting_text dir; /* absolute path of the working directory */
    struct setting_text proc_title_template, availability_zone, locale_collate, ignore_warnings;

    /* Security */
    struct setting_text requirepass; /* sensitive; "" = none */
    const char *aclfile;
    bool acl_pubsub_default_all; /* acl-pubsub-default allchannels */
    int64_t acllog_max_len;

    /* Memory */
    int64_t maxmemory; /* bytes, resolved from sizes, percentages and auto; 0 = no limit */
    int64_t maxmemory_samples, maxmemory_eviction_tenacity;
    int maxmemory_policy; /* enum setting_maxmemory_policy */
    int64_t lfu_log_factor, lfu_decay_time_min;
    int64_t active_expire_effort;
    bool lazyfree_lazy_eviction, lazyfree_lazy_expire, lazyfree_lazy_server_del;
    bool lazyfree_lazy_user_del, lazyfree_lazy_user_flush;

    /* Encodings */
    int64_t hash_max_listpack_entries, hash_max_listpack_value;
    int64_t set_max_intset_entries, set_max_listpack_entries, set_max_listpack_value;
    int64_t zset_max_listpack_entries, zset_max_listpack_value;
    int64_t list_max_listpack_size; /* > 0 elements, -1..-5 = 4 to 64 KiB */
    int64_t list_compress_depth;    /* 0 = off */
    int64_t hll_sparse_max_bytes, stream_node_max_bytes, stream_node_max_entries;

    /* Snapshots (RDB) */
    struct setting_save_point save[SETTING_SAVE_POINTS_MAX]; /* settings lock */
    uint32_t save_count;                                     /* settings lock to change; atomic */
    bool rdbcompression, rdbchecksum, rdb_del_sync_files, rdb_version_check_relaxed;
    bool rdb_save_incremental_fsync, stop_writes_on_bgsave_error;
    int sanitize_dump_payload; /* enum setting_sanitize */
    struct setting_text dbfilename;
    int64_t rdb_key_save_delay, key_load_delay; /* for tests; as in clock_delay_us */
    int64_t snapshot_buffer_limit; /* bytes of captured entries waiting to be written */

    /* Append-only file */
    bool appendonly, no_appendfsync_on_rewrite, aof_load_truncated, aof_use_rdb_preamble;
    bool aof_timestamp_enabled, aof_rewrite_incremental_fsync;
    int appendfsync;                                                /* enum setting_appendfsync */
    int aof_damage;                                                 /* enum setting_aof_damage */
    int64_t auto_aof_rewrite_percentage, auto_aof_rewrite_min_size; /* percent, 0 = off; bytes */
    int64_t aof_max_size; /* bytes or SETTING_AUTO: a rewrite starts at this size at the latest */
    int64_t aof_buffer_limit; /* bytes of log records waiting for the disk */
    const char *appendfilename, *appenddirname;

    /* Disk-budget guard */
    int64_t disk_budget;  /* bytes, percentage of the volume, or SETTING_AUTO (setting_resolve) */
    int disk_full_policy; /* enum setting_disk_policy */
    int64_t disk_low_percent, disk_high_percent; /* of the budget, on top of what a rewrite needs */
    int64_t disk_low_limit, disk_high_limit; /* bytes: the percentages count no more than this */
    int64_t disk_low_seconds;       /* predicted time to critical below which the level is low */
    int64_t disk_leave_factor_x100; /* disk-leave-factor 1.25 = 125 */
    int64_t disk_dwell_seconds;     /* a level lasts so long at least before a better one follows */
    int64_t disk_rewrite_margin_percent;             /* added to the predicted size of a base: 15 */
    int64_t disk_meta_reserve, disk_reclaim_reserve; /* bytes */
    int64_t disk_inode_reserve;                      /* spare inodes */
    int64_t disk_ballast;                            /* bytes, 0 = none, or SETTING_AUTO */
    int64_t disk_poll_min_ms, disk_poll_max_ms;
    int64_t disk_unknown_seconds; /* without a sample for so long: level unknown */
    int64_t disk_lag_seconds;     /* an fsync older than this: lagging */
    int64_t disk_stall_timeout_s; /* an fsync older than this: by policy */
    int64_t disk_log_seconds;     /* at most one line per transition in so long */
    bool disk_emergency_rewrite, disk_ping_reports_error;

    /* Replication */
    struct setting_text replicaof; /* "host port", "" = primary; by the file and by REPLICAOF */
    struct setting_text masterauth, masteruser; /* masterauth is sensitive */
    struct setting_text replica_announce_ip;
    int64_t replica_announce_port, replica_priority;
    int64_t min_replicas_to_write, min_replicas_max_lag_s;
    int64_t repl_ping_replica_period_s, repl_timeout_s, repl_backlog_size, repl_backlog_ttl_s;
    int64_t repl_diskless_sync_delay_s, repl_diskless_sync_max_replicas;
    int repl_diskless_load;         /* enum setting_diskless_load */
    int propagation_error_behavior; /* enum setting_propagation_error */
    bool repl_diskless_sync, repl_disable_tcp_nodelay, replica_serve_stale_data, replica_read_only;
    bool replica_lazy_flush, replica_ignore_maxmemory, replica_announced;
    bool replica_ignore_disk_write_errors;
    bool import_mode;

    /* Scripts, slow log, latency, events */
    int64_t busy_reply_threshold_ms;                     /* lua-time-limit */
    int64_t slowlog_log_slower_than_us, slowlog_max_len; /* -1 = never, 0 = everything */
    int64_t commandlog_reply_larger_than, commandlog_request_larger_than; /* bytes; -1 = never */
    int64_t commandlog_large_reply_max_len, commandlog_large_request_max_len;
    int64_t latency_monitor_threshold_ms; /* 0 = off */
    bool latency_tracking;
    double percentiles[SETTING_PERCENTILES_MAX]; /* settings lock; settings_percentiles */
    uint32_t percentile_count;                   /* settings lock */
    int notify_keyspace_events;                  /* enum setting_notify bits; 0 = off */

    /* Cluster (one node) */
    bool cluster_enabled, cluster_require_full_coverage;
    int64_t cluster_announce_port, cluster_databases;
    int cluster_preferred_endpoint_type; /* enum setting_endpoint */
    struct setting_text cluster_announce_ip, cluster_announce_hostname;

    /* Guards every setting_text and what is marked above; held for a copy, never longer. */
    struct lock lock;
};

/* A copy of a text that may change; mem_free it. Any thread. */
char *settings_text_copy(struct settings *s, const struct setting_text *text) NODISCARD;
/* The same, appended to `out` (scratch that a caller keeps). */
void settings_text_append(struct settings *s, const struct setting_text *text, struct bytes *out);
bool settings_text_is_empty(struct settings *s, const struct setting_text *text);
/* Copies the save points to out[SETTING_SAVE_POINTS_MAX]; returns their count. Any thread. */
uint32_t settings_save_points(struct settings *s, struct setting_save_point *out);
/* Copies the percentiles to out[SETTING_PERCENTILES_MAX]; returns their count. Any thread. */
uint32_t settings_percentiles(struct settings *s, double *out);

/* The dialect that a fresh connection speaks. */
ALWAYS_INLINE uint8_t settings_default_resp(const struct settings *s)
{
    return s->client_default_resp == 3 ? 3 : 2;
}

#endif
