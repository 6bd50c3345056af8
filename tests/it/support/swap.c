/* Loaded before the C library: whatever is started as an examiner first puts $SWAP_FROM in the place of $SWAP_TO. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((constructor)) static void swap(int argc, char **argv) {
    const char *from = getenv("SWAP_FROM"), *to = getenv("SWAP_TO");
    if (argc > 1 && !strcmp(argv[1], "--examine-sqlite") && from && to) rename(from, to);
}
