/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The filter for tests. See test_filter.h.
 */
#include "support/test_filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "support/test_clock.h"

enum { HEADER_BYTES = 2, RUN = 0x8000, DEFAULT_PIECE_BYTES = 4096 };

static test_filter *filter_of(emi_filter *filter)
{
    return EMI_CONTAINER(filter, test_filter, filter);
}

static void check(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "test filter: %s\n", what);
    abort();
}

static void enter(test_filter *own)
{
    check(!own->is_running, "called while another function runs");
    check(!own->record || !own->record->forbid_calls, "called where that is forbidden");
    own->is_running = true;
}

static size_t size_of(test_filter *own, size_t given, size_t largest)
{
    size_t bytes = given > 0 ? given : largest;
    return own->options.seed > 0 ? 1 + (size_t)random_below(&own->options.seed, bytes) : bytes;
}

static void want_piece(test_filter *own, bool wants)
{
    own->filter.piece_bytes = wants ? size_of(own, own->options.piece_bytes, DEFAULT_PIECE_BYTES) : 0;
}

/* Records */

static unsigned char reversed(unsigned char byte)
{
    unsigned char result = 0;
    for (unsigned bit = 0; bit < 8; bit++)
        result = (unsigned char)(result << 1 | (byte >> bit & 1));
    return result;
}

static void write_header(byte_buffer *wire, size_t number)
{
    const unsigned char header[HEADER_BYTES] = {(unsigned char)(number >> 8), (unsigned char)number};
    bytes_append(wire, header, sizeof header);
}

void test_filter_write(byte_buffer *wire, const void *plain, size_t length)
{
    const unsigned char *bytes = plain;
    write_header(wire, length);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = reversed(bytes[i]);
        bytes_append(wire, &byte, 1);
    }
}

void test_filter_write_run(byte_buffer *wire, unsigned char byte, size_t length)
{
    unsigned char on_wire = reversed(byte);
    write_header(wire, RUN | length);
    bytes_append(wire, &on_wire, 1);
}

void test_filter_write_end(byte_buffer *wire)
{
    write_header(wire, 0);
}

/* Reads the length of the next record, if all of it has arrived. */
static bool next_record(const byte_buffer *wire, size_t *number)
{
    if (bytes_length(wire) < HEADER_BYTES)
        return false;
    *number = (size_t)bytes_at(wire)[0] << 8 | bytes_at(wire)[1];
    return bytes_length(wire) >= HEADER_BYTES + (*number & RUN ? 1 : *number);
}

bool test_filter_read(byte_buffer *wire, byte_buffer *plain, bool *ended)
{
    size_t number;
    bool any = false;
    for (; next_record(wire, &number); any = true) {
        bytes_take(wire, NULL, HEADER_BYTES);
        size_t length = number & ~(size_t)RUN;
        *ended = *ended || number == 0;
        for (size_t i = 0; i < length; i++) {
            unsigned char byte = reversed(*bytes_at(wire));
            bytes_append(plain, &byte, 1);
            if (!(number & RUN) || i + 1 == length)
                bytes_take(wire, NULL, 1);
        }
    }
    return any;
}

/* From the wire */

static emi_filter_result fail(test_filter *own, em_status failure)
{
    own->has_failed = true;
    own->filter.failure = failure;
    own->filter.detail = "as the test has asked for";
    if (own->options.last_message)
        emi_outbox_append(&own->filter.wire, own->filter.pool, own->options.last_message,
                          strlen(own->options.last_message));
    return EMI_FILTER_FAILED;
}

static em_status send_handshake(test_filter *own)
{
    em_status status = EM_OK;
    own->has_sent_handshake = true;
    for (size_t sent = 0; status == EM_OK && sent < own->options.handshake_bytes; sent++) {
        const char byte = TEST_FILTER_HANDSHAKE_BYTE;
        status = emi_outbox_append(&own->filter.wire, own->filter.pool, &byte, 1);
    }
    return status;
}

