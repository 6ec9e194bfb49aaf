/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * How the name server of the tests behaves, by the first label of the name: see the table at the end.
 */
#include "support/name_server_replies.h"

#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "support/unit.h"

typedef name_server_exchange exchange;

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_SOA = 6, TYPE_PTR = 12, TYPE_MX = 15, TYPE_TXT = 16, TYPE_AAAA = 28 };
enum { TYPE_SRV = 33, TYPE_HTTPS = 65, QUESTION = NAME_SERVER_QUESTION };

static void put16(exchange *all, unsigned value)
{
    all->reply[all->length++] = (unsigned char)(value >> 8);
    all->reply[all->length++] = (unsigned char)value;
}

static void put_bytes(exchange *all, const void *bytes, size_t length)
{
    memcpy(all->reply + all->length, bytes, length);
    all->length += length;
}

static void count_record(exchange *all, unsigned offset)
{
    unsigned count = (unsigned)(all->reply[offset] << 8 | all->reply[offset + 1]) + 1;
    all->reply[offset] = (unsigned char)(count >> 8);
    all->reply[offset + 1] = (unsigned char)count;
}

/* Of the name at `owner` in the reply. */
static void put_record(exchange *all, unsigned owner, unsigned type, unsigned ttl, const void *data, size_t length)
{
    put16(all, 0xc000 | owner);
    put16(all, type);
    put16(all, 1);
    put16(all, ttl >> 16);
    put16(all, ttl & 0xffff);
    put16(all, (unsigned)length);
    put_bytes(all, data, length);
}

static void answer(exchange *all, unsigned owner, unsigned type, unsigned ttl, const void *data, size_t length)
{
    put_record(all, owner, type, ttl, data, length);
    count_record(all, 6);
}

static void begin_reply(exchange *all, unsigned code)
{
    memcpy(all->reply, all->query, all->question_end);
    memset(all->reply + 4, 0, 8);
    all->reply[2] |= 0x80;
    all->reply[3] = (unsigned char)(0x80 | code);
    all->reply[5] = 1;
    all->length = all->question_end;
}

static void send_reply(exchange *all)
{
    if (all->is_stream) {
        unsigned char prefix[2] = {(unsigned char)(all->length >> 8), (unsigned char)all->length};
        send(all->socket, prefix, 1, MSG_NOSIGNAL);
        send(all->socket, prefix + 1, 1, MSG_NOSIGNAL);
        send(all->socket, all->reply, all->length, MSG_NOSIGNAL);
    } else {
        sendto(all->socket, all->reply, all->length, 0, (struct sockaddr *)&all->from, sizeof all->from);
    }
}

/* Good records of every type. */
static void put_good_records(exchange *all, unsigned ttl)
{
    static const unsigned char ipv4[] = {192, 0, 2, 1}, ipv6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    static const unsigned char mail[] = {0, 10, 4, 'm', 'a', 'i', 'l', 0xc0, QUESTION};
    static const unsigned char server[] = {0, 1, 0, 2, 0, 80, 3, 'w', 'w', 'w', 4, 't', 'e', 's', 't', 0};
    static const unsigned char text[] = {5, 'h', 'e', 'l', 'l', 'o', 0, 2, 'm', 'e'};
    static const unsigned char https[] = {0, 1, 0, 0, 1, 0, 3, 2, 'h', '2', 0, 3, 0, 2, 0x20, 0xfb};
    static const unsigned char name[] = {4, 'a', '.', 'b', 1, 4, 't', 'e', 's', 't', 0};
    switch (all->type) {
    case TYPE_A:
        answer(all, QUESTION, TYPE_A, ttl, ipv4, sizeof ipv4);
        break;
    case TYPE_AAAA:
        answer(all, QUESTION, TYPE_AAAA, ttl, ipv6, sizeof ipv6);
        break;
    case TYPE_MX:
        answer(all, QUESTION, TYPE_MX, ttl, mail, sizeof mail);
        break;
    case TYPE_SRV:
        answer(all, QUESTION, TYPE_SRV, ttl, server, sizeof server);
        break;
    case TYPE_TXT:
        answer(all, QUESTION, TYPE_TXT, ttl, text, sizeof text);
        break;
    case TYPE_HTTPS:
        answer(all, QUESTION, TYPE_HTTPS, ttl, https, sizeof https);
        break;
    case TYPE_PTR:
        answer(all, QUESTION, TYPE_PTR, ttl, name, sizeof name);
        break;
    default:
        break;
    }
}

