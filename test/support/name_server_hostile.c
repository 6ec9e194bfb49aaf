/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Replies of a server that wants to harm: too much, too slowly, too often, or beside the question. See the table at the
 * end.
 */
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "support/name_server_replies.h"
#include "support/unit.h"

typedef name_server_exchange exchange;

enum { TYPE_A = 1, TYPE_CNAME = 5, QUESTION = NAME_SERVER_QUESTION, ANSWERS = 6, AUTHORITIES = 8, ADDITIONAL = 10 };

static const unsigned char right[] = {192, 0, 2, 1}, wrong[] = {203, 0, 113, 66};

static void truncate_reply(exchange *all)
{
    name_server_begin(all, 0);
    all->reply[2] |= 0x02;
    name_server_send(all);
}

static void reply_three_times(exchange *all)
{
    name_server_reply_good(all);
    name_server_reply_good(all);
    name_server_begin(all, 0);
    name_server_add(all, ANSWERS, QUESTION, TYPE_A, 60, wrong, sizeof wrong);
    name_server_send(all);
}

/* Each alias is "x" and a letter, and under it the root. */
static void reply_with_aliases(exchange *all, unsigned links)
{
    name_server_begin(all, 0);
    unsigned owner = QUESTION;
    for (unsigned i = 0; i < links; i++) {
        const unsigned char target[] = {2, 'x', (unsigned char)('a' + i), 0};
        unsigned at = (unsigned)all->length + 12;
        name_server_add(all, ANSWERS, owner, TYPE_CNAME, 60, target, sizeof target);
        owner = at;
    }
    name_server_add(all, ANSWERS, owner, TYPE_A, 60, right, sizeof right);
    name_server_send(all);
}

static void reply_with_sixteen_aliases(exchange *all)
{
    reply_with_aliases(all, 16);
}

static void reply_with_seventeen_aliases(exchange *all)
{
    reply_with_aliases(all, 17);
}

/* The sections behind the answers have addresses of the same name. */
static void reply_with_full_sections(exchange *all)
{
    name_server_begin(all, 0);
    name_server_add(all, ANSWERS, QUESTION, TYPE_A, 60, right, sizeof right);
    for (unsigned i = 0; i < 20; i++)
        name_server_add(all, AUTHORITIES, QUESTION, TYPE_A, 60, wrong, sizeof wrong);
    for (unsigned i = 0; i < 20; i++)
        name_server_add(all, ADDITIONAL, QUESTION, TYPE_A, 60, wrong, sizeof wrong);
    name_server_send(all);
}

static void reply_beside_the_answers(exchange *all)
{
    name_server_begin(all, 0);
    name_server_add(all, AUTHORITIES, QUESTION, TYPE_A, 60, wrong, sizeof wrong);
    name_server_add(all, ADDITIONAL, QUESTION, TYPE_A, 60, wrong, sizeof wrong);
    name_server_send(all);
}

/* A time to live with the highest bit set counts as 0 (RFC 2181, section 8). */
static void reply_with_a_negative_ttl(exchange *all)
{
    name_server_begin(all, 0);
    name_server_add(all, ANSWERS, QUESTION, TYPE_A, 0x80000001, right, sizeof right);
    name_server_send(all);
}

/* The right id, and another name or type: nothing of it counts. */
static void reply_to_another_question(exchange *all)
{
    static const size_t changed[] = {QUESTION + 1, 0};
    for (size_t i = 0; i < COUNT(changed); i++) {
        name_server_begin(all, 2);
        all->reply[changed[i] > 0 ? changed[i] : all->question_end - 3] ^= 0x01;
        all->reply[2] |= 0x02;
        name_server_send(all);
    }
}

/* The servers of one.test fail for IPv6. */
static void reply_with_a_failing_family(exchange *all)
{
    const unsigned char *second = all->query + QUESTION + all->query[QUESTION] + 1;
    if (all->type == TYPE_A || memcmp(second, "\3one", 4) != 0) {
        name_server_reply_good(all);
        return;
    }
    name_server_begin(all, 2);
    name_server_send(all);
}