static emi_filter_result shake_hands(test_filter *own)
{
    test_clock_advance(own->options.handshake_cost_ns);
    if (!own->options.answers && !own->has_sent_handshake && send_handshake(own) != EM_OK)
        return fail(own, EM_NO_MEMORY);
    while (bytes_length(&own->taken) > 0 && own->heard_bytes < own->options.handshake_bytes) {
        if (*bytes_at(&own->taken) != TEST_FILTER_HANDSHAKE_BYTE)
            return fail(own, EM_PROTOCOL_ERROR);
        bytes_take(&own->taken, NULL, 1);
        own->heard_bytes++;
    }
    if (own->heard_bytes < own->options.handshake_bytes)
        return EMI_FILTER_STARVED;
    if (!own->has_sent_handshake && send_handshake(own) != EM_OK)
        return fail(own, EM_NO_MEMORY);
    own->filter.is_ready = true;
    return EMI_FILTER_PROGRESS;
}

/* Starts the next record. */
static emi_filter_result begin_record(test_filter *own)
{
    size_t number;
    if (!next_record(&own->taken, &number))
        return EMI_FILTER_STARVED;
    bytes_take(&own->taken, NULL, HEADER_BYTES);
    own->record_bytes = number & ~(size_t)RUN;
    own->is_run = number & RUN;
    own->has_ended = number == 0;
    return own->has_ended ? EMI_FILTER_ENDED : EMI_FILTER_PROGRESS;
}

static size_t read_record(test_filter *own, unsigned char *plain, size_t room)
{
    size_t length = 0;
    while (own->record_bytes > 0 && length < room) {
        plain[length++] = reversed(*bytes_at(&own->taken));
        own->record_bytes--;
        if (!own->is_run || own->record_bytes == 0)
            bytes_take(&own->taken, NULL, 1);
    }
    return length;
}

static emi_filter_result read_plain(test_filter *own, unsigned char *plain, size_t *length)
{
    size_t room = size_of(own, own->options.plain_bytes, EMI_FILTER_ROOM_BYTES);
    if (own->options.is_transparent) {
        *length = bytes_take(&own->taken, plain, room);
        return *length > 0 ? EMI_FILTER_PROGRESS : EMI_FILTER_STARVED;
    }
    emi_filter_result result = own->record_bytes > 0 ? EMI_FILTER_PROGRESS : begin_record(own);
    if (result == EMI_FILTER_PROGRESS)
        *length = read_record(own, plain, room);
    return result;
}

static em_status put_end(test_filter *own)
{
    byte_buffer wire = {.data = NULL};
    own->holds_end = false;
    test_filter_write_end(&wire);
    em_status status = emi_outbox_append(&own->filter.wire, own->filter.pool, bytes_at(&wire), bytes_length(&wire));
    bytes_free(&wire);
    return status;
}

static void take_input(test_filter *own, emi_bytes *input)
{
    size_t length = size_of(own, own->options.bite_bytes, input->length > 0 ? input->length : 1);
    length = length < input->length ? length : input->length;
    bytes_append(&own->taken, input->next, length);
    input->next += length;
    input->length -= length;
}

static emi_filter_result read_on(test_filter *own, emi_bytes *input, unsigned char *plain, size_t *length)
{
    if (own->open_failure != EM_OK || own->has_failed)
        return own->has_failed ? EMI_FILTER_FAILED : fail(own, own->open_failure);
    if (own->has_ended)
        return EMI_FILTER_ENDED;
    take_input(own, input);
    emi_filter_result result = own->filter.is_ready ? read_plain(own, plain, length) : shake_hands(own);
    return result == EMI_FILTER_STARVED && input->length > 0 ? EMI_FILTER_PROGRESS : result;
}

/* To the wire */

static em_status put(test_filter *own, const byte_buffer *wire)
{
    return emi_outbox_append(&own->filter.wire, own->filter.pool, bytes_at(wire), bytes_length(wire));
}

