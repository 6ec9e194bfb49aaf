/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A filter for tests, which does everything that base/filter.h allows. Its wire carries records: a length of two bytes
 * and as many bytes with their bits reversed; or, for a run of equal bytes, the length of the run with the highest bit
 * set and the byte once, so that a filter also returns more bytes than it consumes. A record without bytes is the end.
 * The bytes of a handshake precede the records. The filter aborts the program if one of its functions is called while
 * another one runs, or in a state in which it must not be called.
 */
#ifndef TEST_FILTER_H
#define TEST_FILTER_H

#include "base/filter.h"
#include "support/bytes.h"

typedef struct test_filter_options {
    bool is_transparent;        /* the wire carries the plain bytes as they are: no records, no end */
    size_t handshake_bytes;     /* to be sent, and to be received, before it is ready */
    bool answers;               /* sends its part of the handshake only after the peer's */
    uint64_t handshake_cost_ns; /* by which each call advances a stopped clock until it is ready */
    size_t bite_bytes;          /* the most wire bytes consumed by a call; 0: all */
    size_t plain_bytes;         /* the most plain bytes returned by a call; 0: EMI_FILTER_ROOM_BYTES */
    size_t piece_bytes;         /* of a record; 0: 4096 */
    uint64_t seed;              /* not 0: the three sizes above are the largest of random ones */
    bool stalls;                /* accepts one plain piece, and no more until the next `open` */
    bool holds_pieces;          /* accepts one plain piece, and puts it on the wire at the next `open` */
    bool holds_end;             /* takes the end, and puts it on the wire at the next `open` */
    const char *last_message;   /* put on the wire unchanged when it fails; or NULL */
} test_filter_options;

/** Counts the calls of a filter, and outlives it. */
typedef struct test_filter_record {
    unsigned opens, seals, ends, releases, destroyed;
    bool forbid_calls; /* any call except `destroy` aborts the program */
} test_filter_record;

typedef struct test_filter {
    emi_filter filter;
    test_filter_options options;
    test_filter_record *record; /* or NULL */
    byte_buffer taken;          /* wire bytes that were consumed, but not returned */
    size_t heard_bytes;         /* of the peer's handshake */
    size_t record_bytes;        /* left of the current record */
    bool is_run;                /* the current record is a run of equal bytes */
    bool has_begun, has_sent_handshake, has_ended, has_sealed_end, has_failed, is_running;
    bool holds_end;              /* now */
    void (*on_open)(void *user); /* called within the next `open`, as a TLS library calls back; or NULL */
    void *user;
    em_status open_failure; /* of the next call, if not EM_OK */
    em_status seal_failure;
    em_status seal_end_failure;
} test_filter;

/** record: may be NULL. The filter frees itself in `destroy`. */
test_filter *test_filter_create(const test_filter_options *options, test_filter_record *record);

/* The wire format, for a peer without a filter */

/** Appends a record. 0 < length < 32768. */
void test_filter_write(byte_buffer *wire, const void *plain, size_t length);
/** Appends a record for `length` equal bytes. */
void test_filter_write_run(byte_buffer *wire, unsigned char byte, size_t length);
/** Appends the end. */
void test_filter_write_end(byte_buffer *wire);
/** Moves the contents of whole records to `plain`. Returns false if there are none. *ended is set at the end. */
bool test_filter_read(byte_buffer *wire, byte_buffer *plain, bool *ended);

/** The byte that the handshake consists of. */
#define TEST_FILTER_HANDSHAKE_BYTE 'h'

#endif
