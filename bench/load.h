/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Shared by the parts of the load generator: its options, its clock, how it connects, what it sends and how it observes
 * the server's process. The modes are in load_echo.c, load_accept.c, load_idle.c, load_bulk.c, load_file.c and
 * load_datagrams.c. The first three can use TLS.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct load_options {
    const char *mode;
    const char *host;
    uint16_t port;
    pid_t server; /* 0: not told, then nothing is said about its processor time and memory */
    unsigned connections;
    unsigned size_bytes;
    unsigned pipeline; /* messages in flight per connection */
    uint64_t bytes;    /* in all, of the bulk mode; of each connection, of the file mode */
    double seconds;
    double warmup_seconds;
    bool tls;
    bool resume;   /* TLS sessions */
    bool segments; /* of the datagrams mode: several datagrams are sent and received as one message */
};

/* The modes. Each prints one line of JSON and returns the exit status of the program. */
int load_echo(const struct load_options *options);
int load_accept(const struct load_options *options);
int load_idle(const struct load_options *options);
int load_bulk(const struct load_options *options);
int load_datagrams(const struct load_options *options);
int load_file(const struct load_options *options);

/* Prints what failed, with errno's text where errno is not 0, and ends the program. */
_Noreturn void load_fail(const char *what);

uint64_t load_now_ns(void);
void *load_allocate(size_t count, size_t size);

/* A blocking connection with Nagle's algorithm off. Successive calls use other source addresses of the loopback network
 * before the ports of one address run out. */
int load_connect(const struct load_options *options, unsigned index);

/* Closes with a reset, so that neither side keeps the port in TIME_WAIT. */
void load_reset(int fd);

/*
 * A connection that is plain or speaks TLS. It must stay at its address while it is open. With --resume,
 * load_stream_start resumes the TLS session of the connection that was open there before.
 */
struct load_stream {
    int fd;
    struct ssl_st *tls; /* NULL: plain */
    struct ssl_session_st *session;
    bool is_drained; /* load_stream_receive took all that the kernel had */
};

/* Connects. A handshake of TLS has begun only: load_stream_receive completes it, and nothing can be sent before. */
void load_stream_start(struct load_stream *stream, const struct load_options *options, unsigned index);

/* Connects, and waits until a handshake of TLS is complete. */
void load_stream_open(struct load_stream *stream, const struct load_options *options, unsigned index);

/* Waits until there is something to receive. */
void load_stream_wait(const struct load_stream *stream);

/* As send and recv with MSG_DONTWAIT: -1 and EAGAIN if nothing can be sent, or nothing is there for the caller. What
 * could not be sent with TLS is to be sent next. The buffer has LOAD_CHUNK_BYTES bytes. */
ssize_t load_stream_send(struct load_stream *stream, const void *data, size_t length);
ssize_t load_stream_receive(struct load_stream *stream, unsigned char *buffer);

/* Closes with a reset. */
void load_stream_reset(struct load_stream *stream);

/* The same for TLS alone, used by load_stream.c. */
void load_tls_start(struct load_stream *stream, const struct load_options *options);
void load_tls_complete_handshake(struct load_stream *stream);
ssize_t load_tls_send(struct load_stream *stream, const void *data, size_t length);
ssize_t load_tls_receive(struct load_stream *stream, unsigned char *buffer);
void load_tls_free(struct load_stream *stream);

/* After the handshake: whether the server has resumed the session. */
bool load_tls_is_resumed(const struct load_stream *stream);

/* Processor time of the server with all its threads, including those that have ended; exact to the nanosecond while it
 * runs. */
uint64_t load_server_cpu_ns(pid_t server);

/* Private memory of the server in bytes, read until it has not changed for a while (at most 3 seconds). */
uint64_t load_server_memory(pid_t server);

/*
 * The bytes of every connection: an endless stream that repeats after LOAD_PATTERN_PERIOD bytes. Each connection starts
 * at its own offset, so bytes that arrive on the wrong connection, twice or not at all are detected. The pointer is
 * valid for LOAD_CHUNK_BYTES bytes.
 */
enum { LOAD_PATTERN_PERIOD = 4093, LOAD_CHUNK_BYTES = 65536 };

void load_pattern_fill(void);
const unsigned char *load_pattern_at(uint64_t offset);

/* Latencies in nanoseconds; 128 buckets for each power of two, so a percentile is exact to 0.8 %. */
void load_histogram_clear(void);
void load_histogram_add(uint64_t latency_ns);
double load_histogram_percentile_us(double percentile);

#endif
