/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The sockets of c-ares, as polled channels of the loop. c-ares calls functions of this file for all that it does with
 * a socket. So a descriptor is closed by the backend, at the end of the turn, and no old event is reported for a new
 * socket with the same number. Datagrams that are no sound response are dropped before c-ares sees them.
 */
#include "base/features.h"

#if EMI_HAVE_CARES

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <eventmachine/timer.h>

#include "base/ascii.h"
#include "dns/dns_client.h"
#include "system/new_socket.h"
#include "system/socket.h"
#include "system/system_error.h"

/* For how long a server that has not answered is asked last. */
#define AVOID_NS (30 * EM_SECONDS)

/* Datagrams that are read after one event. c-ares would go on as long as there are any. */
enum { MOST_RECEIVED = 16 };

struct emi_query_socket {
    emi_channel channel;
    emi_list link;          /* in the client's list, then in the transport's of those that are being closed */
    emi_dns_client *client; /* NULL: c-ares has closed it */
    em_loop *loop;
    int server; /* its index; -1: not connected yet */
    int domain;
    bool is_datagram;
    bool is_reused;     /* it was connected before */
    unsigned sent;      /* messages */
    unsigned responses; /* with the id of the question */
    unsigned received;  /* datagrams since the last event */
    /* Of a stream: how many bytes of the current message have been received, including the two of its length, and the
     * first of them. */
    size_t position;
    unsigned char head[6];
};

static emi_query_socket *socket_of(emi_channel *channel)
{
    return EMI_CONTAINER(channel, emi_query_socket, channel);
}

static emi_query_socket *find(const emi_dns_client *client, int descriptor)
{
    for (emi_list *link = client->sockets.next; link != &client->sockets; link = link->next) {
        emi_query_socket *each = EMI_CONTAINER(link, emi_query_socket, link);
        if (each->channel.descriptor == descriptor)
            return each;
    }
    return NULL;
}

/* Events */

static void ready(emi_channel *channel, unsigned interests)
{
    emi_query_socket *given = socket_of(channel);
    int descriptor = channel->descriptor;
    given->received = 0;
    if (!given->client)
        return; /* what was reported before it became a spare one */
    emi_dns_client_process(given->client, interests & EMI_READABLE ? descriptor : ARES_SOCKET_BAD,
                           interests & EMI_WRITABLE ? descriptor : ARES_SOCKET_BAD);
}

static void released(emi_channel *channel)
{
    emi_query_socket *given = socket_of(channel);
    em_loop *loop = given->loop;
    emi_list_remove(&given->link);
    emi_loop_note_released(loop, channel);
    emi_release(&loop->memory, given);
}

static const emi_channel_events events = {.ready = ready, .released = released};

void emi_dns_socket_watch(emi_dns_client *client, int descriptor, bool readable, bool writable)
{
    emi_query_socket *given = find(client, descriptor);
    /* A socket of which c-ares wants nothing any more is about to be closed. */
    if (given && (readable || writable) && !emi_loop_is_forked(client->loop))
        emi_channel_poll(&given->channel, (readable ? EMI_READABLE : 0U) | (writable ? EMI_WRITABLE : 0U));
}

/* Opening and closing */

static emi_query_socket *create_socket(emi_dns_client *client, int domain, int type)
{
    em_loop *loop = client->loop;
    emi_query_socket *made = emi_allocate_zeroed(&loop->memory, sizeof *made);
    if (!made) {
        errno = ENOMEM;
        return NULL;
    }
    int descriptor = emi_new_socket(domain, type);
    emi_channel_init(&made->channel, &events);
    if (descriptor >= 0 && emi_loop_attach_channel(loop, &made->channel, EMI_POLLED, descriptor, EMI_OURS) != EM_OK) {
        emi_socket_close(descriptor);
        descriptor = -1;
        errno = ENOMEM;
    }
    if (descriptor < 0) {
        int error = errno;
        emi_release(&loop->memory, made);
        errno = error;
        return NULL;
    }
    made->loop = loop;
    made->domain = domain;
    made->is_datagram = type == SOCK_DGRAM;
    emi_list_init(&made->link);
    return made;
}

