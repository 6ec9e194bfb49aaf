/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What name servers and files may say: replies that were mutated, replies of nothing but random bytes, and random texts
 * in place of the hosts file and resolv.conf. Everything is read without a fault, in bounded time, and what is made of
 * it has the form that the headers promise. In some runs memory runs out. It uses no backend.
 */
#include <stdlib.h>
#include <string.h>

#include "dns/dns_answer.h"
#include "dns/dns_config.h"
#include "dns/dns_hosts.h"
#include "fuzz/support/fuzz.h"
#include "support/failing_allocator.h"
#include "support/bytes.h"

enum { STEPS = 300, LONGEST = 600, MOST_TEXT = 2000 };

static uint64_t dice;
static failing_allocator allocator;

static uint64_t below(uint64_t limit)
{
    return random_below(&dice, limit);
}

/* Replies */

static const uint16_t types[] = {1, 2, 5, 6, 12, 15, 16, 28, 33, 64, 65, 257, 999};

static unsigned random_type(void)
{
    return types[below(sizeof types / sizeof *types)];
}

typedef struct reply {
    unsigned char bytes[LONGEST + 64];
    size_t length;
} reply;

static void put(reply *to, unsigned value, unsigned bytes)
{
    for (unsigned i = bytes; i > 0 && to->length < LONGEST; i--)
        to->bytes[to->length++] = (unsigned char)(value >> 8 * (i - 1));
}

/* A pointer to the question, or to somewhere else, or labels. */
static void put_name(reply *to)
{
    if (below(2)) {
        put(to, 0xc000 | (below(4) ? 12 : (unsigned)below(LONGEST)), 2);
        return;
    }
    for (uint64_t labels = below(4); labels > 0; labels--) {
        put(to, 1, 1);
        put(to, 'a' + (unsigned)below(3), 1);
    }
    if (below(2))
        put(to, 0, 1);
    else
        put(to, 0xc000 | 12, 2);
}

/* Of addresses mostly the right number of bytes, of other types anything. */
static void put_data(reply *to, unsigned type)
{
    unsigned numbers = type == EM_RECORD_A ? 1 : type == EM_RECORD_AAAA ? 4 : 0;
    uint64_t parts = numbers > 0 ? below(20) / 19 : below(5);
    for (; numbers > 0; numbers--)
        put(to, 0x20010db8, 4);
    for (; parts > 0; parts--)
        if (below(2))
            put_name(to);
        else
            put(to, (unsigned)dice, 1 + (unsigned)below(4));
}

/* Half of them are of the type that is asked for. */
static void put_record(reply *to, unsigned wanted)
{
    put_name(to);
    unsigned type = below(2) ? wanted : random_type();
    put(to, type, 2);
    put(to, 1, 2);
    put(to, (unsigned)below(1000), 4);
    size_t at = to->length;
    put(to, 0, 2);
    put_data(to, type);
    if (at + 2 <= to->length) {
        to->bytes[at] = (unsigned char)((to->length - at - 2) >> 8);
        to->bytes[at + 1] = (unsigned char)(to->length - at - 2);
    }
}

static void make_reply(reply *to, unsigned type)
{
    to->length = emi_message_write_query(to->bytes, "a.b.test", type, (uint16_t)below(65536), 0);
    to->bytes[2] |= 0x80;
    to->bytes[3] = (unsigned char)(below(4) ? 0 : below(16));
    to->bytes[7] = (unsigned char)below(6);
    to->bytes[9] = (unsigned char)below(3);
    for (unsigned i = to->bytes[7] + to->bytes[9]; i > 0; i--)
        put_record(to, type);
}

static void mutate(reply *to)
{
    for (uint64_t changes = below(4); changes > 0; changes--)
        to->bytes[below(to->length)] = (unsigned char)below(256);
    if (below(4) == 0)
        to->length = below(to->length + 1);
}

static void check_text(const char *text)
{
    FUZZ_CHECK(text && strlen(text) < EMI_NAME_TEXT_BYTES);
}

static unsigned sum; /* of every byte that the answers offer, which are read for the sanitizers */

static void check_record(const em_record *record)
{
    check_text(record->name);
    if (record->target)
        check_text(record->target);
    for (size_t i = 0; i < record->data_bytes; i++)
        sum += ((const unsigned char *)record->data)[i];
    for (size_t i = 0; i < record->field_count; i++)
        for (size_t j = 0; j < record->fields[i].length_bytes; j++)
            sum += (unsigned char)record->fields[i].bytes[j];
}

