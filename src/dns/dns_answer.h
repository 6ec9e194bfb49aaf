/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What a name server's message says, as records. One allocation holds all of it. It is shared by the cache and all who
 * have asked, and is freed with its last reference.
 */
#ifndef EMI_DNS_ANSWER_H
#define EMI_DNS_ANSWER_H

#include <stdbool.h>

#include <eventmachine/resolver.h>

#include "base/memory.h"
#include "dns/dns_message.h"

/** The most records of an answer, beyond which they are ignored, and the most links in a chain of CNAME records. */
enum { EMI_MOST_RECORDS = 256, EMI_MOST_ALIASES = 16 };

typedef struct emi_answer {
    em_answer view; /**< for the program */
    em_status status;
    bool may_keep;        /**< whether a cache may keep it */
    uint32_t ttl_seconds; /**< for how long it may be kept */
    unsigned references;
    size_t size_bytes; /**< of the allocation */
    const emi_memory *memory;
    em_record *records;    /**< those of `view` */
    uint64_t made_ns;      /**< when it was received, by the loop's time */
    uint32_t aged_seconds; /**< by which the records' times to live have been reduced */
    uint64_t *ranks;       /**< of the records' addresses, see system/address_order.h; NULL: not known yet */
} emi_answer;

/** Reads the answer to a question of this type. name: copied, as what was asked for. The answer has one reference.
 * EM_NO_MEMORY; what is wrong with the message is the answer's own status. */
em_status emi_answer_read(const emi_memory *memory, emi_message message, const char *name, unsigned type,
                          emi_answer **answer);

/** Makes an answer without records. response_code: -1 if there was no response. */
em_status emi_answer_make_failure(const emi_memory *memory, const char *name, em_status status, int response_code,
                                  emi_answer **answer);

/** Reduces the records' times to live by the age of the answer. */
void emi_answer_age(emi_answer *answer, uint64_t now_ns);

static inline emi_answer *emi_answer_retain(emi_answer *answer)
{
    answer->references++;
    return answer;
}

/** NULL is allowed. */
void emi_answer_release(emi_answer *answer);

#endif
