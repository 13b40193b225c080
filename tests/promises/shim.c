/* Preloaded into a bridge: says in which order requests arrive, the database is synced and
 * answers leave, keeps what the disk is known to hold, and makes the disk fail.
 *
 * SHIM_FOLDER is where it works:
 *   trace      one line for each event, in the order in which they happened:
 *                r FD        the head of a subscribe request was read
 *                b FILE      a sync of FILE begins
 *                e FILE      … and has succeeded; a sync that fails has no such line
 *                w FD N      the N-th answer with status 202 is about to leave
 *   disk/      each file of the database as it was at its last successful sync
 *   left/N/    the same at the time of the N-th 202, for N up to SHIM_KEEP
 *   no-sync    while this exists, syncs of the database fail with EIO
 *   no-space   while this exists, writes to the database fail with ENOSPC
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ASKED "POST /subscribe"
#define PROMISED "HTTP/1.1 202"

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static int promises;

static const char *in_folder(char *path, const char *name) {
    snprintf(path, PATH_MAX, "%s/%s", getenv("SHIM_FOLDER"), name);
    return path;
}

static int there(const char *name) {
    char path[PATH_MAX];
    return access(in_folder(path, name), F_OK) == 0;
}

static void note(const char *form, ...) {
    static int trace = -1;
    char line[PATH_MAX], path[PATH_MAX];
    va_list given;
    va_start(given, form);
    int length = vsnprintf(line, sizeof line, form, given);
    va_end(given);
    if (trace < 0)
        trace = open(in_folder(path, "trace"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    syscall(SYS_write, trace, line, length);
}

/* The name of the database's file behind a descriptor, or NULL. */
static const char *database_file(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0)
        return NULL;
    path[length] = 0;
    const char *name = strrchr(path, '/');
    if (name == NULL)
        return NULL;
    name++;
    return strcmp(name, "bridge.db") == 0 || strcmp(name, "bridge.db-wal") == 0 ? name : NULL;
}

/* Renamed into place, so that a link to an older copy stays as it was. */
static void keep_copy(const char *path, const char *name) {
    char fresh[PATH_MAX], kept[PATH_MAX], relative[64], bytes[65536];
    snprintf(relative, sizeof relative, "disk/%s", name);
    in_folder(kept, relative);
    in_folder(fresh, "disk/fresh");
    int from = open(path, O_RDONLY | O_CLOEXEC);
    int to = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (ssize_t length; (length = read(from, bytes, sizeof bytes)) > 0;)
        if (syscall(SYS_write, to, bytes, length) != length)
            abort();
    close(from);
    close(to);
    if (rename(fresh, kept) != 0)
        abort();
}

static void keep_disk(int number) {
    static const char *const names[] = {"bridge.db", "bridge.db-wal"};
    char folder[PATH_MAX], from[PATH_MAX], to[PATH_MAX], relative[64];
    snprintf(relative, sizeof relative, "left/%d", number);
    mkdir(in_folder(folder, relative), 0700);
    for (int i = 0; i < 2; i++) {
        snprintf(relative, sizeof relative, "disk/%s", names[i]);
        in_folder(from, relative);
        snprintf(relative, sizeof relative, "left/%d/%s", number, names[i]);
        link(from, in_folder(to, relative)); /* what was never synced is not on the disk */
    }
}

static int synced(int fd, int (*sync)(int)) {
    char path[PATH_MAX];
    const char *name = database_file(fd, path);
    if (name == NULL)
        return sync(fd);
    if (there("no-sync")) {
        errno = EIO;
        return -1;
    }
    pthread_mutex_lock(&order);
    note("b %s\n", name);
    pthread_mutex_unlock(&order);
    int result = sync(fd);
    pthread_mutex_lock(&order);
    if (result == 0) {
        keep_copy(path, name);
        note("e %s\n", name);
    }
    pthread_mutex_unlock(&order);
    return result;
}

int fsync(int fd) { return synced(fd, REAL(fsync)); }
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }

static int full(int fd) {
    char path[PATH_MAX];
    return there("no-space") && database_file(fd, path) != NULL;
}

static void leaving(int fd, const void *bytes, size_t size) {
    if (size < strlen(PROMISED) || memcmp(bytes, PROMISED, strlen(PROMISED)) != 0)
        return;
    pthread_mutex_lock(&order);
    promises++;
    if (promises <= atoi(getenv("SHIM_KEEP")))
        keep_disk(promises);
    note("w %d %d\n", fd, promises);
    pthread_mutex_unlock(&order);
}

static void arrived(int fd, const void *bytes, ssize_t size) {
    if (size < (ssize_t)strlen(ASKED) || memcmp(bytes, ASKED, strlen(ASKED)) != 0)
        return;
    pthread_mutex_lock(&order);
    note("r %d\n", fd);
    pthread_mutex_unlock(&order);
}

#define NO_SPACE_IF_FULL(fd) \
    if (full(fd)) {          \
        errno = ENOSPC;      \
        return -1;           \
    }

ssize_t write(int fd, const void *bytes, size_t size) {
    NO_SPACE_IF_FULL(fd)
    leaving(fd, bytes, size);
    return REAL(write)(fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
    NO_SPACE_IF_FULL(fd)
    return REAL(pwrite)(fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    NO_SPACE_IF_FULL(fd)
    return REAL(pwrite64)(fd, bytes, size, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    NO_SPACE_IF_FULL(fd)
    if (count > 0)
        leaving(fd, parts[0].iov_base, parts[0].iov_len);
    return REAL(writev)(fd, parts, count);
}

ssize_t send(int fd, const void *bytes, size_t size, int flags) {
    leaving(fd, bytes, size);
    return REAL(send)(fd, bytes, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    if (message->msg_iovlen > 0)
        leaving(fd, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
    return REAL(sendmsg)(fd, message, flags);
}

ssize_t read(int fd, void *bytes, size_t size) {
    ssize_t length = REAL(read)(fd, bytes, size);
    arrived(fd, bytes, length);
    return length;
}

ssize_t recv(int fd, void *bytes, size_t size, int flags) {
    ssize_t length = REAL(recv)(fd, bytes, size, flags);
    arrived(fd, bytes, length);
    return length;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    ssize_t length = REAL(recvmsg)(fd, message, flags);
    if (length > 0 && message->msg_iovlen > 0)
        arrived(fd, message->msg_iov[0].iov_base, length);
    return length;
}
