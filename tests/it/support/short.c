/* Loaded before the C library: reads and writes do less than they were asked for, as pread(2) and write(2) allow. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/types.h>

static size_t less(size_t n) {
    static unsigned state = 1;
    state = state * 1103515245u + 12345u;
    return n < 2 ? n : 1 + (state >> 8) % (n < 40000 ? n : 40000);
}

#define SHORT(name, result, parameters, arguments)                      \
    result name parameters {                                            \
        static result(*real) parameters;                                \
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);           \
        n = less(n);                                                    \
        return real arguments;                                          \
    }

SHORT(read, ssize_t, (int f, void *b, size_t n), (f, b, n))
SHORT(write, ssize_t, (int f, const void *b, size_t n), (f, b, n))
SHORT(pread, ssize_t, (int f, void *b, size_t n, off_t at), (f, b, n, at))
SHORT(pread64, ssize_t, (int f, void *b, size_t n, off64_t at), (f, b, n, at))
SHORT(pwrite, ssize_t, (int f, const void *b, size_t n, off_t at), (f, b, n, at))
SHORT(pwrite64, ssize_t, (int f, const void *b, size_t n, off64_t at), (f, b, n, at))