/* Streams */

static void put_message(exchange *all)
{
    unsigned char prefix[2] = {(unsigned char)(all->length >> 8), (unsigned char)all->length};
    send(all->socket, prefix, 2, MSG_NOSIGNAL);
    send(all->socket, all->reply, all->length, MSG_NOSIGNAL);
}

static void reply_byte_by_byte(exchange *all)
{
    if (!all->is_stream) {
        truncate_reply(all);
        return;
    }
    name_server_begin(all, 0);
    name_server_add(all, ANSWERS, QUESTION, TYPE_A, 60, right, sizeof right);
    unsigned char prefix[2] = {(unsigned char)(all->length >> 8), (unsigned char)all->length};
    for (size_t i = 0; i < 2; i++)
        send(all->socket, &prefix[i], 1, MSG_NOSIGNAL);
    for (size_t i = 0; i < all->length; i++)
        send(all->socket, &all->reply[i], 1, MSG_NOSIGNAL);
}

/* 64 KiB of addresses. */
static void reply_with_thousands(exchange *all)
{
    if (!all->is_stream) {
        truncate_reply(all);
        return;
    }
    name_server_begin(all, 0);
    while (all->length + 12 + sizeof right < 65536)
        name_server_add(all, ANSWERS, QUESTION, TYPE_A, 60, right, sizeof right);
    put_message(all);
}

/* Replies to other queries, before the right one. */
static void reply_to_others_first(exchange *all)
{
    if (!all->is_stream) {
        truncate_reply(all);
        return;
    }
    for (unsigned i = 0; i < 50; i++) {
        name_server_begin(all, 2);
        all->reply[0] ^= 0x55;
        name_server_add(all, ANSWERS, QUESTION, TYPE_A, 60, wrong, sizeof wrong);
        put_message(all);
    }
    name_server_reply_good(all);
}

/* Until the other side closes the connection. */
static void reply_to_others_for_ever(exchange *all)
{
    if (!all->is_stream) {
        truncate_reply(all);
        return;
    }
    ssize_t sent = 0;
    while (sent >= 0) {
        name_server_begin(all, 0);
        all->reply[0] ^= 0x55;
        unsigned char prefix[2] = {(unsigned char)(all->length >> 8), (unsigned char)all->length};
        send(all->socket, prefix, 2, MSG_NOSIGNAL);
        sent = send(all->socket, all->reply, all->length, MSG_NOSIGNAL);
    }
}

/* A message of no bytes, and half of one. */
static void reply_with_nothing(exchange *all)
{
    static const unsigned char nothing[2], half[] = {0, 40, 1, 2, 3};
    if (!all->is_stream) {
        truncate_reply(all);
        return;
    }
    send(all->socket, nothing, sizeof nothing, MSG_NOSIGNAL);
    send(all->socket, half, sizeof half, MSG_NOSIGNAL);
}

static const struct behaviour {
    const char *label;
    void (*reply)(exchange *all);
} behaviours[] = {
    {"thrice", reply_three_times},
    {"sixteenaliases", reply_with_sixteen_aliases},
    {"seventeenaliases", reply_with_seventeen_aliases},
    {"full", reply_with_full_sections},
    {"beside", reply_beside_the_answers},
    {"negativettl", reply_with_a_negative_ttl},
    {"otherquestion", reply_to_another_question},
    {"halffailing", reply_with_a_failing_family},
    {"bytewise", reply_byte_by_byte},
    {"thousands", reply_with_thousands},
    {"othersfirst", reply_to_others_first},
    {"othersonly", reply_to_others_for_ever},
    {"empty", reply_with_nothing},
};

bool name_server_reply_hostile(exchange *all)
{
    for (size_t i = 0; i < COUNT(behaviours); i++)
        if (strcasecmp(behaviours[i].label, all->label) == 0) {
            behaviours[i].reply(all);
            return true;
        }
    return false;
}
