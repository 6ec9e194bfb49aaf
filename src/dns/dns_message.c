/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Reading and writing messages of the Domain Name System.
 */
#include "dns/dns_message.h"

#include <stdio.h>
#include <string.h>

#include <eventmachine/resolver.h>

#include "base/ascii.h"

enum {
    POINTER = 0xc0,
    RECURSION_DESIRED = 0x01,
    RESPONSE = 0x80,
    CLASS_INTERNET = 1,
    TYPE_OPT = 41,
    LONGEST_WIRE_NAME = 255,
    MOST_POINTERS = 127, /* a name has no more labels, and one pointer before each is enough */
    MOST_READ = 512      /* records of a section: enough for EMI_MOST_RECORDS and the aliases before them */
};

/* Writing */

static unsigned char *put16(unsigned char *to, unsigned value)
{
    to[0] = (unsigned char)(value >> 8);
    to[1] = (unsigned char)value;
    return to + 2;
}

static unsigned char *put_name(unsigned char *to, const char *name)
{
    while (*name) {
        size_t length = strcspn(name, ".");
        *to++ = (unsigned char)length;
        memcpy(to, name, length);
        to += length;
        name += length;
        if (*name == '.')
            name++;
    }
    *to++ = 0;
    return to;
}

/* RFC 6891, section 6.1.2: an OPT record of the root. Its class is the size of the largest datagram. */
static unsigned char *put_edns(unsigned char *to, unsigned udp_bytes)
{
    *to++ = 0;
    to = put16(to, TYPE_OPT);
    to = put16(to, udp_bytes);
    memset(to, 0, 6);
    return to + 6;
}

size_t emi_message_write_query(unsigned char *bytes, const char *name, unsigned type, uint16_t id, unsigned udp_bytes)
{
    memset(bytes, 0, EMI_MESSAGE_HEADER_BYTES);
    put16(bytes, id);
    bytes[2] = RECURSION_DESIRED;
    put16(bytes + 4, 1);
    put16(bytes + 10, udp_bytes > 0);
    unsigned char *end = put_name(bytes + EMI_MESSAGE_HEADER_BYTES, name);
    end = put16(end, type);
    end = put16(end, CLASS_INTERNET);
    if (udp_bytes > 0)
        end = put_edns(end, udp_bytes);
    return (size_t)(end - bytes);
}

size_t emi_message_write_loopback(unsigned char *bytes, const char *name, unsigned type)
{
    static const unsigned char ipv6[16] = {[15] = 1}, ipv4[4] = {127, 0, 0, 1};
    size_t length = emi_message_write_query(bytes, name, type, 0, 0);
    bytes[2] |= RESPONSE;
    if (type != EM_RECORD_A && type != EM_RECORD_AAAA)
        return length;
    size_t size = type == EM_RECORD_A ? sizeof ipv4 : sizeof ipv6;
    unsigned char *to = put16(bytes + length, POINTER << 8 | EMI_MESSAGE_HEADER_BYTES);
    to = put16(to, type);
    to = put16(to, CLASS_INTERNET);
    memset(to, 0, 4);
    to = put16(to + 4, (unsigned)size);
    memcpy(to, type == EM_RECORD_A ? ipv4 : ipv6, size);
    put16(bytes + 6, 1);
    return length + 12 + size;
}

/* Names */

/* A walk over the labels of a name. */
typedef struct walk {
    emi_message message;
    size_t at;
    size_t lowest; /* pointers must point below it, so that a walk ends */
    size_t end;    /* after the name where it began; 0: not known yet */
    size_t wire_length;
    unsigned pointers;
} walk;

static walk begin_walk(emi_message message, size_t offset)
{
    return (walk){.message = message, .at = offset, .lowest = offset};
}

static bool follow_pointer(walk *name)
{
    if (name->at + 2 > name->message.length)
        return false;
    size_t target = emi_message_read16(name->message, name->at) & 0x3fff;
    if (name->end == 0)
        name->end = name->at + 2;
    if (target >= name->lowest || target < EMI_MESSAGE_HEADER_BYTES || ++name->pointers > MOST_POINTERS)
        return false;
    name->at = target;
    name->lowest = target;
    return true;
}

/* Returns the next label and its length, 0 for the root, which ends the name; -1: malformed. */
static int next_label(walk *name, const unsigned char **label)
{
    for (;;) {
        if (name->at >= name->message.length)
            return -1;
        unsigned length = name->message.bytes[name->at];
        if ((length & POINTER) == POINTER) {
            if (!follow_pointer(name))
                return -1;
            continue;
        }
        name->wire_length += 1 + length;
        if (length > 63 || name->wire_length > LONGEST_WIRE_NAME || name->at + 1 + length > name->message.length)
            return -1;
        *label = name->message.bytes + name->at + 1;
        name->at += 1 + length;
        if (length == 0 && name->end == 0)
            name->end = name->at;
        return (int)length;
    }
}

static bool is_plain(unsigned char byte)
{
    return byte > ' ' && byte < 0x7f && byte != '.' && byte != '\\';
}