static emi_query_socket *take_spare(emi_dns_client *client, int domain, int type)
{
    emi_query_socket *spare = client->spare;
    if (!spare || spare->domain != domain || type != SOCK_DGRAM)
        return NULL;
    client->spare = NULL;
    spare->is_reused = true;
    spare->sent = spare->responses = 0;
    return spare;
}

static ares_socket_t open_socket(int domain, int type, int protocol, void *user)
{
    (void)protocol;
    emi_dns_client *client = user;
    emi_query_socket *opened = take_spare(client, domain, type);
    if (!opened)
        opened = create_socket(client, domain, type);
    if (!opened) {
        client->failure = emi_last_status();
        return -1;
    }
    opened->client = client;
    opened->server = -1;
    emi_list_append(&client->sockets, &opened->link);
    return opened->channel.descriptor;
}

static void release_socket(emi_dns_client *client, emi_query_socket *given)
{
    emi_list_append(client->closing_sockets, &given->link);
    given->client = NULL;
    /* In a forked child that does not take over the loop, the backend closes the descriptor. */
    if (!emi_loop_is_forked(client->loop))
        emi_channel_release(&given->channel);
}

/* Whether nothing more can come for the question: neither a second response nor an error. */
static bool is_done(const emi_dns_client *client, const emi_query_socket *given)
{
    return client->is_answered && given->sent == 1 && given->responses == 1;
}

/* On some kernels the call succeeds and the port stays, so each socket is checked once. */
static bool release_port(const emi_query_socket *given)
{
    em_address local;
    int descriptor = given->channel.descriptor;
    if (emi_socket_release_port(descriptor) != EM_OK)
        return false;
    return given->is_reused ||
           (emi_socket_local_address(descriptor, &local) == EM_OK && em_address_get_port(&local) == 0);
}

/* A socket that has done its work is kept for the next question, without its port: to get another one costs a quarter
 * of what a new socket does. */
static bool make_spare(emi_dns_client *client, emi_query_socket *given)
{
    if (client->spare || !given->is_datagram || !is_done(client, given) || emi_loop_is_forked(client->loop) ||
        !release_port(given))
        return false;
    given->client = NULL;
    client->spare = given;
    return true;
}

static int close_socket(ares_socket_t descriptor, void *user)
{
    emi_dns_client *client = user;
    emi_query_socket *given = find(client, descriptor);
    if (!given)
        return 0;
    emi_list_remove(&given->link);
    if (!make_spare(client, given))
        release_socket(client, given);
    return 0;
}

void emi_dns_client_close_spare(emi_dns_client *client)
{
    if (client->spare)
        release_socket(client, client->spare);
    client->spare = NULL;
}

void emi_dns_sockets_free(emi_list *sockets)
{
    for (emi_list *link; (link = emi_list_take_first(sockets));) {
        emi_query_socket *given = EMI_CONTAINER(link, emi_query_socket, link);
        emi_release(&given->loop->memory, given);
    }
}

/* Servers */

static bool is_server(const em_address *server, const struct sockaddr *address)
{
    struct sockaddr_in a4, b4;
    struct sockaddr_in6 a6, b6;
    if (address->sa_family == AF_INET && em_address_get_family(server) == EM_ADDRESS_IPV4) {
        memcpy(&a4, server->storage.bytes, sizeof a4);
        memcpy(&b4, address, sizeof b4);
        return a4.sin_port == b4.sin_port && a4.sin_addr.s_addr == b4.sin_addr.s_addr;
    }
    if (address->sa_family != AF_INET6 || em_address_get_family(server) != EM_ADDRESS_IPV6)
        return false;
    memcpy(&a6, server->storage.bytes, sizeof a6);
    memcpy(&b6, address, sizeof b6);
    return a6.sin6_port == b6.sin6_port && memcmp(&a6.sin6_addr, &b6.sin6_addr, sizeof a6.sin6_addr) == 0;
}

static bool has_socket(const emi_dns_client *client, int server, bool is_datagram)
{
    for (emi_list *link = client->sockets.next; link != &client->sockets; link = link->next) {
        const emi_query_socket *each = EMI_CONTAINER(link, emi_query_socket, link);
        if (each->server == server && each->is_datagram == is_datagram)
            return true;
    }
    return false;
}

