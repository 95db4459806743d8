/* apply.c - the settings, told to keyspace, guard, persistence and log in their own words. */
#include "ops/apply.h"
#include "base/mem.h"
#include "ops/config.h"

void apply_texts_free(struct apply_texts *texts)
{
    mem_free(texts->dir);
    mem_free(texts->dbfilename);
    *texts = (struct apply_texts){0};
}

static void copy_texts(struct settings *settings, struct apply_texts *texts)
{
    texts->dir = settings_text_copy(settings, &settings->dir);
    texts->dbfilename = settings_text_copy(settings, &settings->dbfilename);
}

static int eviction_policy(int policy)
{
    switch (policy) {
    case MAXMEMORY_VOLATILE_LRU:
        return EVICT_VOLATILE_LRU;
    case MAXMEMORY_VOLATILE_LFU:
        return EVICT_VOLATILE_LFU;
    case MAXMEMORY_VOLATILE_TTL:
        return EVICT_VOLATILE_TTL;
    case MAXMEMORY_VOLATILE_RANDOM:
        return EVICT_VOLATILE_RANDOM;
    case MAXMEMORY_ALLKEYS_LRU:
        return EVICT_ALLKEYS_LRU;
    case MAXMEMORY_ALLKEYS_LFU:
        return EVICT_ALLKEYS_LFU;
    case MAXMEMORY_ALLKEYS_RANDOM:
        return EVICT_ALLKEYS_RANDOM;
    default:
        return EVICT_NONE;
    }
}

/* All but list_packed_threshold, which is no setting. */
static void apply_limits(struct settings *settings, struct value_limits *out)
{
#define COPY(field) RELAXED_STORE(&out->field, RELAXED_LOAD(&settings->field))
    COPY(list_max_listpack_size);
    COPY(list_compress_depth);
    COPY(hash_max_listpack_entries);
    COPY(hash_max_listpack_value);
    COPY(set_max_intset_entries);
    COPY(set_max_listpack_entries);
    COPY(set_max_listpack_value);
    COPY(zset_max_listpack_entries);
    COPY(zset_max_listpack_value);
    COPY(hll_sparse_max_bytes);
    COPY(stream_node_max_bytes);
    COPY(stream_node_max_entries);
#undef COPY
}

void apply_keyspace(struct settings *settings, struct keyspace_options *out)
{
    apply_limits(settings, &out->limits);
    RELAXED_STORE(&out->policy, eviction_policy(RELAXED_LOAD(&settings->maxmemory_policy)));
    RELAXED_STORE(&out->samples, (int)RELAXED_LOAD(&settings->maxmemory_samples));
    RELAXED_STORE(&out->lfu_log_factor, (int)RELAXED_LOAD(&settings->lfu_log_factor));
    RELAXED_STORE(&out->lfu_decay_minutes, (int)RELAXED_LOAD(&settings->lfu_decay_time_min));
    RELAXED_STORE(&out->import_mode, RELAXED_LOAD(&settings->import_mode));
    RELAXED_STORE(&out->lazy_expire, RELAXED_LOAD(&settings->lazyfree_lazy_expire));
    RELAXED_STORE(&out->lazy_evict, RELAXED_LOAD(&settings->lazyfree_lazy_eviction));
    RELAXED_STORE(&out->lazy_server_del, RELAXED_LOAD(&settings->lazyfree_lazy_server_del));
}

static enum guard_fsync guard_fsync_of(int appendfsync)
{
    return appendfsync == APPENDFSYNC_ALWAYS     ? GUARD_FSYNC_ALWAYS
           : appendfsync == APPENDFSYNC_EVERYSEC ? GUARD_FSYNC_EVERYSEC
                                                 : GUARD_FSYNC_NO;
}

static enum guard_policy guard_policy_of(int policy)
{
    static const enum guard_policy policies[] = {
        [DISK_POLICY_AUTO] = GUARD_POLICY_AUTO,
        [DISK_POLICY_EVICT] = GUARD_POLICY_EVICT,
        [DISK_POLICY_MEMORY_ONLY] = GUARD_POLICY_MEMORY_ONLY,
        [DISK_POLICY_SHED] = GUARD_POLICY_SHED,
        [DISK_POLICY_STRICT] = GUARD_POLICY_STRICT,
    };
    return policies[policy];
}

static void guard_budget_of(struct settings *settings, struct guard_options *out)
{
    int64_t budget = RELAXED_LOAD(&settings->disk_budget);
    out->budget_bytes = budget > 0 ? (uint64_t)budget : 0;
    out->budget_percent = setting_is_percent(budget) ? (unsigned)(-1 - budget) : 0;
    int64_t ballast = RELAXED_LOAD(&settings->disk_ballast);
    out->ballast_bytes = ballast == SETTING_AUTO ? GUARD_BALLAST_AUTO : (uint64_t)ballast;
    int64_t aof_max = RELAXED_LOAD(&settings->aof_max_size);
    out->aof_max_bytes = aof_max > 0 ? (uint64_t)aof_max : 0;
}