static void reply_well(exchange *all, unsigned ttl)
{
    begin_reply(all, 0);
    put_good_records(all, ttl);
    send_reply(all);
}

static void reply_good(exchange *all)
{
    reply_well(all, 60);
}

static void reply_twice(exchange *all)
{
    reply_good(all);
    send_reply(all);
}

static void reply_without_ttl(exchange *all)
{
    reply_well(all, 0);
}

/* With the zone's SOA record, whose minimum is 60 seconds. */
static void reply_none(exchange *all, unsigned code)
{
    static const unsigned char zone[] = {0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 60};
    begin_reply(all, code);
    put_record(all, QUESTION, TYPE_SOA, 60, zone, sizeof zone);
    count_record(all, 8);
    send_reply(all);
}

static void reply_no_such_name(exchange *all)
{
    reply_none(all, 3);
}

static void reply_no_data(exchange *all)
{
    reply_none(all, 0);
}

static void reply_no_ipv6(exchange *all)
{
    if (all->type == TYPE_AAAA)
        reply_none(all, 0);
    else
        reply_good(all);
}

static void reply_server_failure(exchange *all)
{
    begin_reply(all, 2);
    send_reply(all);
}

static void reply_refused(exchange *all)
{
    begin_reply(all, 5);
    send_reply(all);
}

static void reply_not_implemented_with_edns(exchange *all)
{
    if (!all->has_edns) {
        reply_good(all);
        return;
    }
    begin_reply(all, 4);
    send_reply(all);
}

/* Nothing but a header, as some servers do. */
static void reply_format_error_with_edns(exchange *all)
{
    if (!all->has_edns) {
        reply_good(all);
        return;
    }
    begin_reply(all, 1);
    all->reply[5] = 0;
    all->length = 12;
    send_reply(all);
}

/* No question, but the EDNS record of the query. */
static void reply_format_error_without_question(exchange *all)
{
    if (!all->has_edns) {
        reply_good(all);
        return;
    }
    begin_reply(all, 1);
    all->reply[5] = 0;
    all->reply[11] = 1;
    all->length = 12;
    put_bytes(all, all->query + all->question_end, all->query_length - all->question_end);
    send_reply(all);
}

static void reply_never(exchange *all)
{
    (void)all;
}

static void reply_truncated(exchange *all)
{
    if (all->is_stream) {
        reply_good(all);
        return;
    }
    begin_reply(all, 0);
    all->reply[2] |= 0x02;
    send_reply(all);
}

/* Over TCP nothing comes: serve_stream closes the connection. */
static void reply_truncated_always(exchange *all)
{
    if (!all->is_stream)
        reply_truncated(all);
}

/* A server that is mistaken, or that cannot send everything over TCP either. */
static void reply_truncated_over_tcp(exchange *all)
{
    begin_reply(all, 0);
    all->reply[2] |= 0x02;
    if (all->is_stream)
        put_good_records(all, 60);
    send_reply(all);
}

/* Larger than any buffer for datagrams, without the bit that says so. */
static void reply_at_length(exchange *all)
{
    static const unsigned char padding[6000];
    begin_reply(all, 0);
    put_good_records(all, 60);
    answer(all, QUESTION, 999, 60, padding, sizeof padding);
    send_reply(all);
}

/* Replies that a resolver must ignore, and then the right one. */

static void forge(exchange *all, int socket)
{
    static const unsigned char wrong[] = {203, 0, 113, 66};
    answer(all, QUESTION, TYPE_A, 60, wrong, sizeof wrong);
    sendto(socket, all->reply, all->length, 0, (struct sockaddr *)&all->from, sizeof all->from);
}

