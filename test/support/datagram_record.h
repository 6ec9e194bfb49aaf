/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A datagram socket's user who records what is reported, for tests of the public API.
 */
#ifndef TEST_DATAGRAM_RECORD_H
#define TEST_DATAGRAM_RECORD_H

#include <stdbool.h>

#include <eventmachine.h>

enum { DATAGRAM_RECORDS = 4096, DATAGRAM_TEXT_BYTES = 32 };

typedef struct datagram_record datagram_record;
typedef void (*datagram_action)(datagram_record *record, const em_datagram *datagram);

struct datagram_record {
    em_datagram_socket *socket; /* NULL after unbind */
    unsigned post_inits, received, failures, remote_failures, drained, unbinds;
    em_status reason;

    /* of the datagram received last */
    em_datagram last;
    em_address peer, local, destination; /* empty if there was none */
    bool has_local, has_destination;
    size_t lengths[DATAGRAM_RECORDS];
    char texts[DATAGRAM_RECORDS][DATAGRAM_TEXT_BYTES]; /* their first bytes */

    /* of the failure last reported */
    em_datagram_failure failure;
    em_address failed_peer;
    char failed_text[DATAGRAM_TEXT_BYTES];

    datagram_action on_datagram; /* or NULL */
    void (*on_failure)(datagram_record *record);
    void (*on_unbind)(datagram_record *record);
};

/** Expects a datagram_record as the user pointer. */
extern const em_datagram_handler datagram_recorder;
/** Without send_failed. */
extern const em_datagram_handler datagram_recorder_without_failures;

/** Opens a socket with a record, which lives until the test's loop is gone. options: NULL, or its `user` is set. */
datagram_record *datagram_open(em_loop *loop, const char *host, const em_datagram_options *options);

em_address datagram_address(const datagram_record *record);

/** An action: sends it back. */
void datagram_echo(datagram_record *record, const em_datagram *datagram);

em_status datagram_send_text(datagram_record *record, const em_address *peer, const char *text);

/** A zeroed option struct with its size. */
em_datagram_options datagram_options(void);

#endif
