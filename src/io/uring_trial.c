/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Whether io_uring works here. A kernel may be too old, lack operations, forbid it (seccomp(2), the sysctl
 * kernel.io_uring_disabled), or have it and behave otherwise; so a small backend is made and has to carry bytes both ways, through
 * buffers that are too few and too small, and to accept a connection. This is done once per process and takes well under a
 * millisecond.
 */
#include "base/features.h"

#if EMI_HAVE_URING

#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "io/uring_private.h"
#include "system/clock.h"
#include "system/socket.h"

enum { BUFFER_BYTES = 1024, BUFFERS = 2, ENTRIES = 8, TOTAL_BYTES = 10 * BUFFER_BYTES, PIECE_BYTES = 700 };

#define LONGEST_TRIAL_NS 1000000000

typedef enum verdict {
    UNKNOWN,
    INCREMENTAL, /* works, and buffers may be filled piece by piece */
    PLAIN,       /* works, but each arrival takes a buffer of its own */
    TOO_OLD,
    NOT_THERE,
    FORBIDDEN,
    NO_RESOURCES,
    MISBEHAVES
} verdict;

static const char *const refusals[] = {
    [TOO_OLD] = "io_uring: this kernel's is too old",
    [NOT_THERE] = "io_uring: not in this kernel, or hidden by a seccomp filter (ENOSYS)",
    [FORBIDDEN] = "io_uring: forbidden, by a seccomp filter or kernel.io_uring_disabled (EPERM)",
    [NO_RESOURCES] = "io_uring: no memory or no descriptors for a ring",
    [MISBEHAVES] = "io_uring: its self-test failed",
};

/* One end of what is tried. */
typedef struct trial_end {
    emi_channel channel;
    unsigned char outgoing[TOTAL_BYTES];
    size_t sent;
    size_t received;
    unsigned accepted;
    em_status reason; /* what went wrong */
    bool is_released;
} trial_end;

static trial_end *end_of(emi_channel *channel)
{
    return EMI_CONTAINER(channel, trial_end, channel);
}

static unsigned char pattern(size_t at)
{
    return (unsigned char)(at ^ at >> 8);
}

static void data(emi_channel *channel, const void *bytes, size_t length)
{
    trial_end *end = end_of(channel);
    for (size_t i = 0; i < length; i++)
        if (((const unsigned char *)bytes)[i] != pattern(end->received + i))
            end->reason = EM_INVALID_STATE;
    end->received += length;
    emi_channel_send(channel); /* answers by its own */
}

static unsigned gather(emi_channel *channel, emi_span *spans)
{
    trial_end *end = end_of(channel);
    size_t left = TOTAL_BYTES - end->sent;
    if (left == 0)
        return 0;
    size_t first = left < PIECE_BYTES ? left : PIECE_BYTES;
    size_t second = left - first < PIECE_BYTES ? left - first : PIECE_BYTES;
    spans[0] = (emi_span){.data = end->outgoing + end->sent, .length = first};
    spans[1] = (emi_span){.data = end->outgoing + end->sent + first, .length = second};
    return second > 0 ? 2 : 1;
}

static void sent(emi_channel *channel, size_t length)
{
    end_of(channel)->sent += length;
}

static void end(emi_channel *channel)
{
    end_of(channel)->reason = EM_CLOSED;
}

static void failed(emi_channel *channel, em_status reason)
{
    end_of(channel)->reason = reason;
}

static void accepted(emi_channel *channel, int socket, const em_address *peer)
{
    (void)peer;
    end_of(channel)->accepted++;
    emi_socket_close(socket);
}

static void released(emi_channel *channel)
{
    end_of(channel)->is_released = true;
}

static const emi_channel_events events = {
    .data = data,
    .end = end,
    .gather = gather,
    .sent = sent,
    .failed = failed,
    .accepted = accepted,
    .released = released,
};

typedef struct trial {
    emi_backend *backend;
    uint64_t due_ns;
    trial_end ends[3]; /* two of a pair, and a listener */
} trial;

/* EM_OK as long as there is time. */
static em_status turn(trial *made)
{
    const emi_backend_operations *io = made->backend->operations;
    io->flush(made->backend);
    io->wait(made->backend, io->has_work(made->backend) ? 0 : LONGEST_TRIAL_NS / 10);
    io->dispatch(made->backend, 64);
    io->flush(made->backend);
    io->reap(made->backend);
    return emi_clock_now_ns() < made->due_ns ? EM_OK : EM_TIMED_OUT;
}

/* The same; EM_OK as long as nothing went wrong, too. */
static em_status try_turn(trial *made)
{
    em_status status = turn(made);
    for (unsigned i = 0; i < 3 && status == EM_OK; i++)
        status = made->ends[i].reason;
    return status;
}