static void reply_with_wrong_id_first(exchange *all)
{
    begin_reply(all, 0);
    all->reply[0] ^= 0x55;
    forge(all, all->socket);
    reply_good(all);
}

static void reply_with_wrong_question_first(exchange *all)
{
    begin_reply(all, 0);
    all->reply[QUESTION + 1] ^= 0x01;
    forge(all, all->socket);
    reply_good(all);
}

static void reply_after_a_hundred_others(exchange *all)
{
    for (unsigned i = 0; i < 100; i++) {
        begin_reply(all, 0);
        all->reply[QUESTION + 1] ^= 0x01;
        forge(all, all->socket);
    }
    reply_good(all);
}

static void reply_from_elsewhere_first(exchange *all)
{
    begin_reply(all, 0);
    forge(all, all->forger);
    reply_good(all);
}

static void send_raw(exchange *all, size_t length)
{
    sendto(all->socket, all->reply, length, 0, (struct sockaddr *)&all->from, sizeof all->from);
}

/* Each pointer refers to the one before it: 200 of them make one name. */
static void forge_with_a_chain_of_pointers(exchange *all)
{
    static const unsigned char wrong[] = {203, 0, 113, 66};
    begin_reply(all, 0);
    unsigned before = QUESTION, first = (unsigned)all->length + 12;
    unsigned char chain[400];
    for (unsigned i = 0; i < sizeof chain; i += 2, before = first + i - 2) {
        chain[i] = (unsigned char)(0xc0 | before >> 8);
        chain[i + 1] = (unsigned char)before;
    }
    answer(all, QUESTION, TYPE_TXT, 60, chain, sizeof chain);
    answer(all, before, TYPE_A, 60, wrong, sizeof wrong);
    send_raw(all, all->length);
}

/* An empty datagram, half a header, too many records, an address of three bytes, a name that points to itself. */
static void reply_malformed_first(exchange *all)
{
    static const unsigned char three[] = {1, 2, 3}, itself[] = {0xc0, 0xff};
    begin_reply(all, 0);
    send_raw(all, 0);
    send_raw(all, 6);
    all->reply[6] = 0xff;
    send_raw(all, all->length);
    begin_reply(all, 0);
    put_record(all, QUESTION, TYPE_A, 60, three, sizeof three);
    count_record(all, 6);
    send_raw(all, all->length);
    begin_reply(all, 0);
    put_bytes(all, itself, sizeof itself);
    count_record(all, 6);
    send_raw(all, all->length);
    forge_with_a_chain_of_pointers(all);
    reply_good(all);
}

/* Aliases */

static void reply_alias_of_itself(exchange *all)
{
    static const unsigned char itself[] = {0xc0, QUESTION};
    begin_reply(all, 0);
    answer(all, QUESTION, TYPE_CNAME, 60, itself, sizeof itself);
    send_reply(all);
}

/* name → one.test → two.test, whose address comes first, beside one of a name that nobody has asked for. */
static void reply_alias(exchange *all)
{
    static const unsigned char address[] = {192, 0, 2, 7}, stray[] = {203, 0, 113, 66};
    static const unsigned char one[] = {3, 'o', 'n', 'e', 4, 't', 'e', 's', 't', 0};
    static const unsigned char two[] = {3, 'T', 'w', 'o', 4, 't', 'e', 's', 't', 0};
    begin_reply(all, 0);
    unsigned to_one = (unsigned)all->length + 12;
    answer(all, QUESTION, TYPE_CNAME, 30, one, sizeof one);
    unsigned to_two = (unsigned)all->length + 12;
    answer(all, to_one, TYPE_CNAME, 20, two, sizeof two);
    if (all->type == TYPE_A) {
        answer(all, QUESTION, TYPE_A, 60, stray, sizeof stray);
        answer(all, to_two, TYPE_A, 60, address, sizeof address);
    }
    send_reply(all);
}

