/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Messages of the Domain Name System (RFC 1035, section 4): writing queries, and going through what a server has sent.
 * Nothing here trusts the bytes. Compression pointers must point backwards, and a name has 127 of them at most:
 * otherwise a message of 64 KiB could keep the loop busy for seconds.
 */
#ifndef EMI_DNS_MESSAGE_H
#define EMI_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EMI_MESSAGE_HEADER_BYTES = 12,
    EMI_LONGEST_QUERY_BYTES = EMI_MESSAGE_HEADER_BYTES + 256 + 4 + 11,
    EMI_NAME_TEXT_BYTES = 1025 /**< 255 bytes, each as \ddd at worst, and a zero byte */
};

/** Response codes (RFC 6895, section 2.3). */
enum { EMI_NO_ERROR = 0, EMI_FORMAT_ERROR = 1, EMI_SERVER_FAILURE = 2, EMI_NO_SUCH_NAME = 3, EMI_NOT_IMPLEMENTED = 4 };

typedef struct emi_message {
    const unsigned char *bytes;
    size_t length;
} emi_message;

/** One record within a message. */
typedef struct emi_message_record {
    size_t name; /**< its offset in the message */
    size_t data; /**< the same */
    uint16_t data_length;
    uint16_t type;
    uint16_t class;
    uint32_t ttl_seconds;
} emi_message_record;

/** The sections of a message whose records are read. */
typedef enum emi_section { EMI_ANSWERS = 0, EMI_AUTHORITIES = 1 } emi_section;

/** Writes a recursive query for a name that emi_name_check_query accepts. udp_bytes: the largest datagram that
 * the server may send, announced by EDNS (RFC 6891); 0: without EDNS. Returns the length, at most
 * EMI_LONGEST_QUERY_BYTES. */
size_t emi_message_write_query(unsigned char *bytes, const char *name, unsigned type, uint16_t id, unsigned udp_bytes);

/** Writes the response for a name under localhost (RFC 6761, section 6.3): 127.0.0.1 for type A, ::1 for AAAA, and no
 * record for other types. Returns its length, at most EMI_LONGEST_QUERY_BYTES + 28. */
size_t emi_message_write_loopback(unsigned char *bytes, const char *name, unsigned type);

/** Whether it is a complete response to one question: every name, record and count is within the message. */
bool emi_message_is_sound(emi_message message);

static inline uint16_t emi_message_read16(emi_message message, size_t offset)
{
    return (uint16_t)(message.bytes[offset] << 8 | message.bytes[offset + 1]);
}

static inline uint32_t emi_message_read32(emi_message message, size_t offset)
{
    return (uint32_t)emi_message_read16(message, offset) << 16 | emi_message_read16(message, offset + 2);
}

/** Of a message with a header. */
static inline int emi_message_response_code(emi_message message)
{
    return message.bytes[3] & 0x0f;
}

static inline bool emi_message_is_truncated(emi_message message)
{
    return (message.bytes[2] & 0x02) != 0;
}

/** Writes a name as text into EMI_NAME_TEXT_BYTES, and returns the length of the text. -1: the name is malformed, or
 * does not end before the offset `end`. Only its bytes up to the first pointer count for that. */
int emi_message_read_name(emi_message message, size_t offset, size_t end, char *text);

/** Returns the offset of the first label of a name, to which pointers may lead; 0: it is malformed. Names with the same
 * one are the same. */
size_t emi_message_name_start(emi_message message, size_t offset);

/** Returns the offset after a name, whose pointers are not followed; 0: it is malformed. */
size_t emi_message_skip_name(emi_message message, size_t offset);

/** Whether two names are the same, whatever the case of their letters (RFC 4343). False if one is malformed. */
bool emi_message_same_names(emi_message message, size_t one, size_t other);

/** Calls visit(user, record) for the records of a section of a sound message, 512 at most, until it returns false. */
void emi_message_each(emi_message message, emi_section section,
                      bool (*visit)(void *user, const emi_message_record *record), void *user);

#endif
