/* Loaded before the C library: fsync and fdatasync fail while the file that SHIM_FLAG names exists. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int is_failing(void) {
    const char *flag = getenv("SHIM_FLAG");
    return flag != NULL && access(flag, F_OK) == 0;
}

static int call(const char *name, int descriptor) {
    if (is_failing()) {
        errno = EIO;
        return -1;
    }
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return real(descriptor);
}

int fsync(int descriptor) { return call("fsync", descriptor); }

int fdatasync(int descriptor) { return call("fdatasync", descriptor); }