/* Servers with the same link-local address in several zones look the same to c-ares, which takes one after the other.
 */
static int find_server(const emi_dns_client *client, const struct sockaddr *address, bool is_datagram)
{
    int found = -1;
    for (unsigned i = 0; i < client->order_count; i++) {
        int server = (int)client->order[i];
        if (!is_server(&client->config->servers[server], address))
            continue;
        if (!has_socket(client, server, is_datagram))
            return server;
        if (found < 0)
            found = server;
    }
    return found;
}

static bool has_heard_from(const emi_dns_client *client, int server)
{
    for (emi_list *link = client->sockets.next; link != &client->sockets; link = link->next) {
        const emi_query_socket *each = EMI_CONTAINER(link, emi_query_socket, link);
        if (each->server == server && each->responses > 0)
            return true;
    }
    return false;
}

/* c-ares turns to another server. If the one before it has sent nothing, it comes last from now on. */
static void note_server(emi_dns_client *client, int server)
{
    int before = client->last_server;
    if (before >= 0 && before != server && !has_heard_from(client, before))
        client->config->avoid_until_ns[before] = client->loop->now_ns + AVOID_NS;
    client->last_server = server;
}

/* Connects to the server's address in the configuration, because c-ares drops the zone of a link-local address. */
static int connect_socket(ares_socket_t descriptor, const struct sockaddr *address, ares_socklen_t length, void *user)
{
    (void)length;
    emi_dns_client *client = user;
    emi_query_socket *given = find(client, descriptor);
    int server = given ? find_server(client, address, given->is_datagram) : -1;
    if (server < 0) {
        errno = EINVAL;
        return -1;
    }
    given->server = server;
    note_server(client, server);
    const em_address *to = &client->config->servers[server];
    return connect(descriptor, (const struct sockaddr *)(const void *)to->storage.bytes, to->length);
}

/* Messages */

static ares_ssize_t drop(void)
{
    errno = EAGAIN;
    return -1;
}

/* Some servers that do not understand a query respond with "format error" and without the question. c-ares would ignore
 * it. */
static size_t add_question(const emi_question *question, unsigned char *bytes, size_t length, size_t capacity)
{
    emi_message message = {.bytes = bytes, .length = length};
    if (length < EMI_MESSAGE_HEADER_BYTES || capacity < EMI_LONGEST_QUERY_BYTES || !(bytes[2] & 0x80) ||
        emi_message_read16(message, 4) != 0 || emi_message_read16(message, 0) != question->id)
        return length;
    int code = emi_message_response_code(message);
    if (code != EMI_FORMAT_ERROR && code != EMI_NOT_IMPLEMENTED)
        return length;
    length = emi_message_write_query(bytes, question->name, question->type, question->id, 0);
    bytes[2] |= 0x80;
    bytes[3] = (unsigned char)code;
    return length;
}

/* c-ares compares the question as well, but what is noted of a response must not be what a forger says. */
static bool is_response_to(const emi_question *question, emi_message message)
{
    unsigned char query[EMI_LONGEST_QUERY_BYTES];
    size_t length = emi_message_write_query(query, question->name, question->type, question->id, 0);
    size_t end_of_name = length - 4;
    return message.length >= length && emi_message_read16(message, 0) == question->id &&
           emi_ascii_same(message.bytes + EMI_MESSAGE_HEADER_BYTES, query + EMI_MESSAGE_HEADER_BYTES,
                          end_of_name - EMI_MESSAGE_HEADER_BYTES) &&
           memcmp(message.bytes + end_of_name, query + end_of_name, 4) == 0;
}

static void note_response(emi_dns_client *client, emi_query_socket *given, emi_message message)
{
    emi_question *question = client->question;
    if (emi_message_read16(message, 0) != question->id)
        return;
    int code = emi_message_response_code(message);
    given->responses++;
    client->config->avoid_until_ns[given->server] = 0;
    question->response_code = code;
    if (emi_message_is_truncated(message))
        client->is_truncated = true;
    if (!client->is_plain && (code == EMI_FORMAT_ERROR || code == EMI_NOT_IMPLEMENTED)) {
        client->has_edns_failed = true;
        client->config->refuses_edns[given->server] = true;
    }
}

