/* test_file.c - the door to the disk, and that every fault of its table can be had at it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

static char dir[64];

/* A path in the test's directory; valid until the eighth call from now. */
static const char *in_dir(const char *name)
{
    static char paths[8][128];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

static void make_file(const char *name, const char *text)
{
    int fd = file_open(in_dir(name), FILE_CREATE_TRUNCATE);
    assert_true(fd >= 0);
    assert_int_equal(file_write_at(fd, text, strlen(text), 0, NULL), 0);
    file_close(fd);
}

static void assert_content(const char *name, const char *text)
{
    char *data;
    size_t len;
    assert_int_equal(file_read_all(in_dir(name), 1 << 20, &data, &len), 0);
    assert_string_equal(data, text);
    assert_int_equal(len, strlen(text));
    mem_free(data);
}

static int setup(void **state)
{
    strcpy(dir, "/tmp/spillway-test-file-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *name, void *ctx)
{
    return file_remove(in_dir(name)) == 0 || rmdir(in_dir(name)) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    file_fault_clear();
    return file_list(dir, remove_one, NULL) == 0 && rmdir(dir) == 0 ? 0 : -1;
}

static int add_fault(const char *text)
{
    struct file_fault fault;
    if (!file_fault_parse(slice_str(text), &fault))
        fail_msg("'%s' did not parse", text);
    int id = file_fault_add(&fault);
    assert_true(id > 0);
    return id;
}

static void test_open_modes(void **state)
{
    const char *path = in_dir("a");
    char buf[8];
    assert_int_equal(file_open(path, FILE_READ), -ENOENT);
    assert_int_equal(file_open(path, FILE_WRITE), -ENOENT);
    int fd = file_open(path, FILE_CREATE_NEW);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(file_write_at(fd, "abcdef", 6, 0, NULL), 0);
    file_close(fd);
    assert_int_equal(file_open(path, FILE_CREATE_NEW), -EEXIST);
    fd = file_open(path, FILE_CREATE);
    assert_int_equal(file_read_at(fd, buf, 8, 0), 6);
    file_close(fd);
    fd = file_open(path, FILE_READ);
    assert_int_equal(file_write_at(fd, "x", 1, 0, NULL), -EBADF);
    file_close(fd);
    fd = file_open(path, FILE_WRITE);
    assert_int_equal(file_write_at(fd, "X", 1, 0, NULL), 0);
    file_close(fd);
    fd = file_open(path, FILE_APPEND);
    assert_int_equal(file_write_at(fd, "gh", 2, 0, NULL), 0);
    file_close(fd);
    assert_content("a", "Xbcdefgh");
    file_close(file_open(path, FILE_CREATE_TRUNCATE));
    assert_content("a", "");
    file_close(-1);
}

static void test_read_and_write_at(void **state)
{
    char buf[16] = {0};
    size_t written = 99;
    int fd = file_open(in_dir("a"), FILE_CREATE_TRUNCATE);
    assert_int_equal(file_write_at(fd, "tail", 4, 6, &written), 0);
    assert_int_equal(written, 4);
    assert_int_equal(file_write_at(fd, "head", 4, 0, NULL), 0);
    assert_int_equal(file_write_at(fd, NULL, 0, 100, &written), 0);
    assert_int_equal(written, 0);
    assert_int_equal(file_read_at(fd, buf, sizeof(buf), 0), 10);
    assert_memory_equal(buf, "head\0\0tail", 10);
    assert_int_equal(file_read_at(fd, buf, 2, 8), 2);
    assert_memory_equal(buf, "il", 2);
    assert_int_equal(file_read_at(fd, buf, 2, 9), 1);
    assert_int_equal(file_read_at(fd, buf, 2, 10), 0);
    assert_int_equal(file_read_at(fd, buf, 2, 1000), 0);
    assert_int_equal(file_sync(fd), 0);
    assert_int_equal(file_truncate(fd, 3), 0);
    file_close(fd);
    assert_content("a", "hea");
    assert_int_equal(file_sync(-1), -EBADF);
    assert_true(file_read_at(-1, buf, 1, 0) == -EBADF);
}

static void test_allocate(void **state)
{
    struct file_info info;
    int fd = file_open(in_dir("a"), FILE_CREATE_TRUNCATE);
    int result = file_allocate(fd, 0, 1 << 20, true);
    if (result == -EOPNOTSUPP) {
        file_close(fd);
        skip();
    }
    assert_int_equal(result, 0);
    assert_int_equal(file_info_fd(fd, &info), 0);
    assert_int_equal(info.size, 0);
    assert_true(info.allocated >= 1 << 20);
    assert_int_equal(file_allocate(fd, 0, 2 << 20, false), 0);
    assert_int_equal(file_info_fd(fd, &info), 0);
    assert_int_equal(info.size, 2 << 20);
    assert_true(info.allocated >= 2 << 20);
    assert_int_equal(file_allocate(fd, 5, 0, false), 0);
    file_close(fd);
}

static void test_info(void **state)
{
    struct file_info by_path, by_fd;
    make_file("a", "12345");
    assert_int_equal(file_info_path(in_dir("a"), &by_path), 0);
    int fd = file_open(in_dir("a"), FILE_READ);
    assert_int_equal(file_info_fd(fd, &by_fd), 0);
    file_close(fd);
    assert_int_equal(by_path.size, 5);
    assert_false(by_path.is_dir);
    assert_int_equal(by_path.inode, by_fd.inode);
    assert_int_equal(by_path.device, by_fd.device);
    assert_true(llabs(by_path.mtime_ms - clock_wall_ms()) < 10000);
    assert_int_equal(file_info_path(dir, &by_path), 0);
    assert_true(by_path.is_dir);
    assert_int_equal(file_info_path(in_dir("none"), &by_path), -ENOENT);
    assert_true(file_exists(in_dir("a")));
    assert_true(file_exists(dir));
    assert_false(file_exists(in_dir("none")));
    assert_false(file_exists(in_dir("a/below")));
    add_fault("op=stat,errno=EIO,times=1");
    assert_true(file_exists(in_dir("none"))); /* nobody knows */
}

static void test_names(void **state)
{
    make_file("a", "A");
    make_file("b", "B");
    assert_int_equal(file_rename(in_dir("a"), in_dir("b")), 0);
    assert_content("b", "A");
    assert_int_equal(file_rename(in_dir("a"), in_dir("b")), -ENOENT);
    assert_int_equal(file_link(in_dir("b"), in_dir("c")), 0);
    assert_int_equal(file_link(in_dir("b"), in_dir("c")), -EEXIST);
    assert_int_equal(file_remove(in_dir("b")), 0);
    assert_int_equal(file_remove(in_dir("b")), -ENOENT);
    assert_content("c", "A");
    assert_int_equal(file_mkdir(in_dir("sub")), 0);
    assert_int_equal(file_mkdir(in_dir("sub")), 0);
    assert_int_equal(file_mkdir(in_dir("c")), -ENOTDIR);
    assert_int_equal(file_mkdir(in_dir("no/such")), -ENOENT);
    assert_int_equal(file_sync_dir(dir), 0);
    assert_int_equal(file_sync_dir(in_dir("none")), -ENOENT);
    assert_int_equal(file_sync_dir(in_dir("c")), -ENOTDIR);
}

struct names {
    char seen[64];
    int stop_after;
};

static int note_name(const char *name, void *ctx)
{
    struct names *names = ctx;
    strcat(names->seen, name);
    return --names->stop_after == 0 ? 77 : 0;
}

static void test_list(void **state)
{
    struct names names = {.seen = ""};
    assert_int_equal(file_list(dir, note_name, &names), 0);
    assert_string_equal(names.seen, "");
    make_file("a", "");
    make_file("b", "");
    assert_int_equal(file_list(dir, note_name, &names), 0);
    assert_true(strcmp(names.seen, "ab") == 0 || strcmp(names.seen, "ba") == 0);
    names = (struct names){.stop_after = 1};
    assert_int_equal(file_list(dir, note_name, &names), 77);
    assert_int_equal(strlen(names.seen), 1);
    assert_int_equal(file_list(in_dir("none"), note_name, &names), -ENOENT);
}

static void test_volume(void **state)
{
    struct file_volume volume;
    assert_int_equal(file_volume(dir, &volume), 0);
    assert_true(volume.total > 0 && volume.available <= volume.total);
    assert_true(volume.block >= 512 && volume.total % volume.block == 0);
    assert_true(volume.inodes_free <= volume.inodes);
    assert_false(volume.read_only);
    assert_int_equal(file_volume(in_dir("none"), &volume), -ENOENT);
}

static void test_lock_against_another_process(void **state)
{
    int status, fd = file_open(in_dir("a"), FILE_CREATE);
    assert_int_equal(file_lock(fd), 0);
    assert_int_equal(file_lock(fd), 0); /* still ours */
    pid_t child = fork();
    if (child == 0) {
        int other = file_open(in_dir("a"), FILE_WRITE);
        _exit(other >= 0 && file_lock(other) == -EWOULDBLOCK ? 0 : 1);
    }
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    file_close(fd);
    fd = file_open(in_dir("a"), FILE_CREATE);
    assert_int_equal(file_lock(fd), 0); /* closing gave it back */
    file_close(fd);
}

static void test_read_all(void **state)
{
    char *data;
    size_t len;
    make_file("a", "12345");
    assert_int_equal(file_read_all(in_dir("a"), 5, &data, &len), 0);
    assert_int_equal(len, 5);
    mem_free(data);
    assert_int_equal(file_read_all(in_dir("a"), 4, &data, &len), -EFBIG);
    assert_int_equal(file_read_all(in_dir("a"), 0, &data, &len), -EFBIG);
    assert_int_equal(file_read_all(in_dir("none"), 5, &data, &len), -ENOENT);
    assert_int_equal(file_read_all(dir, 5, &data, &len), -EISDIR);
    assert_int_equal(file_read_all("/proc/self/status", 1 << 20, &data, &len), 0); /* says size 0 */
    assert_memory_equal(data, "Name:", 5);
    mem_free(data);
    assert_int_equal(file_read_all("/proc/self/status", 10, &data, &len), -EFBIG);
    mem_inject_failure(1);
    assert_int_equal(file_read_all(in_dir("a"), 5, &data, &len), -ENOMEM);
    mem_inject_failure(2); /* while growing */
    assert_int_equal(file_read_all("/proc/self/status", 1 << 20, &data, &len), -ENOMEM);
}

/* Standard input, larger than a pipe holds. */
static void test_read_all_of_stdin(void **state)
{
    int ends[2], status;
    const size_t size = 300000;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        char *data;
        size_t len;
        dup2(ends[0], STDIN_FILENO);
        close(ends[1]);
        bool fine = file_read_all("-", size, &data, &len) == 0 && len == size &&
                    data[size - 1] == 'x' && data[size] == '\0';
        _exit(fine ? 0 : 1);
    }
    close(ends[0]);
    char block[1000];
    memset(block, 'x', sizeof(block));
    for (size_t i = 0; i < size; i += sizeof(block))
        assert_int_equal(write(ends[1], block, sizeof(block)), sizeof(block));
    close(ends[1]);
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
}

static int count_name(const char *name, void *ctx)
{
    ++*(int *)ctx;
    return 0;
}

static void test_replace(void **state)
{
    struct stat st;
    int names = 0;
    assert_int_equal(file_replace(in_dir("a"), "one", 3), 0);
    assert_content("a", "one");
    assert_int_equal(chmod(in_dir("a"), 0666), 0);
    assert_int_equal(file_replace(in_dir("a"), "second", 6), 0);
    assert_content("a", "second");
    assert_int_equal(stat(in_dir("a"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0666);
    assert_int_equal(file_replace(in_dir("a"), NULL, 0), 0);
    assert_content("a", "");
    assert_int_equal(file_list(dir, count_name, &names), 0);
    assert_int_equal(names, 1);
    assert_int_equal(file_replace(in_dir("no/such"), "x", 1), -ENOENT);
}

/* Whatever step fails, the old file stands and no other is left behind. */
static void test_replace_under_faults(void **state)
{
    static const char *const faults[] = {"op=create,errno=EMFILE", "op=write,errno=ENOSPC,short=2",
                                         "op=write,errno=EIO", "op=sync,errno=EIO",
                                         "op=rename,errno=EROFS"};
    static const int errors[] = {EMFILE, ENOSPC, EIO, EIO, EROFS};
    make_file("a", "old");
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        int names = 0;
        add_fault(faults[i]);
        assert_int_equal(file_replace(in_dir("a"), "new", 3), -errors[i]);
        file_fault_clear();
        assert_content("a", "old");
        assert_int_equal(file_list(dir, count_name, &names), 0);
        assert_int_equal(names, 1);
    }
    add_fault("op=sync_dir,errno=EIO");
    assert_int_equal(file_replace(in_dir("a"), "new", 3), -EIO);
    assert_content("a", "new"); /* in place, but perhaps not for long */
}

static int nothing(const char *name, void *ctx)
{
    return 0;
}

/* Calls one operation; its result. fd is a file of the directory, open for writing. */
static int call_op(enum file_op op, int fd)
{
    char buf[4];
    struct file_info info;
    struct file_volume volume;
    int result;

    switch (op) {
    case FILE_OP_OPEN:
    case FILE_OP_CREATE:
        result = file_open(in_dir("x"), op == FILE_OP_OPEN ? FILE_READ : FILE_CREATE);
        file_close(result);
        return MIN_OF(result, 0);
    case FILE_OP_READ:
        result = (int)file_read_at(fd, buf, 4, 0);
        return MIN_OF(result, 0);
    case FILE_OP_WRITE:
        return file_write_at(fd, "data", 4, 0, NULL);
    case FILE_OP_SYNC:
        return file_sync(fd);
    case FILE_OP_RENAME:
        return file_rename(in_dir("x"), in_dir("x"));
    case FILE_OP_REMOVE:
        return file_remove(in_dir("x"));
    case FILE_OP_TRUNCATE:
        return file_truncate(fd, 2);
    case FILE_OP_ALLOCATE:
        return file_allocate(fd, 0, 0, true);
    case FILE_OP_SYNC_DIR:
        return file_sync_dir(dir);
    case FILE_OP_MKDIR:
        return file_mkdir(dir);
    case FILE_OP_LINK:
        return file_link(in_dir("x"), in_dir("y"));
    case FILE_OP_STATVFS:
        return file_volume(dir, &volume);
    case FILE_OP_LIST:
        return file_list(dir, nothing, NULL);
    case FILE_OP_STAT:
        return file_info_fd(fd, &info);
    case FILE_OP_LOCK:
        return file_lock(fd);
    case FILE_OP_COUNT:
        break;
    }
    return -ENOSYS;
}

/* Every operation fails when told to, only that one, by its name; an injected EINTR is never seen.
 */
static void test_every_operation_faults(void **state)
{
    for (int op = 0; op < FILE_OP_COUNT; op++) {
        char text[64];
        make_file("x", "");
        unlink(in_dir("y"));
        int fd = file_open(in_dir("x"), FILE_WRITE);
        snprintf(text, sizeof(text), "op=%s,errno=EDQUOT,times=1", file_op_name((enum file_op)op));
        int id = add_fault(text);
        for (int other = 0; other < FILE_OP_COUNT; other++)
            if (other != op && other != FILE_OP_REMOVE && other != FILE_OP_LINK)
                assert_int_equal(call_op((enum file_op)other, fd), 0);
        assert_int_equal(file_fault_hits(id), 0);
        assert_int_equal(call_op((enum file_op)op, fd), -EDQUOT);
        assert_int_equal(call_op((enum file_op)op, fd), 0);
        assert_int_equal(file_fault_hits(id), 1);
        file_fault_clear();

        make_file("x", "");
        unlink(in_dir("y"));
        snprintf(text, sizeof(text), "op=%s,errno=EINTR,times=3", file_op_name((enum file_op)op));
        id = add_fault(text);
        assert_int_equal(call_op((enum file_op)op, fd), 0);
        assert_int_equal(file_fault_hits(id), 3);
        file_fault_clear();
        file_close(fd);
    }
}

static void test_skip_times_and_order(void **state)
{
    int fd = file_open(in_dir("x"), FILE_CREATE);
    int first = add_fault("op=sync,skip=2,times=2,errno=EIO");
    int second = add_fault("op=sync,skip=3,errno=ENOSPC");
    const int expected[] = {0, 0, -EIO, -EIO, 0, -ENOSPC, -ENOSPC, -ENOSPC};
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        assert_int_equal(file_sync(fd), expected[i]);
    assert_int_equal(file_fault_hits(first), 2);
    assert_int_equal(file_fault_hits(second), 3);
    file_fault_clear();
    assert_int_equal(file_sync(fd), 0);
    assert_int_equal(file_fault_hits(first), 0);
    int third = add_fault("op=sync,errno=EIO");
    assert_true(third > second); /* an old id never means a new rule */
    file_close(fd);
}

static void test_paths(void **state)
{
    int a = file_open(in_dir("incr.1"), FILE_CREATE), b = file_open(in_dir("base"), FILE_CREATE);
    add_fault("path=incr,errno=EIO");
    assert_int_equal(file_sync(b), 0);
    assert_int_equal(file_write_at(b, "b", 1, 0, NULL), 0);
    assert_int_equal(file_sync(a), -EIO);
    assert_int_equal(file_write_at(a, "a", 1, 0, NULL), -EIO);
    assert_int_equal(file_rename(in_dir("incr.1"), in_dir("z")), -EIO);
    assert_int_equal(file_rename(in_dir("base"), in_dir("incr.2")), -EIO);
    assert_int_equal(file_rename(in_dir("base"), in_dir("base2")), 0);
    file_close(a);
    int again = file_open(in_dir("other"), FILE_CREATE); /* the number is used again */
    assert_int_equal(file_sync(again), 0);
    file_close(again);
    file_close(b);
}

static void test_short_calls(void **state)
{
    char buf[8] = {0};
    size_t written = 0;
    int fd = file_open(in_dir("x"), FILE_CREATE_TRUNCATE);
    add_fault("op=write,short=3,errno=ENOSPC,times=1");
    assert_int_equal(file_write_at(fd, "abcdef", 6, 0, &written), -ENOSPC);
    assert_int_equal(written, 3);
    assert_int_equal(file_read_at(fd, buf, 8, 0), 3);
    add_fault("op=write,short=100,errno=ENOSPC,times=1"); /* more than there is */
    assert_int_equal(file_write_at(fd, "abcdef", 6, 0, &written), -ENOSPC);
    assert_int_equal(written, 6);
    int put = add_fault("op=write,short=1"), got = add_fault("op=read,short=2");
    assert_int_equal(file_write_at(fd, "ABCDEF", 6, 0, &written), 0); /* carried on with */
    assert_int_equal(written, 6);
    assert_int_equal(file_read_at(fd, buf, 8, 0), 6);
    assert_memory_equal(buf, "ABCDEF", 6);
    assert_int_equal(file_fault_hits(put), 1);
    assert_int_equal(file_fault_hits(got), 1);
    file_close(fd);
}

static void test_stall_and_lie(void **state)
{
    struct file_volume volume;
    int fd = file_open(in_dir("x"), FILE_CREATE);
    add_fault("op=sync,stall=30,times=1");
    uint64_t start = clock_mono_ms();
    assert_int_equal(file_sync(fd), 0);
    assert_true(clock_mono_ms() - start >= 30);
    int lie = add_fault("op=statvfs,lie=12345");
    assert_int_equal(file_volume(dir, &volume), 0);
    assert_int_equal(volume.available, 12345);
    assert_true(volume.total > 12345);
    assert_int_equal(file_fault_hits(lie), 1);
    add_fault("op=statvfs,lie=0");
    add_fault("op=sync,lie=0");
    assert_int_equal(file_sync(fd), 0);
    file_close(fd);
}

static void test_table_bounds(void **state)
{
    struct file_fault fault = {.op = FILE_OP_LOCK, .error = EIO, .times = 1};
    int fd = file_open(in_dir("x"), FILE_CREATE);
    for (int i = 0; i < 64; i++)
        assert_true(file_fault_add(&fault) > 0);
    assert_int_equal(file_fault_add(&fault), -ENOSPC);
    for (int i = 0; i < 64; i++)
        assert_int_equal(file_lock(fd), -EIO);
    assert_int_equal(file_lock(fd), 0);
    file_fault_clear();
    fault = (struct file_fault){.op = FILE_OP_LOCK, .error = EINTR};
    assert_int_equal(file_fault_add(&fault), -EINVAL);
    file_close(fd);
}

static void test_parse(void **state)
{
    struct file_fault f;
    assert_true(file_fault_parse(
        SLICE("op=write,path=incr,skip=3,times=1,errno=ENOSPC,stall=200,short=10,lie=7"), &f));
    assert_int_equal(f.op, FILE_OP_WRITE);
    assert_string_equal(f.path_part, "incr");
    assert_true(f.skip == 3 && f.times == 1 && f.error == ENOSPC && f.stall_ms == 200);
    assert_true(f.short_bytes == 10 && f.lie && f.lie_available == 7);
    assert_true(file_fault_parse(SLICE("errno=5"), &f));
    assert_int_equal(f.op, FILE_OP_COUNT);
    assert_int_equal(f.error, 5);
    assert_false(f.lie);
    assert_true(file_fault_parse(SLICE("op=any,path=,errno=enospc"), &f));
    assert_string_equal(f.path_part, "");
    for (int op = 0; op < FILE_OP_COUNT; op++) {
        char text[64];
        snprintf(text, sizeof(text), "op=%s", file_op_name((enum file_op)op));
        assert_true(file_fault_parse(slice_str(text), &f));
        assert_int_equal(f.op, op);
    }
    static const char *const wrong[] = {"",          "op",
                                        "op=",       "op=writ",
                                        "=write",    "op=write,",
                                        ",op=write", "op=a,,b=c",
                                        "errno=0",   "errno=EWHATEVER",
                                        "errno=-5",  "errno=99999",
                                        "skip=-1",   "skip=x",
                                        "skip=",     "times=4294967296",
                                        "stall=1s",  "color=red",
                                        "short=1.5", "op = write",
                                        "lie=",      "lie=-1"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (file_fault_parse(slice_str(wrong[i]), &f))
            fail_msg("'%s' was accepted", wrong[i]);
    char long_path[80] = "path=";
    memset(long_path + 5, 'p', 64);
    assert_true(file_fault_parse(slice_of(long_path, 5 + 63), &f));
    assert_int_equal(strlen(f.path_part), 63);
    assert_false(file_fault_parse(slice_of(long_path, 5 + 64), &f));
}

static void *use_door(void *arg)
{
    char name[16];
    snprintf(name, sizeof(name), "t%d", (int)(intptr_t)arg);
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    for (int i = 0; i < 300; i++) {
        int fd = file_open(path, FILE_CREATE);
        char got;
        if (fd < 0 || file_write_at(fd, name + 1, 1, 0, NULL) != 0 ||
            file_read_at(fd, &got, 1, 0) != 1 || got != name[1])
            return "failed";
        file_close(fd);
    }
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[4];
    add_fault("op=write,path=nobody,errno=EIO"); /* so that paths are looked up */
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_door, (void *)(intptr_t)i), 0);
    for (int i = 0; i < 50; i++) {
        int id = add_fault("op=lock,errno=EIO,times=1");
        assert_int_equal(file_fault_hits(id), 0);
        file_fault_clear();
    }
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_null(result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_open_modes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_and_write_at, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_info, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_volume, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lock_against_another_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_all_of_stdin, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace_under_faults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_operation_faults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_skip_times_and_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stall_and_lie, setup, teardown),
        cmocka_unit_test_setup_teardown(test_table_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse, setup, teardown),
        cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