void apply_guard(struct settings *settings, struct guard_options *out, struct apply_texts *texts)
{
    struct setting_save_point points[SETTING_SAVE_POINTS_MAX];
    int policy = RELAXED_LOAD(&settings->maxmemory_policy);
    copy_texts(settings, texts);
    guard_options_default(out);
    out->dir = texts->dir;
    out->dump_name = texts->dbfilename;
    out->append_dirname = settings->appenddirname;
    out->appendonly = RELAXED_LOAD(&settings->appendonly);
    out->save_points = settings_save_points(settings, points) != 0;
    out->fsync = guard_fsync_of(RELAXED_LOAD(&settings->appendfsync));
    out->eviction = policy == MAXMEMORY_NOEVICTION ? GUARD_EVICTION_NONE
                    : policy & MAXMEMORY_ALLKEYS   ? GUARD_EVICTION_ALLKEYS
                                                   : GUARD_EVICTION_VOLATILE;
    out->policy = guard_policy_of(RELAXED_LOAD(&settings->disk_full_policy));
    guard_budget_of(settings, out);
    out->emergency_rewrite = RELAXED_LOAD(&settings->disk_emergency_rewrite);
    out->stall_timeout_ms = (uint64_t)RELAXED_LOAD(&settings->disk_stall_timeout_s) * 1000;
    out->lagging_ms = (uint64_t)RELAXED_LOAD(&settings->disk_lag_seconds) * 1000;
    out->dwell_ms = (uint64_t)RELAXED_LOAD(&settings->disk_dwell_seconds) * 1000;
    out->unknown_ms = (uint64_t)RELAXED_LOAD(&settings->disk_unknown_seconds) * 1000;
    out->log_every_ms = (uint64_t)RELAXED_LOAD(&settings->disk_log_seconds) * 1000;
    out->poll_min_ms = (uint64_t)RELAXED_LOAD(&settings->disk_poll_min_ms);
    out->poll_max_ms = (uint64_t)RELAXED_LOAD(&settings->disk_poll_max_ms);
    out->low_percent = (unsigned)RELAXED_LOAD(&settings->disk_low_percent);
    out->high_percent = (unsigned)RELAXED_LOAD(&settings->disk_high_percent);
    out->low_limit = (uint64_t)RELAXED_LOAD(&settings->disk_low_limit);
    out->high_limit = (uint64_t)RELAXED_LOAD(&settings->disk_high_limit);
    out->low_time_s = (uint64_t)RELAXED_LOAD(&settings->disk_low_seconds);
    out->leave_factor_x100 = (unsigned)RELAXED_LOAD(&settings->disk_leave_factor_x100);
    out->rewrite_margin_percent = (unsigned)RELAXED_LOAD(&settings->disk_rewrite_margin_percent);
    out->meta_reserve = (uint64_t)RELAXED_LOAD(&settings->disk_meta_reserve);
    out->reclaim_reserve = (uint64_t)RELAXED_LOAD(&settings->disk_reclaim_reserve);
    out->inode_reserve = (uint64_t)RELAXED_LOAD(&settings->disk_inode_reserve);
    out->rewrite_percent = (unsigned)RELAXED_LOAD(&settings->auto_aof_rewrite_percentage);
    out->rewrite_min_bytes = (uint64_t)RELAXED_LOAD(&settings->auto_aof_rewrite_min_size);
}

static enum persist_fsync persist_fsync_of(int appendfsync)
{
    return appendfsync == APPENDFSYNC_ALWAYS     ? PERSIST_FSYNC_ALWAYS
           : appendfsync == APPENDFSYNC_EVERYSEC ? PERSIST_FSYNC_EVERYSEC
                                                 : PERSIST_FSYNC_NO;
}