/* Returns its length. One that is longer than the buffer is marked as truncated, so that c-ares asks again over TCP. */
static size_t adjust(const emi_question *question, unsigned char *bytes, size_t length, size_t capacity)
{
    if (length <= capacity)
        return add_question(question, bytes, length, capacity);
    bytes[2] |= 0x02;
    return capacity;
}

/* How many bytes of a stream are still part of the message that is coming, if its length is known. */
static size_t left_of_message(const emi_query_socket *given)
{
    return 2 + (size_t)(given->head[0] << 8 | given->head[1]) - given->position;
}

/* c-ares reads as much of a stream as it likes, and does not tell the response code of what it rejects. */
static void note_stream(emi_dns_client *client, emi_query_socket *given, const unsigned char *bytes, size_t count)
{
    for (size_t taken; count > 0; bytes += taken, count -= taken) {
        taken = 1;
        if (given->position < sizeof given->head)
            given->head[given->position] = *bytes;
        else
            taken = count < left_of_message(given) ? count : left_of_message(given);
        given->position += taken;
        if (given->position == sizeof given->head && client->question)
            note_response(client, given, (emi_message){.bytes = given->head + 2, .length = 4});
        if (given->position >= 2 && left_of_message(given) == 0)
            given->position = 0;
    }
}

static ares_ssize_t receive_stream(emi_dns_client *client, emi_query_socket *given, void *buffer, size_t capacity,
                                   int flags)
{
    ssize_t count = recv(given->channel.descriptor, buffer, capacity, flags);
    if (count > 0)
        note_stream(client, given, buffer, (size_t)count);
    else if (count == 0 || errno == ECONNRESET)
        client->was_cut_off = true;
    return count;
}

static ares_ssize_t receive(ares_socket_t descriptor, void *buffer, size_t capacity, int flags, struct sockaddr *from,
                            ares_socklen_t *from_length, void *user)
{
    emi_dns_client *client = user;
    emi_query_socket *given = find(client, descriptor);
    if (!given)
        return recvfrom(descriptor, buffer, capacity, flags, from, from_length);
    if (!given->is_datagram)
        return receive_stream(client, given, buffer, capacity, flags);
    if (!client->question || given->received++ == MOST_RECEIVED)
        return drop();
    ssize_t count = recvfrom(descriptor, buffer, capacity, flags | MSG_TRUNC, from, from_length);
    if (count < 0)
        return count;
    emi_message message = {.bytes = buffer};
    message.length = adjust(client->question, buffer, (size_t)count, capacity);
    if (!emi_message_is_sound(message) || !is_response_to(client->question, message))
        return drop();
    note_response(client, given, message);
    return (ares_ssize_t)message.length;
}

/* send(2) is cheaper than sendmsg(2). */
static ssize_t send_spans(int descriptor, const struct iovec *spans, int count)
{
    if (count == 1)
        return send(descriptor, spans->iov_base, spans->iov_len, MSG_NOSIGNAL);
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)spans, .msg_iovlen = (size_t)count};
    return sendmsg(descriptor, &message, MSG_NOSIGNAL);
}

static ares_ssize_t send_message(ares_socket_t descriptor, const struct iovec *spans, int count, void *user)
{
    emi_query_socket *given = find(user, descriptor);
    ssize_t sent = send_spans(descriptor, spans, count);
    /* The error may be one of the socket's last question, and is gone when it has been reported. */
    if (sent < 0 && given && given->is_reused && given->sent == 0)
        sent = send_spans(descriptor, spans, count);
    if (sent >= 0 && given)
        given->sent++;
    return sent;
}

void emi_dns_client_use_sockets(emi_dns_client *client)
{
    static const struct ares_socket_functions functions = {
        .asocket = open_socket,
        .aclose = close_socket,
        .aconnect = connect_socket,
        .arecvfrom = receive,
        .asendv = send_message,
    };
    ares_set_socket_functions(client->channel, &functions, client);
}

#endif
