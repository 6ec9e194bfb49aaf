/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Reading the data of records. Types without an entry in the table are reported as bytes.
 */
#include "dns/dns_records.h"

#include <netinet/in.h>
#include <string.h>

enum { PARAMETER_PORT = 3 };

void *emi_arena_take(emi_arena *arena, size_t bytes)
{
    arena->used = (arena->used + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
    void *taken = arena->base ? arena->base + arena->used : NULL;
    arena->used += bytes;
    return taken;
}

static void *copy(emi_arena *arena, const void *bytes, size_t length, size_t extra)
{
    char *taken = arena->base ? arena->base + arena->used : NULL;
    arena->used += length + extra;
    if (!taken)
        return NULL;
    if (length > 0)
        memcpy(taken, bytes, length);
    memset(taken + length, 0, extra);
    return taken;
}

const char *emi_arena_copy_text(emi_arena *arena, const char *text, size_t length)
{
    return copy(arena, text, length, 1);
}

/* One record as it is read. */
typedef struct input {
    emi_message message;
    size_t at;
    size_t end;
    emi_arena *arena;
} input;

static bool read_target(input *from, em_record *record)
{
    char text[EMI_NAME_TEXT_BYTES];
    int length = emi_message_read_name(from->message, from->at, from->end, text);
    if (length < 0)
        return false;
    record->target = emi_arena_copy_text(from->arena, text, (size_t)length);
    from->at = emi_message_skip_name(from->message, from->at);
    return true;
}

static bool read16(input *from, uint16_t *value)
{
    if (from->end - from->at < 2)
        return false;
    *value = emi_message_read16(from->message, from->at);
    from->at += 2;
    return true;
}

static bool read_ipv4(input *from, em_record *record)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    if (from->end - from->at != sizeof ipv4.sin_addr)
        return false;
    memcpy(&ipv4.sin_addr, from->message.bytes + from->at, sizeof ipv4.sin_addr);
    return em_address_from_sockaddr(&ipv4, sizeof ipv4, &record->address) == EM_OK;
}

static bool read_ipv6(input *from, em_record *record)
{
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    if (from->end - from->at != sizeof ipv6.sin6_addr)
        return false;
    memcpy(&ipv6.sin6_addr, from->message.bytes + from->at, sizeof ipv6.sin6_addr);
    return em_address_from_sockaddr(&ipv6, sizeof ipv6, &record->address) == EM_OK;
}

static bool read_mail_server(input *from, em_record *record)
{
    return read16(from, &record->priority) && read_target(from, record);
}

static bool read_server(input *from, em_record *record)
{
    return read16(from, &record->priority) && read16(from, &record->weight) && read16(from, &record->port) &&
           read_target(from, record);
}

/* Fields are read twice: to count them, then to fill them in. */
typedef bool field_reader(input *from, em_record_field *field);

static bool read_string(input *from, em_record_field *field)
{
    field->key = 0;
    field->length_bytes = from->message.bytes[from->at++];
    return from->end - from->at >= field->length_bytes;
}

static bool read_parameter(input *from, em_record_field *field)
{
    return read16(from, &field->key) && read16(from, &field->length_bytes) &&
           from->end - from->at >= field->length_bytes;
}

static bool count_fields(input from, field_reader *read, size_t *count)
{
    em_record_field field;
    for (*count = 0; from.at < from.end; ++*count) {
        if (!read(&from, &field))
            return false;
        from.at += field.length_bytes;
    }
    return true;
}

static bool read_fields(input *from, em_record *record, field_reader *read)
{
    if (!count_fields(*from, read, &record->field_count))
        return false;
    em_record_field *fields = emi_arena_take(from->arena, record->field_count * sizeof *fields);
    record->fields = fields;
    for (size_t i = 0; i < record->field_count; i++) {
        em_record_field field;
        if (!read(from, &field))
            return false;
        if (field.key == PARAMETER_PORT && field.length_bytes == 2)
            record->port = emi_message_read16(from->message, from->at);
        field.bytes = copy(from->arena, from->message.bytes + from->at, field.length_bytes, 1);
        from->at += field.length_bytes;
        if (fields)
            fields[i] = field;
    }
    return true;
}

static bool read_text(input *from, em_record *record)
{
    return read_fields(from, record, read_string);
}

static bool read_service(input *from, em_record *record)
{
    return read16(from, &record->priority) && read_target(from, record) && read_fields(from, record, read_parameter);
}

static const struct reader {
    uint16_t type;
    bool (*read)(input *from, em_record *record);
} readers[] = {
    {EM_RECORD_A, read_ipv4},         {EM_RECORD_AAAA, read_ipv6},    {EM_RECORD_CNAME, read_target},
    {EM_RECORD_NS, read_target},      {EM_RECORD_PTR, read_target},   {EM_RECORD_SOA, read_target},
    {EM_RECORD_MX, read_mail_server}, {EM_RECORD_SRV, read_server},   {EM_RECORD_TXT, read_text},
    {EM_RECORD_HTTPS, read_service},  {EM_RECORD_SVCB, read_service},
};

static bool read_data(input *from, em_record *record)
{
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (readers[i].type == record->type)
            return readers[i].read(from, record);
    return true;
}

static bool read_name(emi_message message, size_t offset, emi_arena *arena, em_record *record)
{
    char text[EMI_NAME_TEXT_BYTES];
    int length = emi_message_read_name(message, offset, message.length, text);
    if (length >= 0)
        record->name = emi_arena_copy_text(arena, text, (size_t)length);
    return length >= 0;
}

bool emi_record_read(emi_message message, const emi_message_record *given, const char *name, emi_arena *arena,
                     em_record *record)
{
    *record = (em_record){
        .name = name, .type = given->type, .ttl_seconds = given->ttl_seconds, .data_bytes = given->data_length};
    input from = {.message = message, .at = given->data, .end = given->data + given->data_length, .arena = arena};
    if (!read_data(&from, record) || (!name && !read_name(message, given->name, arena, record)))
        return false;
    record->data = copy(arena, message.bytes + given->data, given->data_length, 0);
    return true;
}