static em_status attach(trial *made, unsigned index, emi_channel_kind kind, int socket)
{
    trial_end *end = &made->ends[index];
    emi_channel_init(&end->channel, &events);
    end->channel.exact_reads = true; /* by the ring, whatever socket it is */
    for (size_t at = 0; at < TOTAL_BYTES; at++)
        end->outgoing[at] = pattern(at);
    em_status status = made->backend->operations->attach(made->backend, &end->channel, kind, socket, EMI_OURS);
    if (status != EM_OK)
        emi_socket_close(socket);
    return status == EM_OK ? emi_channel_start_receiving(&end->channel) : status;
}

static em_status try_streams(trial *made)
{
    int sockets[2];
    em_status status = emi_socket_pair(sockets);
    if (status != EM_OK)
        return status;
    status = attach(made, 0, EMI_STREAM, sockets[0]);
    if (status != EM_OK) {
        emi_socket_close(sockets[1]);
        return status;
    }
    status = attach(made, 1, EMI_STREAM, sockets[1]);
    emi_channel_send(&made->ends[0].channel);
    while (status == EM_OK && (made->ends[0].received < TOTAL_BYTES || made->ends[1].received < TOTAL_BYTES))
        status = try_turn(made);
    return status;
}

/* A Unix socket of which the system makes the name, unix(7). */
static em_status listen_somewhere(em_address *address, int *listener)
{
    const sa_family_t family = AF_UNIX;
    *address = (em_address){.length = sizeof family};
    memcpy(address->storage.bytes, &family, sizeof family);
    em_status status = emi_socket_open(address, listener);
    if (status != EM_OK)
        return status;
    status = emi_socket_bind(*listener, address);
    if (status == EM_OK)
        status = emi_socket_listen(*listener, 1);
    if (status == EM_OK)
        status = emi_socket_local_address(*listener, address);
    if (status != EM_OK)
        emi_socket_close(*listener);
    return status;
}

static em_status try_accepting(trial *made)
{
    em_address address;
    int listener;
    int client;
    em_status status = listen_somewhere(&address, &listener);
    if (status == EM_OK)
        status = attach(made, 2, EMI_LISTENER, listener);
    if (status == EM_OK)
        status = emi_socket_open(&address, &client);
    if (status != EM_OK)
        return status;
    status = emi_socket_connect(client, &address);
    while (status == EM_OK && made->ends[2].accepted == 0)
        status = try_turn(made);
    emi_socket_close(client);
    return status;
}

static em_status release_all(trial *made)
{
    em_status status = EM_OK;
    for (unsigned i = 0; i < 3; i++) {
        trial_end *end = &made->ends[i];
        if (!end->channel.backend)
            continue;
        emi_channel_release(&end->channel);
        while (status == EM_OK && !end->is_released)
            status = turn(made);
    }
    return status;
}

/* What follows from an error; otherwise: from one that says nothing. */
static verdict judge(em_status status, verdict otherwise)
{
    switch (status) {
    case EM_PERMISSION_DENIED:
        return FORBIDDEN;
    case EM_NO_MEMORY:
    case EM_NO_DESCRIPTORS:
        return NO_RESOURCES;
    default:
        return otherwise;
    }
}

static verdict try_out(bool incremental)
{
    emi_memory memory;
    emi_memory_init(&memory, NULL);
    emi_backend_settings settings = {
        .memory = &memory,
        .receive_buffer_bytes = BUFFER_BYTES,
        .ring_entries = ENTRIES,
        .ring_buffers = BUFFERS,
    };
    trial *made = emi_allocate_zeroed(&memory, sizeof *made);
    if (!made)
        return NO_RESOURCES;
    em_status status = emi_uring_open(&settings, incremental, &made->backend);
    if (status != EM_OK) {
        emi_release(&memory, made);
        return judge(status, status == EM_UNSUPPORTED ? NOT_THERE : TOO_OLD);
    }
    made->due_ns = emi_clock_now_ns() + LONGEST_TRIAL_NS;
    status = try_streams(made);
    if (status == EM_OK)
        status = try_accepting(made);
    made->due_ns = emi_clock_now_ns() + LONGEST_TRIAL_NS;
    if (release_all(made) != EM_OK)
        return MISBEHAVES; /* the kernel may still write there: the memory is left to it */
    made->backend->operations->destroy(made->backend);
    emi_release(&memory, made);
    if (status != EM_OK)
        return judge(status, MISBEHAVES);
    return incremental ? INCREMENTAL : PLAIN;
}

static verdict find_out(void)
{
    static atomic_int known;
    int found = atomic_load(&known);
    if (found == UNKNOWN) {
        found = try_out(true);
        if (found != INCREMENTAL && found != FORBIDDEN && found != NOT_THERE && found != NO_RESOURCES)
            found = try_out(false);
        if (found != NO_RESOURCES) /* that may pass */
            atomic_store(&known, found);
    }
    return (verdict)found;
}

const char *emi_uring_refusal(void)
{
    return refusals[find_out()];
}

em_status emi_uring_create(const emi_backend_settings *settings, emi_backend **backend)
{
    verdict found = find_out();
    if (refusals[found])
        return EM_UNKNOWN_BACKEND;
    return emi_uring_open(settings, found == INCREMENTAL, backend);
}

#endif