void apply_persist(struct settings *settings, struct persist_options *out,
                   struct apply_texts *texts)
{
    struct setting_save_point points[SETTING_SAVE_POINTS_MAX];
    copy_texts(settings, texts);
    persist_options_default(out);
    out->dir = texts->dir;
    out->dbfilename = texts->dbfilename;
    out->appendonly = RELAXED_LOAD(&settings->appendonly);
    out->appendfsync = persist_fsync_of(RELAXED_LOAD(&settings->appendfsync));
    out->no_appendfsync_on_rewrite = RELAXED_LOAD(&settings->no_appendfsync_on_rewrite);
    out->aof_load_truncated = RELAXED_LOAD(&settings->aof_load_truncated);
    out->aof_use_rdb_preamble = RELAXED_LOAD(&settings->aof_use_rdb_preamble);
    out->aof_timestamp_enabled = RELAXED_LOAD(&settings->aof_timestamp_enabled);
    out->aof_damage = RELAXED_LOAD(&settings->aof_damage) == AOF_DAMAGE_REFUSE
                          ? PERSIST_REFUSE_DAMAGE
                          : PERSIST_STOP_AT_DAMAGE;
    out->rdbcompression = RELAXED_LOAD(&settings->rdbcompression);
    out->rdbchecksum = RELAXED_LOAD(&settings->rdbchecksum);
    out->rdb_any_version = RELAXED_LOAD(&settings->rdb_version_check_relaxed);
    out->save_count = settings_save_points(settings, points);
    for (uint32_t i = 0; i < out->save_count; i++)
        out->save[i] = (struct persist_save_point){points[i].seconds, points[i].changes};
    out->rdb_key_save_delay = RELAXED_LOAD(&settings->rdb_key_save_delay);
    out->key_load_delay = RELAXED_LOAD(&settings->key_load_delay);
    out->snapshot_buffer_limit = (uint64_t)RELAXED_LOAD(&settings->snapshot_buffer_limit);
    out->aof_buffer_limit = (uint64_t)RELAXED_LOAD(&settings->aof_buffer_limit);
}

/* ---- CONFIG SET ---- */

static const char *keyspace_changed(void *ctx, struct settings *settings)
{
    struct server *server = ctx;
    apply_keyspace(settings, keyspace_options(server->keyspace));
    return NULL;
}

static const char *disk_changed(void *ctx, struct settings *settings)
{
    struct server *server = ctx;
    struct apply_texts texts;
    struct guard_options guard;
    apply_guard(settings, &guard, &texts);
    const char *wrong = guard_options_check(&guard);
    if (wrong == NULL)
        guard_configure(server->guard, &guard);
    apply_texts_free(&texts);
    if (wrong != NULL)
        return wrong;
    struct persist_options persist;
    apply_persist(settings, &persist, &texts);
    persist_configure(server->persist, &persist);
    apply_texts_free(&texts);
    bool gate = RELAXED_LOAD(&settings->appendonly) &&
                RELAXED_LOAD(&settings->appendfsync) == APPENDFSYNC_ALWAYS;
    RELAXED_STORE(&server->gate_replies, gate);
    return NULL;
}

void apply_watch(struct server *server)
{
    static const char *const keyspace_names[] = {"maxmemory-policy",
                                                 "import-mode",
                                                 "maxmemory-samples",
                                                 "lfu-log-factor",
                                                 "lfu-decay-time",
                                                 "lazyfree-lazy-expire",
                                                 "lazyfree-lazy-eviction",
                                                 "lazyfree-lazy-server-del",
                                                 "list-max-listpack-size",
                                                 "list-compress-depth",
                                                 "hash-max-listpack-entries",
                                                 "hash-max-listpack-value",
                                                 "set-max-intset-entries",
                                                 "set-max-listpack-entries",
                                                 "set-max-listpack-value",
                                                 "zset-max-listpack-entries",
                                                 "zset-max-listpack-value",
                                                 "hll-sparse-max-bytes",
                                                 "stream-node-max-bytes",
                                                 "stream-node-max-entries"};
    static const char *const disk_names[] = {"dir",
                                             "dbfilename",
                                             "appendonly",
                                             "appendfsync",
                                             "no-appendfsync-on-rewrite",
                                             "save",
                                             "aof-load-truncated",
                                             "aof-use-rdb-preamble",
                                             "aof-timestamp-enabled",
                                             "aof-damage",
                                             "rdbcompression",
                                             "rdbchecksum",
                                             "rdb-version-check",
                                             "rdb-key-save-delay",
                                             "key-load-delay",
                                             "snapshot-buffer-limit",
                                             "aof-buffer-limit",
                                             "aof-max-size",
                                             "auto-aof-rewrite-percentage",
                                             "auto-aof-rewrite-min-size",
                                             "maxmemory-policy",
                                             "disk-budget",
                                             "disk-full-policy",
                                             "disk-ballast",
                                             "disk-emergency-rewrite",
                                             "disk-stall-timeout",
                                             "disk-dwell-seconds",
                                             "disk-low-percent",
                                             "disk-high-percent",
                                             "disk-low-seconds",
                                             "disk-low-limit",
                                             "disk-high-limit",
                                             "disk-leave-factor",
                                             "disk-rewrite-margin",
                                             "disk-meta-reserve",
                                             "disk-reclaim-reserve",
                                             "disk-inode-reserve",
                                             "disk-poll-min-ms",
                                             "disk-poll-max-ms",
                                             "disk-unknown-seconds",
                                             "disk-lag-seconds",
                                             "disk-log-seconds"};
    for (size_t i = 0; i < COUNT_OF(keyspace_names); i++)
        config_on_change(server->config, keyspace_names[i], keyspace_changed, server);
    for (size_t i = 0; i < COUNT_OF(disk_names); i++)
        config_on_change(server->config, disk_names[i], disk_changed, server);
}
