/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Questions over clients of c-ares. There are at most so many clients that memory and descriptors are bounded; further
 * questions wait. A few idle clients are kept, without sockets and timers.
 */
#include "base/features.h"

#if EMI_HAVE_CARES

#include <pthread.h>

#include "dns/dns_client.h"
#include "system/random.h"

/* A client takes about 100 KiB, for c-ares' tables, and to make one costs as much as five questions. What is done in
 * one turn is limited so that other work of the loop does not wait. */
enum { MOST_CLIENTS = 128, MOST_IDLE_CLIENTS = 8, IDS = 128 };
enum { MOST_SENT_IN_A_TURN = 8, MOST_CREATED_IN_A_TURN = 3, MOST_FREED_IN_A_TURN = 4 };

struct emi_transport {
    em_loop *loop;
    emi_list waiting; /* questions */
    emi_list busy;    /* clients */
    emi_list idle;    /* clients */
    emi_list closing; /* sockets that c-ares has closed and the backend has not */
    unsigned client_count;
    unsigned busy_count;
    unsigned idle_count;
    unsigned created;     /* clients, in this turn */
    unsigned spare_count; /* sockets of idle clients */
    bool lacks_resources; /* memory or descriptors for another client, until one becomes idle */
    unsigned ids_left;
    uint16_t ids[IDS];
};

/* Loops of several threads may be the first at the same time, which c-ares 1.18 does not allow for. It is never cleaned
 * up: other parts of the process may use it. */
static int library_status = ARES_ENOTINITIALIZED;

static void initialize_library(void)
{
    library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

em_status emi_transport_open(em_loop *loop, emi_transport **opened)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (pthread_once(&once, initialize_library) != 0 || library_status != ARES_SUCCESS)
        return EM_RESOLVER_FAILED;
    emi_transport *transport = emi_allocate_zeroed(&loop->memory, sizeof *transport);
    if (!transport)
        return EM_NO_MEMORY;
    transport->loop = loop;
    emi_list_init(&transport->waiting);
    emi_list_init(&transport->busy);
    emi_list_init(&transport->idle);
    emi_list_init(&transport->closing);
    *opened = transport;
    return EM_OK;
}

/* Clients */

static void destroy_client(emi_transport *transport, emi_dns_client *client)
{
    EMI_INVARIANT(transport->client_count > 0);
    transport->client_count--;
    emi_dns_client_destroy(client);
}

static void make_idle(emi_dns_client *client)
{
    emi_transport *transport = client->transport;
    transport->busy_count--;
    transport->lacks_resources = client->failure == EM_NO_DESCRIPTORS && transport->busy_count > 0;
    if (client->has_edns_failed) {
        destroy_client(transport, client);
        return;
    }
    emi_list_remove(&client->link);
    emi_list_append(&transport->idle, &client->link);
    transport->idle_count++;
    transport->spare_count += client->spare != NULL;
}

static void note_not_idle(emi_transport *transport, emi_dns_client *client)
{
    emi_list_remove(&client->link);
    transport->idle_count--;
    transport->spare_count -= client->spare != NULL;
}

static void destroy_longest_idle(emi_transport *transport)
{
    emi_dns_client *client = EMI_CONTAINER(transport->idle.next, emi_dns_client, link);
    note_not_idle(transport, client);
    destroy_client(transport, client);
}

/* Closes the socket of an idle client. */
static void close_spare(emi_transport *transport)
{
    for (emi_list *link = transport->idle.next; link != &transport->idle; link = link->next) {
        emi_dns_client *client = EMI_CONTAINER(link, emi_dns_client, link);
        if (!client->spare)
            continue;
        emi_dns_client_close_spare(client);
        transport->spare_count--;
        return;
    }
}

/* Of one that does not suit, the memory is used again. */
static emi_dns_client *take_idle(emi_transport *transport, const emi_question *question)
{
    if (emi_list_is_empty(&transport->idle))
        return NULL;
    emi_dns_client *client = EMI_CONTAINER(transport->idle.previous, emi_dns_client, link);
    note_not_idle(transport, client);
    if (emi_dns_client_suits(client, question))
        return client;
    destroy_client(transport, client);
    return NULL;
}

static em_status take_client(emi_transport *transport, const emi_question *question, emi_dns_client **taken)
{
    emi_dns_client *client = take_idle(transport, question);
    if (!client) {
        em_status status = emi_dns_client_create(transport->loop, question->config, question->is_plain, &client);
        if (status != EM_OK)
            return status;
        client->transport = transport;
        client->settled = make_idle;
        client->closing_sockets = &transport->closing;
        transport->client_count++;
        transport->created++;
    }
    emi_list_append(&transport->busy, &client->link);
    transport->busy_count++;
    *taken = client;
    return EM_OK;
}

