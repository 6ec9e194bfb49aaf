/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Making an answer from a message. The message is read twice in the same way: first to count the memory that the answer
 * needs, then to fill it in.
 */
#include "dns/dns_answer.h"

#include <string.h>

#include <eventmachine/timer.h>

#include "dns/dns_records.h"

/* RFC 2308, section 5, recommends three hours at most. */
enum { LONGEST_NEGATIVE_SECONDS = 3 * 3600, LONGEST_SECONDS = 7 * 24 * 3600 };

/* The state of reading one message. */
typedef struct reading {
    emi_message message;
    emi_arena *arena;
    em_record *records; /* NULL while counting */
    unsigned type;
    unsigned count;
    bool has_malformed;     /* a record is left out */
    size_t owner;           /* the name whose records are wanted: offset */
    size_t alias;           /* the data of its CNAME record; 0: none */
    size_t owner_start;     /* see emi_message_name_start */
    const char *owner_name; /* as text; NULL: it has none */
    uint32_t ttl_seconds;
    bool has_ttl;
} reading;

static void limit_ttl(reading *state, uint32_t ttl_seconds)
{
    if (!state->has_ttl || ttl_seconds < state->ttl_seconds)
        state->ttl_seconds = ttl_seconds;
    state->has_ttl = true;
}

static bool find_alias(void *user, const emi_message_record *record)
{
    reading *state = user;
    if (record->type != EM_RECORD_CNAME || !emi_message_same_names(state->message, record->name, state->owner))
        return true;
    state->alias = record->data;
    limit_ttl(state, record->ttl_seconds);
    return false;
}

/* Follows the chain of CNAME records within the message. Returns false if it is too long, or a loop. */
static bool follow_aliases(reading *state)
{
    state->owner = EMI_MESSAGE_HEADER_BYTES;
    if (state->type == EM_RECORD_CNAME)
        return true;
    for (unsigned links = 0; links <= EMI_MOST_ALIASES; links++) {
        state->alias = 0;
        emi_message_each(state->message, EMI_ANSWERS, find_alias, state);
        if (state->alias == 0)
            return true;
        state->owner = state->alias;
    }
    return false;
}

/* Adds what the record needs, unless it is to be written. Returns false if it is malformed. */
static bool count_record(reading *state, const emi_message_record *record, const char *name)
{
    em_record counted;
    emi_arena needed = {.base = NULL, .used = state->arena->used};
    if (!emi_record_read(state->message, record, name, &needed, &counted))
        return false;
    if (!state->records)
        state->arena->used = needed.used;
    return true;
}

static bool take_record(void *user, const emi_message_record *record)
{
    reading *state = user;
    if (record->type != state->type)
        return true;
    bool is_pointer = emi_message_name_start(state->message, record->name) == state->owner_start;
    if (!is_pointer && !emi_message_same_names(state->message, record->name, state->owner))
        return true;
    const char *name = is_pointer ? state->owner_name : NULL;
    /* A malformed record must not be written even in part: no memory was counted for it. */
    if ((!state->records || state->has_malformed) && !count_record(state, record, name)) {
        state->has_malformed = true;
        return true;
    }
    if (state->records)
        emi_record_read(state->message, record, name, state->arena, &state->records[state->count]);
    limit_ttl(state, record->ttl_seconds);
    state->count++;
    return state->count < EMI_MOST_RECORDS;
}

/* RFC 2308, section 3: a negative answer may be kept as long as the zone's SOA record says. */
static bool find_zone(void *user, const emi_message_record *record)
{
    reading *state = user;
    if (record->type != EM_RECORD_SOA || record->data_length < 20)
        return true;
    limit_ttl(state, record->ttl_seconds);
    limit_ttl(state, emi_message_read32(state->message, record->data + record->data_length - 4));
    state->alias = record->data;
    return false;
}

static em_status judge(int response_code, unsigned count)
{
    if (response_code == EMI_NO_SUCH_NAME)
        return EM_NAME_NOT_FOUND;
    if (response_code != EMI_NO_ERROR)
        return EM_RESOLVER_FAILED;
    return count > 0 ? EM_OK : EM_NO_RECORDS;
}

static void set_lifetime(emi_answer *answer, reading *state)
{
    uint32_t longest = LONGEST_SECONDS;
    if (answer->status != EM_OK) {
        state->alias = 0;
        emi_message_each(state->message, EMI_AUTHORITIES, find_zone, state);
        answer->may_keep = state->alias != 0 && answer->status != EM_RESOLVER_FAILED;
        longest = LONGEST_NEGATIVE_SECONDS;
    } else {
        answer->may_keep = true;
    }
    answer->ttl_seconds = state->ttl_seconds < longest ? state->ttl_seconds : longest;
}

