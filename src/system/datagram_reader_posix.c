/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Receiving datagrams in batches. Each place has memory for a datagram of the usual size, close to those of the others,
 * so that a batch stays in the processor's cache. What is longer continues in another memory, in front of which there
 * is room for its beginning. The system provides pages of that as they are first used.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <string.h>
#include <sys/uio.h>

#include "system/messages.h"
#include "system/packet_info.h"
#include "system/system_error.h"

enum {
    USUAL_BYTES = 2048, /* what fits into a packet of most networks, and more */
    LARGE_BYTES = EMI_LARGEST_DATAGRAM_BYTES + 1,
    MOST_LISTED = 64
};

/* The memory for one message. */
typedef struct place {
    struct iovec pieces[2];
    em_address peer;
    em_address local;
    em_address destination;
    _Alignas(struct cmsghdr) unsigned char control[EMI_CONTROL_BYTES];
} place;

struct emi_datagram_reader {
    const emi_memory *memory;
    void *allocation;
    unsigned char *usual;      /* for the beginning of each message … */
    unsigned char *large;      /* … and for the whole of each that is longer */
    const unsigned char *data; /* of the message that is being reported */
    unsigned used;             /* messages that were received */
    unsigned next;             /* the message to report next … */
    size_t reported;           /* … and how many of its bytes were */
    size_t segment_bytes;      /* of the datagrams that it consists of */
    em_datagram template;      /* for them */
    em_datagram list[MOST_LISTED];
    emi_message messages[EMI_MOST_RECEIVED];
    place places[EMI_MOST_RECEIVED];
};

static void prepare(emi_datagram_reader *reader, unsigned i)
{
    place *here = &reader->places[i];
    struct msghdr *header = &reader->messages[i].header;
    header->msg_namelen = sizeof here->peer.storage.bytes;
    header->msg_controllen = sizeof here->control;
    header->msg_flags = 0;
}

static unsigned char *usual_of(emi_datagram_reader *reader, unsigned i)
{
    return reader->usual + (size_t)i * USUAL_BYTES;
}

static unsigned char *large_of(emi_datagram_reader *reader, unsigned i)
{
    return reader->large + (size_t)i * LARGE_BYTES;
}

static void set_up(emi_datagram_reader *reader, unsigned i)
{
    place *here = &reader->places[i];
    here->pieces[0] = (struct iovec){.iov_base = usual_of(reader, i), .iov_len = USUAL_BYTES};
    here->pieces[1] = (struct iovec){.iov_base = large_of(reader, i) + USUAL_BYTES,
                                     .iov_len = EMI_LARGEST_DATAGRAM_BYTES - USUAL_BYTES};
    reader->messages[i].header = (struct msghdr){
        .msg_name = here->peer.storage.bytes,
        .msg_iov = here->pieces,
        .msg_iovlen = 2,
        .msg_control = here->control,
    };
    prepare(reader, i);
}

/* Where the bytes of a message are in one piece. */
static const unsigned char *bytes_of(emi_datagram_reader *reader, unsigned i)
{
    if (EMI_LIKELY(reader->messages[i].length <= USUAL_BYTES))
        return usual_of(reader, i);
    return memcpy(large_of(reader, i), usual_of(reader, i), USUAL_BYTES);
}

em_status emi_datagram_reader_create(const emi_memory *memory, emi_datagram_reader **created)
{
    emi_datagram_reader *reader = emi_allocate_zeroed(memory, sizeof *reader);
    if (!reader)
        return EM_NO_MEMORY;
    reader->memory = memory;
    size_t bytes = (size_t)EMI_MOST_RECEIVED * (USUAL_BYTES + LARGE_BYTES);
    reader->usual = emi_allocate_page_aligned(memory, bytes, &reader->allocation);
    if (!reader->usual) {
        emi_release(memory, reader);
        return EM_NO_MEMORY;
    }
    reader->large = reader->usual + (size_t)EMI_MOST_RECEIVED * USUAL_BYTES;
    for (unsigned i = 0; i < EMI_MOST_RECEIVED; i++)
        set_up(reader, i);
    *created = reader;
    return EM_OK;
}

void emi_datagram_reader_destroy(emi_datagram_reader *reader)
{
    if (!reader)
        return;
    emi_release(reader->memory, reader->allocation);
    emi_release(reader->memory, reader);
}

/* Drops what was not reported. */
static void drop_rest(emi_datagram_reader *reader)
{
    while (reader->next < reader->used)
        prepare(reader, reader->next++);
    reader->used = reader->next = 0;
    reader->reported = 0;
}

void *emi_datagram_reader_borrow(emi_datagram_reader *reader)
{
    drop_rest(reader);
    return reader->large;
}

em_status emi_datagram_reader_receive(emi_datagram_reader *reader, int fd, unsigned most, bool *is_last)
{
    drop_rest(reader);
    int result = emi_messages_receive(fd, reader->messages, most);
    *is_last = result < (int)most;
    if (result < 0)
        return emi_last_status();
    reader->used = (unsigned)result;
    return EM_OK;
}

/* Begins to report a message. Addresses of which the system reports more bytes than there is memory are cut. */
static void begin(emi_datagram_reader *reader)
{
    place *here = &reader->places[reader->next];
    struct msghdr *header = &reader->messages[reader->next].header;
    socklen_t most = sizeof here->peer.storage.bytes;
    here->peer.length = header->msg_namelen < most ? header->msg_namelen : most;
    reader->template =
        (em_datagram){.peer = &here->peer, .ttl = -1, .ecn = -1, .is_truncated = (header->msg_flags & MSG_TRUNC) != 0};
    reader->data = bytes_of(reader, reader->next);
    reader->segment_bytes = 0;
    if (header->msg_controllen > 0)
        reader->segment_bytes = emi_packet_info_read(header, &reader->template, &here->local, &here->destination);
    if (reader->segment_bytes == 0)
        reader->segment_bytes = EMI_LARGEST_DATAGRAM_BYTES;
    reader->reported = 0;
}

/* Lists the next datagram of the message. */
static void list_one(emi_datagram_reader *reader, em_datagram *datagram)
{
    size_t left = reader->messages[reader->next].length - reader->reported;
    *datagram = reader->template;
    datagram->data = reader->data + reader->reported;
    datagram->length = left < reader->segment_bytes ? left : reader->segment_bytes;
    reader->reported += datagram->length;
}

const em_datagram *emi_datagram_reader_next(emi_datagram_reader *reader, unsigned *count)
{
    unsigned listed = 0;
    while (listed < MOST_LISTED && reader->next < reader->used) {
        if (reader->reported == 0)
            begin(reader);
        list_one(reader, &reader->list[listed++]);
        if (reader->reported < reader->messages[reader->next].length)
            continue;
        prepare(reader, reader->next++);
        reader->reported = 0;
    }
    *count = listed;
    return reader->list;
}

#endif
