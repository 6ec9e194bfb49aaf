/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sends questions to name servers and hands back their responses, over UDP and, where a response is truncated, TCP.
 * Which names are asked for, and what a response means, is decided in resolver_search.c.
 */
#ifndef EMI_DNS_TRANSPORT_H
#define EMI_DNS_TRANSPORT_H

#include "base/list.h"
#include "dns/dns_config.h"
#include "dns/dns_message.h"

typedef struct emi_transport emi_transport;
typedef struct emi_question emi_question;

/** One question, embedded in its owner, which sets the first four fields. */
struct emi_question {
    const char *name; /**< with or without a final dot */
    uint16_t type;    /**< em_record_type */
    emi_dns_config *config;
    /** Called once with the response, which is valid until it returns, or with a failure and an empty
     * message. Must not call a program's callback. May free the question. */
    void (*answered)(emi_question *question, em_status status, emi_message message);

    emi_list link;                 /**< among those that wait to be sent */
    struct emi_dns_client *client; /**< sends it; NULL: it waits */
    int response_code;             /**< of the last response to it; -1: there was none */
    uint16_t id;
    bool is_plain; /**< sent without EDNS */
};

/** EM_UNSUPPORTED: the library was built without c-ares. EM_NO_MEMORY. */
em_status emi_transport_open(em_loop *loop, emi_transport **transport);

/** Queues a question. It is sent in a later turn. */
void emi_transport_ask(emi_transport *transport, emi_question *question);

/** To be called by `answered` if descriptors are short: asks once more when another question has ended. Returns false
 * if no other one is under way. */
bool emi_transport_ask_later(emi_transport *transport, emi_question *question);

/** Takes a question back: `answered` is not called. */
void emi_transport_drop(emi_transport *transport, emi_question *question);

/** Sends questions that wait, a few in each turn, and frees what is not needed any more. */
void emi_transport_turn(emi_transport *transport);

/** Whether emi_transport_turn has something to do. */
bool emi_transport_has_work(const emi_transport *transport);

/** In a forked child: what was sent is sent again, from new sockets. */
void emi_transport_renew(emi_transport *transport);

/** Closes all sockets. No question is left. */
void emi_transport_close(emi_transport *transport);

/** Frees everything. In a forked child, sockets may be left; the backend has closed their descriptors. */
void emi_transport_destroy(emi_transport *transport);

#endif
