/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The load generator: a closed loop, one thread, epoll. It measures one server from outside and prints one line of
 * JSON.
 *
 *   echo    messages per second, the server's processor time per message, latency at p50, p99 and p99.9
 *   accept  connections per second that are opened, echo one message and are reset; processor time of each
 *   idle    memory of the server per open connection that has nothing to do
 *   bulk    processor time of the server for receiving and discarding, over one connection
 *   datagrams  as echo, over UDP; --connections are sockets
 *   file    processor time and memory of the server for sending a file to each connection
 *
 * With --tls, echo, accept and idle speak TLS 1.3. Then accept measures handshakes, and with --resume, resumed ones.
 *
 * It checks every byte that comes back and fails if one is wrong. It never runs longer than requested plus half a
 * minute.
 */
#include "load.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char usage[] = "usage: load [options] PORT\n"
                            "  --mode NAME        what to measure: echo, accept, idle, bulk, file or datagrams (echo)\n"
                            "  --host ADDRESS     IPv4 address of the server (127.0.0.1)\n"
                            "  --connections N    connections open at a time (100)\n"
                            "  --size BYTES       of a message (64)\n"
                            "  --pipeline N       messages in flight per connection (1)\n"
                            "  --bytes N          in the bulk mode, or of each connection in the file mode (1 GiB)\n"
                            "  --seconds S        measured interval (1)\n"
                            "  --warmup S         before it (0.3)\n"
                            "  --pid PID          the server's process, for its processor time and memory\n"
                            "  --tls              TLS 1.3 (not in the bulk and file modes)\n"
                            "  --resume           resume TLS sessions (in the accept mode)\n"
                            "  --segments         datagrams: UDP_SEGMENT and UDP_GRO\n";

static const struct option long_options[] = {
    {"mode", required_argument, NULL, 'm'},
    {"host", required_argument, NULL, 'h'},
    {"connections", required_argument, NULL, 'c'},
    {"size", required_argument, NULL, 'b'},
    {"pipeline", required_argument, NULL, 'p'},
    {"bytes", required_argument, NULL, 'n'},
    {"seconds", required_argument, NULL, 's'},
    {"warmup", required_argument, NULL, 'w'},
    {"pid", required_argument, NULL, 'P'},
    {"tls", no_argument, NULL, 't'},
    {"resume", no_argument, NULL, 'r'},
    {"segments", no_argument, NULL, 'g'},
    {"help", no_argument, NULL, '?'},
    {NULL, 0, NULL, 0},
};

static _Noreturn void refuse(void)
{
    fputs(usage, stderr);
    exit(2);
}

static double number(const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end || !(value >= least && value <= most)) {
        fprintf(stderr, "load: %s is not a number from %g to %g\n", text, least, most);
        refuse();
    }
    return value;
}

static struct load_options parse(int argc, char **argv)
{
    struct load_options options = {.mode = "echo",
                                   .host = "127.0.0.1",
                                   .connections = 100,
                                   .size_bytes = 64,
                                   .pipeline = 1,
                                   .bytes = 1 << 30,
                                   .seconds = 1,
                                   .warmup_seconds = 0.3};
    int option;

    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
        case 'm':
            options.mode = optarg;
            break;
        case 'h':
            options.host = optarg;
            break;
        case 'c':
            options.connections = (unsigned)number(optarg, 1, 1000000);
            break;
        case 'b':
            options.size_bytes = (unsigned)number(optarg, 1, 1 << 24);
            break;
        case 'p':
            options.pipeline = (unsigned)number(optarg, 1, 65536);
            break;
        case 'n':
            options.bytes = (uint64_t)number(optarg, 1, 1e15);
            break;
        case 's':
            options.seconds = number(optarg, 0.01, 3600);
            break;
        case 'w':
            options.warmup_seconds = number(optarg, 0, 600);
            break;
        case 'P':
            options.server = (pid_t)number(optarg, 1, 1 << 30);
            break;
        case 't':
            options.tls = true;
            break;
        case 'r':
            options.resume = true;
            break;
        case 'g':
            options.segments = true;
            break;
        default:
            refuse();
        }
    }
    if (optind != argc - 1 || (options.resume && !options.tls))
        refuse();
    options.port = (uint16_t)number(argv[optind], 1, 65535);
    return options;
}

static void raise_descriptor_limit(unsigned connections)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        load_fail("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        load_fail("setrlimit");
    if (connections + 64UL > limit.rlim_cur) {
        errno = 0;
        load_fail("more connections asked for than descriptors allowed (see ulimit -Hn)");
    }
}

int main(int argc, char **argv)
{
    struct load_options options = parse(argc, argv);

    signal(SIGPIPE, SIG_IGN);
    alarm((unsigned)(options.seconds + options.warmup_seconds) + 30);
    raise_descriptor_limit(options.connections);
    load_pattern_fill();
    if (strcmp(options.mode, "echo") == 0)
        return load_echo(&options);
    if (strcmp(options.mode, "accept") == 0)
        return load_accept(&options);
    if (strcmp(options.mode, "idle") == 0)
        return load_idle(&options);
    if (strcmp(options.mode, "bulk") == 0 && !options.tls)
        return load_bulk(&options);
    if (strcmp(options.mode, "datagrams") == 0 && !options.tls)
        return load_datagrams(&options);
    if (strcmp(options.mode, "file") == 0 && !options.tls)
        return load_file(&options);
    refuse();
}