/* Fills in the memory behind the struct, in this order. answer: NULL while counting. owner: the name of the records as
 * text; "": it has none. */
static void fill(emi_answer *answer, reading *state, const char *name, const char *owner)
{
    emi_arena *arena = state->arena;
    const char *copied = emi_arena_copy_text(arena, name, strlen(name));
    const char *canonical = owner[0] ? emi_arena_copy_text(arena, owner, strlen(owner)) : copied;
    state->owner_name = owner[0] ? (answer ? canonical : owner) : NULL;
    state->count = 0;
    emi_message_each(state->message, EMI_ANSWERS, take_record, state);
    if (answer) {
        answer->view.name = copied;
        answer->view.canonical_name = canonical;
    }
}

static emi_answer *allocate(const emi_memory *memory, size_t records_bytes, size_t texts_bytes)
{
    size_t bytes = sizeof(emi_answer) + records_bytes + texts_bytes;
    emi_answer *answer = emi_allocate_zeroed(memory, bytes);
    if (!answer)
        return NULL;
    answer->memory = memory;
    answer->references = 1;
    answer->size_bytes = bytes;
    answer->records = (em_record *)(void *)(answer + 1);
    answer->view.records = answer->records;
    return answer;
}

static em_status read_records(const emi_memory *memory, reading *state, const char *name, emi_answer **made)
{
    char owner[EMI_NAME_TEXT_BYTES];
    emi_arena counted = {.base = NULL};
    state->arena = &counted;
    state->owner_start = emi_message_name_start(state->message, state->owner);
    if (emi_message_read_name(state->message, state->owner, state->message.length, owner) < 0)
        owner[0] = '\0';
    fill(NULL, state, name, owner);
    size_t records_bytes = state->count * sizeof(em_record);
    emi_answer *answer = allocate(memory, records_bytes, counted.used);
    if (!answer)
        return EM_NO_MEMORY;
    emi_arena arena = {.base = (char *)(answer + 1) + records_bytes};
    state->arena = &arena;
    state->records = answer->records;
    fill(answer, state, name, owner);
    answer->view.record_count = state->count;
    *made = answer;
    return EM_OK;
}

em_status emi_answer_read(const emi_memory *memory, emi_message message, const char *name, unsigned type,
                          emi_answer **made)
{
    int code = message.length >= EMI_MESSAGE_HEADER_BYTES ? emi_message_response_code(message) : -1;
    if (!emi_message_is_sound(message))
        return emi_answer_make_failure(memory, name, EM_RESOLVER_FAILED, code, made);
    /* A truncated answer is not used, not even over TCP: it does not say what is missing. */
    if (emi_message_is_truncated(message))
        return emi_answer_make_failure(memory, name, EM_ANSWER_TRUNCATED, code, made);
    reading state = {.message = message, .type = type};
    if (!follow_aliases(&state))
        return emi_answer_make_failure(memory, name, EM_RESOLVER_FAILED, code, made);
    em_status status = read_records(memory, &state, name, made);
    if (status != EM_OK)
        return status;
    emi_answer *answer = *made;
    answer->view.response_code = code;
    answer->status = judge(code, state.count);
    if (answer->status != EM_OK)
        answer->view.record_count = 0;
    set_lifetime(answer, &state);
    return EM_OK;
}

em_status emi_answer_make_failure(const emi_memory *memory, const char *name, em_status status, int response_code,
                                  emi_answer **made)
{
    size_t bytes = strlen(name) + 1;
    emi_answer *answer = allocate(memory, 0, bytes);
    if (!answer)
        return EM_NO_MEMORY;
    char *copied = (char *)(answer + 1);
    memcpy(copied, name, bytes);
    answer->view.name = copied;
    answer->view.canonical_name = copied;
    answer->view.response_code = response_code;
    answer->status = status;
    *made = answer;
    return EM_OK;
}

void emi_answer_age(emi_answer *answer, uint64_t now_ns)
{
    uint32_t age = now_ns > answer->made_ns ? (uint32_t)((now_ns - answer->made_ns) / EM_SECONDS) : 0;
    uint32_t added = age - answer->aged_seconds;
    for (size_t i = 0; i < answer->view.record_count; i++) {
        uint32_t *left = &answer->records[i].ttl_seconds;
        *left = *left > added ? *left - added : 0;
    }
    answer->aged_seconds = age;
}

void emi_answer_release(emi_answer *answer)
{
    if (!answer || --answer->references > 0)
        return;
    emi_release(answer->memory, answer->ranks);
    emi_release(answer->memory, answer);
}
