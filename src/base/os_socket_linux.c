/*
 * A socket on which other processes of the same user ask this one for something.
 *
 * The program does not know of its descriptor: it lies high, where programs do not count, and one that closes all
 * that it does not know (a daemon), or hands the number out anew, is noticed by what stands behind it.
 */
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define DESCRIPTOR_MIN 400
#define WAITING_MAX 8
#define ANSWER_MS 500 /* that a peer may make us wait */

static bool has_inode(int fd, uint64_t inode)
{
    struct stat status;
    return fd >= 0 && fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) && status.st_ino == inode;
}

/* What a process that has ended has left behind.  Nothing but a socket that is ours and that nobody answers is taken
 * away.  0, or the error. */
static int remove_stale(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0)
        return errno == ENOENT ? 0 : errno;
    if (!S_ISSOCK(status.st_mode) || status.st_uid != geteuid())
        return EEXIST;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool stale = probe >= 0 && connect(probe, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
    if (probe >= 0)
        close(probe);
    return !stale ? EADDRINUSE : unlink(address->sun_path) != 0 ? errno : 0;
}

/* -error. */
static int bind_high(const struct sockaddr_un *address)
{
    int low = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (low < 0)
        return -errno;
    int fd = fcntl(low, F_DUPFD_CLOEXEC, DESCRIPTOR_MIN);
    if (fd >= 0)
        close(low);
    else
        fd = low;
    /* The mode of the file comes from that of the socket. */
    if (fchmod(fd, 0600) == 0 && bind(fd, (const struct sockaddr *)address, sizeof *address) == 0 && listen(fd, WAITING_MAX) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

static int listen_at(struct os_listener *listener, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct stat status;
    *listener = (struct os_listener){ .fd = -1 };
    if (path[0] != '/')
        return EINVAL;
    if (os_fault() || strlen(path) >= sizeof address.sun_path)
        return ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int error = remove_stale(&address), fd = error == 0 ? bind_high(&address) : -error;
    if (fd < 0)
        return -fd;
    listener->fd = fd;
    if (fstat(fd, &status) == 0)
        listener->inode = status.st_ino;
    return 0;
}

int os_listen(struct os_listener *listener, const char *path)
{
    int saved = errno, error = listen_at(listener, path);
    errno = saved;
    return error;
}

bool os_listener_is_open(const struct os_listener *listener)
{
    int saved = errno;
    bool open = has_inode(listener->fd, listener->inode);
    errno = saved;
    return open;
}

void os_listener_close(struct os_listener *listener)
{
    int saved = errno;
    if (has_inode(listener->fd, listener->inode))
        close(listener->fd);
    listener->fd = -1;
    errno = saved;
}

/* Of the process, that is of its first thread: libc does not tell the helper thread when the program changes its user.
 * Without /proc, that of the thread. */
static unsigned process_user(void)
{
    char text[1024]; /* the line is among the first */
    const char *at = os_read_file("/proc/self/status", text, sizeof text) > 0 ? strstr(text, "\nUid:") : NULL;
    unsigned ids[2] = { 0, 0 }; /* real, effective */
    if (at == NULL)
        return geteuid();
    at += 5;
    for (unsigned i = 0; i < 2; i++) {
        at += strspn(at, "\t ");
        for (; *at >= '0' && *at <= '9'; at++)
            ids[i] = ids[i] * 10 + (unsigned)(*at - '0');
    }
    return ids[1];
}

bool os_is_own_user(void)
{
    return process_user() == geteuid();
}

/* Ours, or root's. */
static bool is_welcome(int connection)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == process_user());
}

static int accept_one(const struct os_listener *listener)
{
    struct timeval limit = { .tv_usec = ANSWER_MS * 1000 };
    int connection = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    if (connection < 0)
        return -1;
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (is_welcome(connection))
        return connection;
    close(connection);
    return -1;
}

int os_listener_wait(const struct os_listener *listener, uint32_t timeout_ms)
{
    int saved = errno, connection = -1;
    struct pollfd event = { .fd = listener->fd, .events = POLLIN };
    if (poll(&event, 1, (int)timeout_ms) > 0) {
        if (event.revents == POLLIN && has_inode(listener->fd, listener->inode)) {
            connection = accept_one(listener);
        } else { /* not ours any more: no reason to hurry */
            struct timespec rest = { .tv_sec = timeout_ms / 1000, .tv_nsec = (long)(timeout_ms % 1000) * 1000000 };
            nanosleep(&rest, NULL);
        }
    }
    errno = saved;
    return connection;
}

/* What has come by then; 0 for nothing. */
static size_t receive_until(int connection, char *buf, size_t capacity, uint64_t until_ms)
{
    uint64_t now_ms = os_clock_ms();
    struct pollfd event = { .fd = connection, .events = POLLIN };
    if (now_ms >= until_ms || poll(&event, 1, (int)(until_ms - now_ms)) <= 0)
        return 0;
    ssize_t n = recv(connection, buf, capacity, MSG_DONTWAIT);
    return n > 0 ? (size_t)n : 0;
}

long os_receive_line(int connection, char *buf, size_t capacity)
{
    int saved = errno;
    size_t length = 0;
    uint64_t until_ms = os_clock_ms() + ANSWER_MS;
    while (length + 1 < capacity) {
        size_t n = receive_until(connection, buf + length, capacity - 1 - length, until_ms);
        if (n == 0)
            break;
        length += n;
        if (memchr(buf, '\n', length) != NULL)
            break;
    }
    buf[length] = '\0';
    char *end = strchr(buf, '\n');
    if (end != NULL)
        *end = '\0';
    errno = saved;
    return end != NULL ? end - buf : -1;
}

void os_send(int connection, const char *text, size_t length)
{
    int saved = errno;
    while (length != 0) {
        ssize_t n = send(connection, text, length, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        text += n;
        length -= (size_t)n;
    }
    errno = saved;
}

void os_unlink(const char *path)
{
    int saved = errno;
    unlink(path);
    errno = saved;
}