/* Questions */

void emi_transport_ask(emi_transport *transport, emi_question *question)
{
    question->client = NULL;
    question->response_code = -1;
    emi_list_init(&question->link);
    emi_list_append(&transport->waiting, &question->link);
}

/* Another client will return what this one lacked, or an idle one does so at the end of this turn. */
bool emi_transport_ask_later(emi_transport *transport, emi_question *question)
{
    if (transport->spare_count > 0)
        close_spare(transport);
    else if (transport->busy_count < 2) /* its own client is one */
        return false;
    emi_list_append(transport->waiting.next, &question->link); /* before the first one */
    return true;
}

void emi_transport_drop(emi_transport *transport, emi_question *question)
{
    (void)transport;
    emi_list_remove(&question->link);
    emi_dns_client *client = question->client;
    if (client) {
        emi_dns_client_cancel(client);
        make_idle(client);
    }
}

static em_status choose_id(emi_transport *transport, uint16_t *id)
{
    if (transport->ids_left == 0) {
        em_status status = emi_random_bytes(transport->ids, sizeof transport->ids);
        if (status != EM_OK)
            return status;
        transport->ids_left = IDS;
    }
    *id = transport->ids[--transport->ids_left];
    return EM_OK;
}

/* Whether EDNS is off, or refused by the server that will be asked first. */
static bool should_be_plain(const emi_transport *transport, const emi_question *question)
{
    const emi_dns_config *config = question->config;
    if (question->is_plain || !config->edns)
        return true;
    for (unsigned i = 0; i < config->server_count; i++)
        if (config->avoid_until_ns[i] <= transport->loop->now_ns)
            return config->refuses_edns[i];
    return config->refuses_edns[0];
}

static void send_first(emi_transport *transport)
{
    emi_question *question = EMI_CONTAINER(transport->waiting.next, emi_question, link);
    emi_dns_client *client = NULL;
    question->is_plain = should_be_plain(transport, question);
    em_status status = choose_id(transport, &question->id);
    if (status == EM_OK)
        status = take_client(transport, question, &client);
    if (status == EM_NO_MEMORY && transport->busy_count > 0) {
        transport->lacks_resources = true;
        return;
    }
    emi_list_remove(&question->link);
    if (status == EM_OK)
        emi_dns_client_ask(client, question);
    else
        question->answered(question, status, (emi_message){.length = 0});
}

static bool can_send(const emi_transport *transport)
{
    return !emi_list_is_empty(&transport->waiting) && transport->busy_count < MOST_CLIENTS &&
           !transport->lacks_resources;
}

/* After a burst, most clients are freed and the sockets of the others closed, over several turns. */
static bool has_too_much(const emi_transport *transport)
{
    return (transport->idle_count > MOST_IDLE_CLIENTS || transport->spare_count > 0) && transport->busy_count == 0 &&
           emi_list_is_empty(&transport->waiting);
}

static void free_one(emi_transport *transport)
{
    if (transport->idle_count > MOST_IDLE_CLIENTS)
        destroy_longest_idle(transport);
    else
        close_spare(transport);
}

bool emi_transport_has_work(const emi_transport *transport)
{
    return can_send(transport) || has_too_much(transport);
}

void emi_transport_turn(emi_transport *transport)
{
    transport->created = 0;
    for (unsigned sent = 0;
         sent < MOST_SENT_IN_A_TURN && transport->created < MOST_CREATED_IN_A_TURN && can_send(transport); sent++)
        send_first(transport);
    for (unsigned freed = 0; freed < MOST_FREED_IN_A_TURN && has_too_much(transport); freed++)
        free_one(transport);
}

/* Ends */

static void destroy_idle(emi_transport *transport)
{
    while (transport->idle_count > 0)
        destroy_longest_idle(transport);
}

static void take_back_all(emi_transport *transport)
{
    while (!emi_list_is_empty(&transport->busy)) {
        emi_dns_client *client = EMI_CONTAINER(transport->busy.next, emi_dns_client, link);
        emi_question *question = client->question;
        emi_dns_client_cancel(client);
        transport->busy_count--;
        destroy_client(transport, client);
        emi_list_append(&transport->waiting, &question->link);
    }
}

void emi_transport_renew(emi_transport *transport)
{
    transport->ids_left = 0; /* the parent uses them */
    transport->lacks_resources = false;
    take_back_all(transport);
    destroy_idle(transport);
}

void emi_transport_close(emi_transport *transport)
{
    EMI_INVARIANT(emi_list_is_empty(&transport->waiting) && emi_list_is_empty(&transport->busy));
    destroy_idle(transport);
}

void emi_transport_destroy(emi_transport *transport)
{
    emi_dns_sockets_free(&transport->closing);
    emi_release(&transport->loop->memory, transport);
}

#endif
