/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Two TLS filters that are connected by their wires, in random steps: pieces of any size, sending, ends, releasing
 * buffers, and in some runs a wire that corrupts, loses and inserts bytes, or memory that runs out. What arrives is
 * always a prefix of what was sent. On an intact wire it is everything, and ends are reported as they happened. It uses
 * no backend.
 */
#include "base/features.h"
#include "fuzz/support/fuzz.h"

#if EMI_HAVE_OPENSSL

#include <string.h>

#include "support/tls_pair.h"

enum { SIDES = 2, STEPS = 400, MOST_SENT = 100000, CONTEXTS = 4 };

typedef struct side {
    tls_end *end;
    uint64_t sent;    /* plain bytes; the pattern's offset */
    uint64_t checked; /* of what has arrived */
    bool has_ended;   /* seal_end was called */
} side;

static tls_pair pair;
static side sides[SIDES];
static uint64_t dice;
static bool is_bent; /* the wire has corrupted something */

static uint64_t below(uint64_t limit)
{
    return random_below(&dice, limit);
}

/* Made once: clients and servers of several kinds. */
static em_tls_context *context_of(bool is_server, uint64_t kind)
{
    static em_tls_context *made[2][CONTEXTS];
    em_tls_certificate_options certificate = {.size = sizeof certificate,
                                              .certificate_pem = tls_test_credentials()->server_pem};
    em_tls_context_options options = {.size = sizeof options, .ca_pem = tls_test_credentials()->authority_pem};
    if (made[is_server][kind])
        return made[is_server][kind];
    if (kind & 1)
        options.max_version = EM_TLS_1_2;
    if (kind & 2)
        options.session_tickets = EM_OFF;
    if (is_server || (kind & 2))
        options.certificate = &certificate;
    if (is_server && (kind & 2))
        options.client_certificates = EM_TLS_CLIENT_CERTIFICATES_ASK;
    made[is_server][kind] = tls_context_make(&options);
    return made[is_server][kind];
}

static bool can_send(const side *from)
{
    return from->end->filter->is_ready && from->end->filter->failure == EM_OK && !from->has_ended;
}

static void send_some(side *from)
{
    static unsigned char plain[EMI_FILTER_ROOM_BYTES];
    size_t length = from->end->filter->piece_bytes;
    if (!can_send(from) || length == 0 || from->sent > MOST_SENT)
        return;
    length = 1 + below(below(2) ? length : length < 100 ? length : 100);
    pattern_fill(plain, length, from->sent);
    em_status status = from->end->filter->operations->seal(from->end->filter, plain, length);
    FUZZ_CHECK(status == from->end->filter->failure);
    from->sent += length;
}

static void end_sending(side *from)
{
    if (!can_send(from))
        return;
    from->end->filter->operations->seal_end(from->end->filter);
    from->has_ended = true;
}

/* Corrupts the wire. */
static size_t bend(unsigned char *wire, size_t length)
{
    is_bent = true;
    switch (below(3)) {
    case 0:
        wire[below(length)] ^= (unsigned char)(1 + below(255));
        return length;
    case 1:
        return below(length);
    default:
        wire[length] = (unsigned char)below(256);
        return length + 1;
    }
}

static void check_arrived(side *to, const side *from)
{
    size_t length = bytes_length(&to->end->received);
    FUZZ_CHECK(pattern_matches(bytes_at(&to->end->received), length, to->checked));
    to->checked += length;
    FUZZ_CHECK(to->checked <= from->sent);
    bytes_take(&to->end->received, NULL, length);
    atomic_fetch_add(&fuzz_count.bytes, length);
}

static size_t carry(side *from, side *to, size_t most, bool bends)
{
    static unsigned char wire[65536 + 1];
    size_t length = tls_end_take_wire(from->end, wire, most < sizeof wire - 1 ? most : sizeof wire - 1);
    size_t arriving = length > 0 && bends && below(40) == 0 ? bend(wire, length) : length;
    if (arriving > 0 || below(10) == 0)
        tls_end_receive(to->end, wire, arriving);
    check_arrived(to, from);
    return length;
}

static void step(bool bends)
{
    uint64_t number = below(SIDES);
    side *from = &sides[number];
    side *to = &sides[1 - number];
    uint64_t what = below(20);
    if (what < 10)
        carry(from, to, 1 + below(below(3) ? 40000 : 30), bends);
    else if (what < 17)
        send_some(from);
    else if (what < 19)
        from->end->filter->operations->release_buffers(from->end->filter);
    else if (below(12) == 0)
        end_sending(from);
}

static void start(const fuzz_run *run)
{
    tls_pair_open(&pair, context_of(false, below(CONTEXTS)), context_of(true, below(CONTEXTS)));
    sides[0] = (side){.end = &pair.client};
    sides[1] = (side){.end = &pair.server};
    is_bent = false;
    for (unsigned i = 0; i < SIDES; i++) {
        if (run->memory)
            failing_allocator_fail_every(&sides[i].end->allocator, 1 + (unsigned long)below(6));
        tls_end_receive(sides[i].end, NULL, 0);
    }
}

/* Delivers the rest, then checks that everything has arrived. */
static void finish(const fuzz_run *run)
{
    while (carry(&sides[0], &sides[1], SIZE_MAX, false) + carry(&sides[1], &sides[0], SIZE_MAX, false) > 0)
        continue;
    for (unsigned i = 0; i < SIDES; i++) {
        const emi_filter *filter = sides[i].end->filter;
        em_status status = filter->operations->check_end(sides[i].end->filter);
        FUZZ_CHECK(filter->failure == EM_OK || (filter->detail && filter->detail[0]));
        if (is_bent || run->memory)
            continue;
        FUZZ_CHECK(filter->is_ready && filter->failure == EM_OK);
        FUZZ_CHECK(sides[i].checked == sides[1 - i].sent);
        FUZZ_CHECK(status == (sides[1 - i].has_ended ? EM_OK : EM_TLS_TRUNCATED));
        atomic_fetch_add(&fuzz_count.complete, 1);
    }
}

static void run_once(const fuzz_run *run)
{
    start(run);
    for (unsigned i = 0; i < STEPS; i++)
        step(run->calls);
    finish(run);
    for (unsigned i = 0; i < SIDES; i++)
        atomic_fetch_add(&fuzz_count.failed_allocations, atomic_load(&sides[i].end->allocator.failures));
    tls_pair_close(&pair);
    atomic_fetch_add(&fuzz_count.connections, SIDES);
}

static void run(const fuzz_run *given)
{
    enum { ROUNDS = 20 };
    dice = given->seed;
    for (unsigned i = 0; i < ROUNDS; i++)
        run_once(given);
}

#else

static void run(const fuzz_run *given)
{
    (void)given;
}

#endif

int main(int argc, char **argv)
{
    static const fuzz_program program = {.name = "tls_filters", .seeds = 40, .seconds_per_run = 60, .run = run};
    return fuzz_main(argc, argv, &program);
}