static bool is_run(const unsigned char *bytes, size_t length)
{
    return length > 1 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static em_status write_record(test_filter *own, const void *plain, size_t length)
{
    byte_buffer wire = {.data = NULL};
    if (own->options.is_transparent)
        bytes_append(&wire, plain, length);
    else if (is_run(plain, length))
        test_filter_write_run(&wire, *(const unsigned char *)plain, length);
    else
        test_filter_write(&wire, plain, length);
    em_status status = put(own, &wire);
    bytes_free(&wire);
    return status;
}

static em_status write_held(test_filter *own)
{
    emi_span span;
    em_status status = EM_OK;
    while (status == EM_OK && emi_outbox_gather(&own->filter.held, &span, 1) > 0) {
        status = write_record(own, span.data, span.length);
        emi_outbox_consume(&own->filter.held, own->filter.pool, span.length);
    }
    return status;
}

static emi_filter_result open_input(emi_filter *filter, emi_bytes *input, void *plain, size_t *length)
{
    test_filter *own = filter_of(filter);
    enter(own);
    check(own->has_begun || input->length == 0, "the first call brings input");
    own->has_begun = true;
    if (own->record)
        own->record->opens++;
    *length = 0;
    if (filter->piece_bytes == 0)
        want_piece(own, true);
    if (write_held(own) != EM_OK || (own->holds_end && put_end(own) != EM_OK))
        own->open_failure = EM_NO_MEMORY;
    void (*on_open)(void *user) = own->on_open;
    own->on_open = NULL;
    if (on_open)
        on_open(own->user);
    emi_filter_result result = read_on(own, input, plain, length);
    own->is_running = false;
    return result;
}

static em_status seal(emi_filter *filter, const void *plain, size_t length)
{
    test_filter *own = filter_of(filter);
    enter(own);
    check(filter->is_ready && !own->has_failed, "sealing before it is ready, or after a failure");
    check(length > 0 && length <= filter->piece_bytes, "sealing a piece of another size");
    if (own->record)
        own->record->seals++;
    em_status status = own->seal_failure;
    if (status == EM_OK && own->options.holds_pieces)
        status = emi_outbox_append(&filter->held, filter->pool, plain, length);
    else if (status == EM_OK)
        status = write_record(own, plain, length);
    want_piece(own, !own->options.stalls && filter->held.bytes == 0);
    own->is_running = false;
    return status;
}

static em_status seal_end(emi_filter *filter)
{
    test_filter *own = filter_of(filter);
    enter(own);
    check(filter->is_ready && !own->has_failed && !own->has_sealed_end && filter->piece_bytes > 0,
          "the end is sealed twice, or out of turn");
    own->has_sealed_end = true;
    if (own->record)
        own->record->ends++;
    em_status status = own->seal_end_failure;
    own->holds_end = own->options.holds_end;
    if (own->holds_end)
        want_piece(own, false);
    else if (status == EM_OK && !own->options.is_transparent)
        status = put_end(own);
    own->is_running = false;
    return status;
}

/* Creating and destroying it */

static em_status check_end(emi_filter *filter)
{
    const test_filter *own = filter_of(filter);
    check(!own->is_running && !own->has_failed, "the end is checked out of turn");
    filter->detail = "the test filter's peer has sent no end";
    bool is_whole = filter->is_ready && (own->has_ended || own->options.is_transparent);
    return is_whole ? EM_OK : EM_CONNECTION_ABORTED;
}

static void release_buffers(emi_filter *filter)
{
    test_filter *own = filter_of(filter);
    enter(own);
    if (own->record)
        own->record->releases++;
    own->is_running = false;
}

static void destroy(emi_filter *filter)
{
    test_filter *own = filter_of(filter);
    check(!own->is_running, "destroyed while a function runs");
    check(filter->wire.bytes == 0, "destroyed with a full wire");
    if (own->record)
        own->record->destroyed++;
    if (filter->held.bytes > 0)
        emi_outbox_clear(&filter->held, filter->pool);
    bytes_free(&own->taken);
    free(own);
}

static const emi_filter_operations operations = {
    .open = open_input,
    .seal = seal,
    .seal_end = seal_end,
    .check_end = check_end,
    .release_buffers = release_buffers,
    .destroy = destroy,
};

/* For filters without a record: they have no `release_buffers`, so they need no timer. */
static const emi_filter_operations operations_without_buffers = {
    .open = open_input,
    .seal = seal,
    .seal_end = seal_end,
    .check_end = check_end,
    .destroy = destroy,
};

test_filter *test_filter_create(const test_filter_options *options, test_filter_record *record)
{
    test_filter *own = calloc(1, sizeof *own);
    check(own, "out of memory");
    own->filter.operations = record ? &operations : &operations_without_buffers;
    own->options = *options;
    own->record = record;
    own->filter.is_ready = options->handshake_bytes == 0;
    want_piece(own, true);
    return own;
}