static char *put_escaped(char *to, unsigned char byte)
{
    if (byte == '.' || byte == '\\') {
        *to++ = '\\';
        *to++ = (char)byte;
        return to;
    }
    return to + snprintf(to, 5, "\\%03u", byte);
}

int emi_message_read_name(emi_message message, size_t offset, size_t end, char *text)
{
    walk name = begin_walk(message, offset);
    const unsigned char *label;
    int length;
    char *to = text;
    while ((length = next_label(&name, &label)) > 0) {
        if (to > text)
            *to++ = '.';
        for (int i = 0; i < length; i++)
            if (is_plain(label[i]))
                *to++ = (char)label[i];
            else
                to = put_escaped(to, label[i]);
    }
    *to = '\0';
    return length < 0 || name.end > end ? -1 : (int)(to - text);
}

static bool is_name(emi_message message, size_t offset)
{
    walk name = begin_walk(message, offset);
    const unsigned char *label;
    int length;
    while ((length = next_label(&name, &label)) > 0)
        ;
    return length == 0;
}

size_t emi_message_name_start(emi_message message, size_t offset)
{
    walk name = begin_walk(message, offset);
    while (name.at < message.length && (message.bytes[name.at] & POINTER) == POINTER)
        if (!follow_pointer(&name))
            return 0;
    return name.at < message.length ? name.at : 0;
}

size_t emi_message_skip_name(emi_message message, size_t offset)
{
    while (offset < message.length) {
        unsigned length = message.bytes[offset];
        if ((length & POINTER) == POINTER)
            return offset + 2 <= message.length ? offset + 2 : 0;
        offset += 1 + length;
        if (length == 0)
            return offset;
    }
    return 0;
}

bool emi_message_same_names(emi_message message, size_t one, size_t other)
{
    walk first = begin_walk(message, one);
    walk second = begin_walk(message, other);
    const unsigned char *label, *other_label;
    int length;
    do {
        length = next_label(&first, &label);
        if (length < 0 || next_label(&second, &other_label) != length ||
            !emi_ascii_same(label, other_label, (size_t)length))
            return false;
        if (label == other_label)
            return true; /* what follows is the same, too */
    } while (length > 0);
    return true;
}

/* Records */

/* Returns the offset after the record; 0: malformed. */
static size_t read_record(emi_message message, size_t offset, emi_message_record *record)
{
    enum { FIXED_BYTES = 10 };
    size_t at = emi_message_skip_name(message, offset);
    if (at == 0 || at + FIXED_BYTES > message.length)
        return 0;
    record->name = offset;
    record->type = emi_message_read16(message, at);
    record->class = emi_message_read16(message, at + 2);
    record->ttl_seconds = emi_message_read32(message, at + 4);
    record->data_length = emi_message_read16(message, at + 8);
    record->data = at + FIXED_BYTES;
    /* RFC 2181, section 8: a time to live with the highest bit set is 0. */
    if (record->ttl_seconds > INT32_MAX)
        record->ttl_seconds = 0;
    return record->data + record->data_length > message.length ? 0 : record->data + record->data_length;
}

static size_t after_question(emi_message message)
{
    size_t end = emi_message_skip_name(message, EMI_MESSAGE_HEADER_BYTES);
    return end == 0 || end + 4 > message.length ? 0 : end + 4;
}

/* The data of addresses has a fixed size. */
static bool has_right_length(const emi_message_record *record)
{
    if (record->class != CLASS_INTERNET)
        return true;
    return (record->type != EM_RECORD_A || record->data_length == 4) &&
           (record->type != EM_RECORD_AAAA || record->data_length == 16);
}

bool emi_message_is_sound(emi_message message)
{
    if (message.length < EMI_MESSAGE_HEADER_BYTES || !(message.bytes[2] & RESPONSE) ||
        emi_message_read16(message, 4) != 1)
        return false;
    size_t offset = is_name(message, EMI_MESSAGE_HEADER_BYTES) ? after_question(message) : 0;
    unsigned records = 0;
    for (size_t count = 6; count <= 10; count += 2)
        records += emi_message_read16(message, count);
    /* The counts include records that were cut off. */
    if (emi_message_is_truncated(message))
        return offset > 0;
    emi_message_record record;
    for (; offset > 0 && records > 0; records--) {
        offset = read_record(message, offset, &record);
        if (offset > 0 && (!is_name(message, record.name) || !has_right_length(&record)))
            return false;
    }
    return offset > 0;
}

void emi_message_each(emi_message message, emi_section section,
                      bool (*visit)(void *user, const emi_message_record *record), void *user)
{
    size_t offset = after_question(message);
    unsigned before = section == EMI_AUTHORITIES ? emi_message_read16(message, 6) : 0;
    unsigned count = emi_message_read16(message, section == EMI_AUTHORITIES ? 8 : 6);
    if (count > MOST_READ)
        count = MOST_READ;
    emi_message_record record;
    for (; offset > 0 && before > 0; before--)
        offset = read_record(message, offset, &record);
    for (; offset > 0 && count > 0; count--) {
        offset = read_record(message, offset, &record);
        if (offset == 0 || (record.class == CLASS_INTERNET && !visit(user, &record)))
            return;
    }
}
