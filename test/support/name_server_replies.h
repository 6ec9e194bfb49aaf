/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The replies of name_server.c, good and bad.
 */
#ifndef TEST_NAME_SERVER_REPLIES_H
#define TEST_NAME_SERVER_REPLIES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

/** Where the question begins. */
enum { NAME_SERVER_QUESTION = 12 };

/** A query and the reply to it. */
typedef struct name_server_exchange {
    unsigned char query[2048];
    size_t query_length;
    unsigned char reply[65536];
    size_t length;
    size_t question_end;
    char label[64]; /* the first one, without digits and what follows them */
    unsigned type;
    bool is_stream;
    bool has_edns;
    struct sockaddr_in from;
    int socket;
    int forger; /* another socket of the server */
} name_server_exchange;

/** Replies, or does not, as the label says. */
void name_server_reply(name_server_exchange *all);

/* Parts of replies, for name_server_hostile.c. */

/** Begins a reply to the question with this response code. */
void name_server_begin(name_server_exchange *all, unsigned code);

/** Adds a record of the name at an offset in the reply. count: the offset of the count of its section: 6, 8, 10. */
void name_server_add(name_server_exchange *all, unsigned count, unsigned owner, unsigned type, unsigned ttl,
                     const void *data, size_t length);

void name_server_send(name_server_exchange *all);

/** A good reply. */
void name_server_reply_good(name_server_exchange *all);

/** Replies as a hostile server, if the label is one of those. */
bool name_server_reply_hostile(name_server_exchange *all);

#endif
