/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * One question at a time over a c-ares channel. c-ares closes its sockets when its last query has ended. So every
 * question has a socket of its own, from a port that the system chooses at random, and an id from a secure source
 * (c-ares takes the id of the packet it is given). A question can be cancelled alone, and no two questions can be mixed
 * up. c-ares 1.18 has neither a cancellation for one of several queries nor a limit of queries per port.
 */
#include "base/features.h"

#if EMI_HAVE_CARES

#include <string.h>

#include <eventmachine/timer.h>

#include "dns/dns_client.h"

enum { UDP_BYTES = 1232 };

/* Responses */

static em_status status_of(int ares_status)
{
    switch (ares_status) {
    case ARES_SUCCESS:
        return EM_OK;
    case ARES_ENOMEM:
        return EM_NO_MEMORY;
    case ARES_ETIMEOUT:
        return EM_RESOLVE_TIMEOUT;
    case ARES_ECONNREFUSED:
        return EM_CONNECTION_REFUSED;
    default:
        return EM_RESOLVER_FAILED;
    }
}

static em_status judge(const emi_dns_client *client, int code, int ares_status)
{
    em_status status = status_of(ares_status);
    if (status == EM_OK || status == EM_NO_MEMORY)
        return status;
    if (client->failure == EM_NO_DESCRIPTORS)
        return client->failure;
    if (client->is_truncated)
        return EM_ANSWER_TRUNCATED;
    if (code > EMI_NO_ERROR || client->was_cut_off)
        return EM_RESOLVER_FAILED; /* c-ares may call it "refused" all the same */
    return status == EM_CONNECTION_REFUSED && client->failure != EM_OK ? client->failure : status;
}

/* c-ares has come to the end of a query. */
static void finish(void *user, int ares_status, int timeouts, unsigned char *bytes, int length)
{
    (void)timeouts;
    emi_dns_client *client = user;
    emi_question *question = client->question;
    if (!question)
        return;
    client->question = NULL;
    question->client = NULL;
    emi_message message = {.bytes = bytes, .length = bytes && length > 0 ? (size_t)length : 0};
    client->is_answered = ares_status == ARES_SUCCESS;
    em_status status = judge(client, question->response_code, ares_status);
    if (status == EM_OK && client->last_server >= 0)
        client->config->avoid_until_ns[client->last_server] = 0;
    question->answered(question, status, status == EM_OK ? message : (emi_message){.length = 0});
}

/* Time */

static void set_timer(emi_dns_client *client)
{
    struct timeval left;
    if (!ares_timeout(client->channel, NULL, &left)) {
        emi_loop_timer_cancel(client->loop, &client->timer);
        return;
    }
    uint64_t delay_ns = (uint64_t)left.tv_sec * EM_SECONDS + (uint64_t)left.tv_usec * EM_MICROSECONDS;
    emi_loop_refresh_time(client->loop);
    /* c-ares' clock is coarser. A timer that fires early would fire again and again. */
    emi_loop_timer_set(client->loop, &client->timer, emi_loop_due_ns(client->loop, delay_ns + EM_MILLISECONDS));
}

static void settle(emi_dns_client *client)
{
    if (client->question) {
        set_timer(client);
    } else {
        emi_loop_timer_cancel(client->loop, &client->timer);
        client->settled(client);
    }
}

void emi_dns_client_process(emi_dns_client *client, int readable, int writable)
{
    ares_process_fd(client->channel, readable, writable);
    settle(client);
}

