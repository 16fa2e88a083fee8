/* A disk that fails when a test wants it to. Preloaded before libc, it stands between SQLite and the kernel.
 *
 * DISK_FAULTS_DIR      only files below this folder are concerned
 * DISK_FAULTS_CONTROL  while this file exists, it says what happens: "ENOSPC 7" lets seven more changes of those files
 *                      through and fails all later ones; "SLOW 20" lets each fsync take 20 ms; "FREE 0" lets it do nothing
 * DISK_FAULTS_TRACE    each fsync that succeeded adds a line "fsync", each HTTP answer 202 a line "202", each change that
 *                      failed a line "fault"
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) (real_##name ? real_##name : (real_##name = dlsym(RTLD_NEXT, #name)))

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);
static ssize_t (*real_send)(int, const void *, size_t, int);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_ftruncate64)(int, off64_t);
static int (*real_open)(const char *, int, ...);
static int (*real_open64)(const char *, int, ...);

static atomic_long changes;

static void trace(const char *line) {
    const char *path = getenv("DISK_FAULTS_TRACE");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT, 0644) : -1;
    if (fd < 0) return;
    syscall(SYS_write, fd, line, strlen(line));
    syscall(SYS_close, fd);
}

static int below(const char *path) {
    const char *folder = getenv("DISK_FAULTS_DIR");
    return folder && strncmp(path, folder, strlen(folder)) == 0;
}

static int concerns(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return below(path);
}

static int ordered(char *word, long *number) {
    char text[64];
    const char *path = getenv("DISK_FAULTS_CONTROL");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0) : -1;
    if (fd < 0) return 0;
    ssize_t length = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (length <= 0) return 0;
    text[length] = 0;
    return sscanf(text, "%15s %ld", word, number) == 2;
}

/* The errno with which a change of a file fails now; 0 for none. */
static int fault(void) {
    char word[16];
    long number;
    int saved = errno, error = 0;
    if (!ordered(word, &number)) {
        atomic_store(&changes, 0);
    } else if (!strcmp(word, "ENOSPC")) {
        error = ENOSPC;
    } else if (!strcmp(word, "EIO")) {
        error = EIO;
    } else if (!strcmp(word, "EROFS")) {
        error = EROFS;
    }
    if (error && atomic_fetch_add(&changes, 1) < number) error = 0;
    if (error) trace("fault\n");
    errno = saved;
    return error;
}

static void synced(void) {
    char word[16];
    long number;
    if (ordered(word, &number) && !strcmp(word, "SLOW")) usleep((useconds_t)number * 1000);
    trace("fsync\n");
}

static int is_free(void) {
    char word[16];
    long number;
    return ordered(word, &number) && !strcmp(word, "FREE");
}

static void sent(const void *bytes, size_t length) {
    if (length >= 12 && !memcmp(bytes, "HTTP/1.1 202", 12)) trace("202\n");
}

#define FAILS(fd)                            \
    int error = concerns(fd) ? fault() : 0;  \
    if (error) {                             \
        errno = error;                       \
        return -1;                           \
    }

ssize_t write(int fd, const void *bytes, size_t length) {
    sent(bytes, length);
    FAILS(fd)
    return REAL(write)(fd, bytes, length);
}

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    sent(bytes, length);
    return REAL(send)(fd, bytes, length, flags);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (count > 0) sent(parts[0].iov_base, parts[0].iov_len);
    FAILS(fd)
    return REAL(writev)(fd, parts, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    FAILS(fd)
    return REAL(pwrite)(fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    FAILS(fd)
    return REAL(pwrite64)(fd, bytes, length, offset);
}

int ftruncate(int fd, off_t length) {
    FAILS(fd)
    return REAL(ftruncate)(fd, length);
}

int ftruncate64(int fd, off64_t length) {
    FAILS(fd)
    return REAL(ftruncate64)(fd, length);
}

int fsync(int fd) {
    FAILS(fd)
    if (concerns(fd) && is_free()) return 0;
    int result = REAL(fsync)(fd);
    if (!result && concerns(fd)) synced();
    return result;
}

int fdatasync(int fd) {
    FAILS(fd)
    if (concerns(fd) && is_free()) return 0;
    int result = REAL(fdatasync)(fd);
    if (!result && concerns(fd)) synced();
    return result;
}

/* A file system that became read-only refuses to open for writing, too. */
#define OPENS(name)                                                            \
    mode_t mode = 0;                                                           \
    if (flags & (O_CREAT | O_TMPFILE)) {                                       \
        va_list more;                                                          \
        va_start(more, flags);                                                 \
        mode = va_arg(more, mode_t);                                           \
        va_end(more);                                                          \
    }                                                                          \
    if ((flags & O_ACCMODE) != O_RDONLY && below(path) && fault() == EROFS) {  \
        errno = EROFS;                                                         \
        return -1;                                                             \
    }                                                                          \
    return REAL(name)(path, flags, mode);

int open(const char *path, int flags, ...) { OPENS(open) }

int open64(const char *path, int flags, ...) { OPENS(open64) }
