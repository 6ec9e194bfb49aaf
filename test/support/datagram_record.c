/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A datagram socket's user who records what is reported.
 */
#include "support/datagram_record.h"

#include <string.h>

#include "support/system_test.h"

static datagram_record *record_of(em_datagram_socket *socket)
{
    return em_datagram_socket_get_user(socket);
}

static void post_init(em_datagram_socket *socket)
{
    datagram_record *record = record_of(socket);
    record->post_inits++;
    record->socket = socket;
}

static void keep_text(char *text, const void *data, size_t length)
{
    size_t kept = length < DATAGRAM_TEXT_BYTES - 1 ? length : DATAGRAM_TEXT_BYTES - 1;
    if (kept > 0)
        memcpy(text, data, kept);
    text[kept] = '\0';
}

static void receive_datagram(em_datagram_socket *socket, const em_datagram *datagram)
{
    datagram_record *record = record_of(socket);
    unsigned place = record->received++ % DATAGRAM_RECORDS;
    record->last = *datagram;
    record->lengths[place] = datagram->length;
    keep_text(record->texts[place], datagram->data, datagram->length);
    record->peer = *datagram->peer;
    record->has_local = datagram->local != NULL;
    record->has_destination = datagram->destination != NULL;
    if (record->has_local)
        record->local = *datagram->local;
    if (record->has_destination)
        record->destination = *datagram->destination;
    if (record->on_datagram)
        record->on_datagram(record, datagram);
}

static void send_failed(em_datagram_socket *socket, const em_datagram_failure *failure)
{
    datagram_record *record = record_of(socket);
    record->failures++;
    record->remote_failures += failure->is_remote != 0;
    record->failure = *failure;
    record->failed_peer.length = 0;
    if (failure->peer)
        record->failed_peer = *failure->peer;
    keep_text(record->failed_text, failure->data, failure->data ? failure->length : 0);
    if (record->on_failure)
        record->on_failure(record);
}

static void drained(em_datagram_socket *socket)
{
    record_of(socket)->drained++;
}

static void unbind(em_datagram_socket *socket, em_status reason)
{
    datagram_record *record = record_of(socket);
    record->unbinds++;
    record->reason = reason;
    if (record->on_unbind)
        record->on_unbind(record);
    record->socket = NULL;
}

const em_datagram_handler datagram_recorder = {
    .post_init = post_init,
    .receive_datagram = receive_datagram,
    .send_failed = send_failed,
    .drained = drained,
    .unbind = unbind,
};

const em_datagram_handler datagram_recorder_without_failures = {
    .post_init = post_init,
    .receive_datagram = receive_datagram,
    .drained = drained,
    .unbind = unbind,
};

em_datagram_options datagram_options(void)
{
    return (em_datagram_options){.size = sizeof(em_datagram_options)};
}

datagram_record *datagram_open(em_loop *loop, const char *host, const em_datagram_options *given)
{
    datagram_record *record = system_memory(sizeof *record);
    em_datagram_options options = given ? *given : datagram_options();
    em_datagram_socket *socket;
    options.user = record;
    assert_int_equal(em_loop_open_datagram_socket(loop, host, 0, &datagram_recorder, &options, &socket), EM_OK);
    assert_int_equal(record->post_inits, 1);
    assert_ptr_equal(record->socket, socket);
    return record;
}

em_address datagram_address(const datagram_record *record)
{
    em_address address;
    assert_int_equal(em_datagram_socket_get_local_address(record->socket, &address), EM_OK);
    return address;
}

void datagram_echo(datagram_record *record, const em_datagram *datagram)
{
    assert_true(em_datagram_socket_reply(record->socket, datagram, datagram->data, datagram->length) >= 0);
}

em_status datagram_send_text(datagram_record *record, const em_address *peer, const char *text)
{
    return em_datagram_socket_send_to(record->socket, text, strlen(text), peer);
}