static void reply_with_many(exchange *all)
{
    begin_reply(all, 0);
    for (unsigned i = 0; i < 40 && all->type == TYPE_A; i++) {
        unsigned char address[] = {192, 0, 2, (unsigned char)(i + 1)};
        answer(all, QUESTION, TYPE_A, 60, address, sizeof address);
    }
    send_reply(all);
}

/* Names of this machine: 127.0.0.1, once or twice, and for IPv6 nothing, a failure, or silence. */

static void reply_with_loopback(exchange *all, unsigned ttl, unsigned count)
{
    static const unsigned char address[] = {127, 0, 0, 1};
    begin_reply(all, 0);
    for (unsigned i = 0; i < count && all->type == TYPE_A; i++)
        answer(all, QUESTION, TYPE_A, ttl, address, sizeof address);
    send_reply(all);
}

static void reply_here(exchange *all)
{
    reply_with_loopback(all, 0, 1);
}

static void reply_here_twice(exchange *all)
{
    reply_with_loopback(all, 60, 2);
}

/* Both may be kept. */
static void reply_here_for_long(exchange *all)
{
    if (all->type == TYPE_A)
        reply_with_loopback(all, 60, 1);
    else
        reply_no_data(all);
}

static void reply_here_and_fail_for_ipv6(exchange *all)
{
    if (all->type == TYPE_AAAA)
        reply_server_failure(all);
    else
        reply_here(all);
}

static void reply_here_and_never_for_ipv6(exchange *all)
{
    if (all->type != TYPE_AAAA)
        reply_here(all);
}

static void reply_in_capitals(exchange *all)
{
    begin_reply(all, 0);
    for (size_t i = QUESTION; i < all->question_end - 4; i++)
        if (all->reply[i] >= 'a' && all->reply[i] <= 'z')
            all->reply[i] = (unsigned char)(all->reply[i] - 32);
    put_good_records(all, 60);
    send_reply(all);
}

static const struct behaviour {
    const char *label;
    void (*reply)(exchange *all);
} behaviours[] = {
    {"good", reply_good},
    {"twice", reply_twice},
    {"briefly", reply_without_ttl},
    {"unknown", reply_no_such_name},
    {"nothing", reply_no_data},
    {"four", reply_no_ipv6},
    {"failing", reply_server_failure},
    {"refused", reply_refused},
    {"notimp", reply_not_implemented_with_edns},
    {"formerr", reply_format_error_with_edns},
    {"formerrwithedns", reply_format_error_without_question},
    {"silent", reply_never},
    {"truncated", reply_truncated},
    {"cut", reply_truncated_always},
    {"cutovertcp", reply_truncated_over_tcp},
    {"long", reply_at_length},
    {"wrongid", reply_with_wrong_id_first},
    {"wrongquestion", reply_with_wrong_question_first},
    {"hundredth", reply_after_a_hundred_others},
    {"elsewhere", reply_from_elsewhere_first},
    {"malformed", reply_malformed_first},
    {"itself", reply_alias_of_itself},
    {"alias", reply_alias},
    {"many", reply_with_many},
    {"capitals", reply_in_capitals},
    {"here", reply_here},
    {"heretwice", reply_here_twice},
    {"herelong", reply_here_for_long},
    {"herefailing", reply_here_and_fail_for_ipv6},
    {"heresilent", reply_here_and_never_for_ipv6},
};

void name_server_begin(exchange *all, unsigned code)
{
    begin_reply(all, code);
}

void name_server_add(exchange *all, unsigned count, unsigned owner, unsigned type, unsigned ttl, const void *data,
                     size_t length)
{
    put_record(all, owner, type, ttl, data, length);
    count_record(all, count);
}

void name_server_send(exchange *all)
{
    send_reply(all);
}

void name_server_reply_good(exchange *all)
{
    reply_good(all);
}

void name_server_reply(exchange *all)
{
    for (size_t i = 0; i < COUNT(behaviours); i++)
        if (strcasecmp(behaviours[i].label, all->label) == 0) {
            behaviours[i].reply(all);
            return;
        }
    if (!name_server_reply_hostile(all))
        reply_no_such_name(all);
}
