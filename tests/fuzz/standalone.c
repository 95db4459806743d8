/* standalone.c - a fuzzer as a plain program: runs the files named on the command line through
 * it, once each. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return -1;
    }
    uint8_t *data = NULL;
    size_t len = 0, cap = 0, got;
    do {
        if (len == cap) {
            cap = cap ? cap * 2 : 65536;
            data = realloc(data, cap);
            if (!data)
                abort();
        }
        got = fread(data + len, 1, cap - len, file);
        len += got;
    } while (got > 0);
    int failed = ferror(file);
    fclose(file);
    if (failed) {
        perror(path);
    } else {
        data = realloc(data, len ? len : 1); /* exact, so that a sanitizer sees reads beyond it */
        LLVMFuzzerTestOneInput(data, len);
    }
    free(data);
    return failed ? -1 : 0;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed |= run_file(argv[i]) != 0;
    printf("%d file(s)%s\n", argc - 1, failed ? ", some unreadable" : "");
    return failed;
}