static void fire(emi_loop_timer *timer)
{
    emi_dns_client_process(EMI_CONTAINER(timer, emi_dns_client, timer), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* Setting up a channel */

static void watch(void *user, ares_socket_t descriptor, int readable, int writable)
{
    emi_dns_socket_watch(user, descriptor, readable != 0, writable != 0);
}

/* Everything is given, so that c-ares reads no file and does not ask for the host's name. The server is only there to
 * be replaced. */
static int open_channel(emi_dns_client *client)
{
    char lookups[] = "b", no_file[] = "/dev/null";
    struct in_addr any = {.s_addr = INADDR_ANY};
    struct ares_options options = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .timeout = (int)client->config->timeout_ms,
        .tries = (int)client->config->attempts,
        .ndots = 1,
        .servers = &any,
        .nservers = 1,
        .lookups = lookups,
        .sock_state_cb = watch,
        .sock_state_cb_data = client,
        .ednspsz = UDP_BYTES,
        .resolvconf_path = no_file,
    };
    if (client->config->use_tcp)
        options.flags |= ARES_FLAG_USEVC;
    if (!client->is_plain)
        options.flags |= ARES_FLAG_EDNS;
    return ares_init_options(&client->channel, &options,
                             ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_LOOKUPS |
                                 ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_SORTLIST | ARES_OPT_SOCK_STATE_CB |
                                 ARES_OPT_EDNSPSZ | ARES_OPT_RESOLVCONF | ARES_OPT_NOROTATE);
}

em_status emi_dns_client_create(em_loop *loop, emi_dns_config *config, bool is_plain, emi_dns_client **created)
{
    emi_dns_client *client = emi_allocate_zeroed(&loop->memory, sizeof *client);
    if (!client)
        return EM_NO_MEMORY;
    client->loop = loop;
    client->is_plain = is_plain;
    client->config = config;
    emi_list_init(&client->link);
    emi_list_init(&client->sockets);
    emi_loop_timer_init(&client->timer, fire);
    int ares_status = open_channel(client);
    if (ares_status != ARES_SUCCESS) {
        emi_release(&loop->memory, client);
        return ares_status == ARES_ENOMEM ? EM_NO_MEMORY : EM_RESOLVER_FAILED;
    }
    emi_dns_config_retain(config);
    emi_dns_client_use_sockets(client);
    *created = client;
    return EM_OK;
}

bool emi_dns_client_suits(const emi_dns_client *client, const emi_question *question)
{
    /* c-ares turns EDNS off by itself when a server refuses it. */
    return client->config == question->config && client->is_plain == question->is_plain && !client->has_edns_failed;
}

/* Servers */

static void set_server(struct ares_addr_port_node *node, const em_address *server)
{
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    node->udp_port = node->tcp_port = em_address_get_port(server);
    if (em_address_get_family(server) == EM_ADDRESS_IPV6) {
        memcpy(&ipv6, server->storage.bytes, sizeof ipv6);
        node->family = AF_INET6;
        memcpy(&node->addr.addr6, &ipv6.sin6_addr, sizeof node->addr.addr6);
    } else {
        memcpy(&ipv4, server->storage.bytes, sizeof ipv4);
        node->family = AF_INET;
        node->addr.addr4 = ipv4.sin_addr;
    }
}

/* Those that have not answered lately come last. */
static unsigned choose_order(emi_dns_client *client, unsigned *order)
{
    emi_dns_config *config = client->config;
    unsigned first = config->rotate ? config->next_server++ % config->server_count : 0;
    unsigned count = 0;
    for (int avoided = 0; avoided < 2; avoided++)
        for (unsigned i = 0; i < config->server_count; i++) {
            unsigned server = (first + i) % config->server_count;
            if ((config->avoid_until_ns[server] > client->loop->now_ns) == (avoided == 1))
                order[count++] = server;
        }
    return count;
}

static int set_servers(emi_dns_client *client)
{
    unsigned order[EMI_MOST_SERVERS];
    unsigned count = choose_order(client, order);
    if (count == client->order_count && memcmp(order, client->order, count * sizeof *order) == 0)
        return ARES_SUCCESS;
    struct ares_addr_port_node nodes[EMI_MOST_SERVERS] = {{.next = NULL}};
    for (unsigned i = 0; i < count; i++) {
        set_server(&nodes[i], &client->config->servers[order[i]]);
        nodes[i].next = i + 1 < count ? &nodes[i + 1] : NULL;
    }
    int ares_status = ares_set_servers_ports(client->channel, nodes);
    client->order_count = ares_status == ARES_SUCCESS ? count : 0;
    memcpy(client->order, order, count * sizeof *order);
    return ares_status;
}

/* Questions */

void emi_dns_client_ask(emi_dns_client *client, emi_question *question)
{
    client->question = question;
    client->last_server = -1;
    client->failure = EM_OK;
    client->is_truncated = client->is_answered = client->was_cut_off = false;
    question->client = client;
    question->response_code = -1;
    int ares_status = set_servers(client);
    if (ares_status == ARES_SUCCESS) {
        unsigned char packet[EMI_LONGEST_QUERY_BYTES];
        size_t length = emi_message_write_query(packet, question->name, question->type, question->id,
                                                client->is_plain ? 0 : UDP_BYTES);
        ares_send(client->channel, packet, (int)length, finish, client);
    } else {
        finish(client, ares_status, 0, NULL, 0);
    }
    settle(client);
}

void emi_dns_client_cancel(emi_dns_client *client)
{
    client->question->client = NULL;
    client->question = NULL;
    ares_cancel(client->channel);
    emi_loop_timer_cancel(client->loop, &client->timer);
}

void emi_dns_client_destroy(emi_dns_client *client)
{
    EMI_INVARIANT(!client->question);
    emi_list_remove(&client->link);
    emi_loop_timer_cancel(client->loop, &client->timer);
    ares_destroy(client->channel);
    emi_dns_client_close_spare(client);
    emi_dns_config_release(client->config);
    emi_release(&client->loop->memory, client);
}

#endif