static void check_answer(const emi_answer *answer, unsigned type)
{
    check_text(answer->view.name);
    check_text(answer->view.canonical_name);
    FUZZ_CHECK((answer->status == EM_OK) == (answer->view.record_count > 0));
    FUZZ_CHECK(answer->view.record_count <= EMI_MOST_RECORDS);
    for (size_t i = 0; i < answer->view.record_count; i++) {
        FUZZ_CHECK(answer->view.records[i].type == type);
        check_record(&answer->view.records[i]);
    }
}

static void read_reply(void)
{
    reply made;
    unsigned type = random_type();
    if (below(4)) {
        make_reply(&made, type);
        mutate(&made);
    } else {
        made.length = below(LONGEST);
        for (size_t i = 0; i < made.length; i++)
            made.bytes[i] = (unsigned char)below(256);
    }
    /* Of exactly its size, so that the sanitizer sees what lies behind it. */
    unsigned char *bytes = malloc(made.length > 0 ? made.length : 1);
    memcpy(bytes, made.bytes, made.length);
    emi_answer *answer = NULL;
    em_status status = emi_answer_read(&allocator.allocator, (emi_message){.bytes = bytes, .length = made.length},
                                       "a.b.test", type, &answer);
    free(bytes);
    FUZZ_CHECK(status == EM_OK || status == EM_NO_MEMORY);
    if (status == EM_OK)
        check_answer(answer, type);
    emi_answer_release(answer);
    fuzz_count.bytes += made.length;
}

/* Texts */

static const char *const words[] = {
    "nameserver", "search",     "domain",   "options", "ndots:", "timeout:9", "attempts:", "rotate", "127.0.0.1",
    "::1",        "fe80::1%lo", "1.2.3",    "a.test",  "b..c",   ".",         "#",         ";",      "\n",
    "\r\n",       "\t",         "99999999", "no-aaaa", "-1",     "\xff",      "a",         "host.",
};

static char *make_text(void)
{
    char *text = emi_allocate(&allocator.allocator, MOST_TEXT + 1);
    if (!text)
        return NULL;
    size_t length = 0;
    for (uint64_t count = below(150); count > 0; count--) {
        const char *word = words[below(sizeof words / sizeof *words)];
        size_t bytes = strlen(word);
        if (length + bytes + 1 > MOST_TEXT)
            break;
        memcpy(text + length, word, bytes);
        length += bytes;
        if (below(4))
            text[length++] = ' ';
    }
    text[length] = '\0';
    return text;
}

static void read_resolv_conf(void)
{
    emi_dns_config config = {.memory = &allocator.allocator};
    char *text = make_text();
    emi_dns_config_init(&config);
    emi_dns_config_read(&config, text);
    emi_dns_config_complete(&config);
    emi_release(&allocator.allocator, text);
    FUZZ_CHECK(config.server_count >= 1 && config.server_count <= EMI_MOST_SERVERS);
    FUZZ_CHECK(config.suffix_count <= EMI_MOST_SUFFIXES && config.ndots <= 15);
    FUZZ_CHECK(config.attempts >= 1 && config.attempts <= 5 && config.timeout_ms >= 1000);
}

static void read_hosts(void)
{
    emi_hosts hosts = {.memory = NULL};
    emi_addresses addresses;
    char *text = make_text();
    if (emi_hosts_read(&hosts, &allocator.allocator, text) != EM_OK)
        emi_release(&allocator.allocator, text);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        bool found = emi_hosts_find(&hosts, words[i], 80, &addresses);
        FUZZ_CHECK(found == (addresses.count > 0) && addresses.count <= EMI_MOST_ADDRESSES);
    }
    emi_hosts_clear(&hosts);
}

static void run(const fuzz_run *given)
{
    dice = given->seed;
    failing_allocator_init(&allocator);
    if (given->memory)
        failing_allocator_fail_every(&allocator, 10);
    for (unsigned i = 0; i < STEPS; i++) {
        read_reply();
        if (i % 10 == 0) {
            read_resolv_conf();
            read_hosts();
        }
    }
    FUZZ_CHECK(atomic_load(&allocator.live) == 0);
    FUZZ_CHECK(sum > 0 || given->memory);
    fuzz_count.failed_allocations += atomic_load(&allocator.failures);
}

int main(int argc, char **argv)
{
    static const fuzz_program program = {.name = "names", .seeds = 40, .seconds_per_run = 60, .run = run};
    return fuzz_main(argc, argv, &program);
}
