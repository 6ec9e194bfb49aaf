/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Shared contexts: equal options get the same context. The process keeps those that were used most recently.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <string.h>

#include "base/status_detail.h"
#include "tls/tls_private.h"

enum { KEPT = 16 };

/* The one used most recently comes first. */
static struct {
    emi_tls_lock lock;
    unsigned count;
    struct {
        unsigned char key[32];
        em_tls_context *context;
    } kept[KEPT];
} shared;

/* Moves the entry to the front. */
static void use_first(unsigned place)
{
    unsigned char key[sizeof shared.kept->key];
    em_tls_context *context = shared.kept[place].context;
    memcpy(key, shared.kept[place].key, sizeof key);
    memmove(shared.kept + 1, shared.kept, place * sizeof *shared.kept);
    memcpy(shared.kept[0].key, key, sizeof key);
    shared.kept[0].context = context;
}

static em_tls_context *find(const unsigned char *key)
{
    em_tls_context *found = NULL;
    emi_tls_lock_take(&shared.lock);
    for (unsigned i = 0; i < shared.count && !found; i++)
        if (memcmp(shared.kept[i].key, key, sizeof shared.kept[i].key) == 0) {
            found = shared.kept[i].context;
            use_first(i);
        }
    em_tls_context_retain(found);
    emi_tls_lock_give(&shared.lock);
    return found;
}

/* Returns the context to be released in its place, or NULL. */
static em_tls_context *keep(const unsigned char *key, em_tls_context *context)
{
    em_tls_context *oldest = NULL;
    em_tls_context_retain(context);
    emi_tls_lock_take(&shared.lock);
    if (shared.count == KEPT)
        oldest = shared.kept[KEPT - 1].context;
    else
        shared.count++;
    memcpy(shared.kept[shared.count - 1].key, key, sizeof shared.kept->key);
    shared.kept[shared.count - 1].context = context;
    use_first(shared.count - 1);
    emi_tls_lock_give(&shared.lock);
    return oldest;
}

static em_status find_or_make(const em_tls_context_options *options, em_tls_context **context)
{
    unsigned char key[32];
    if (!emi_tls_digest_options(options, key))
        return emi_tls_out_of_memory();
    *context = find(key);
    if (*context)
        return EM_OK;
    em_status status = emi_tls_context_make(options, context);
    if (status == EM_OK) {
        (*context)->is_shared = true;
        em_tls_context_release(keep(key, *context));
    }
    return status;
}

em_status em_tls_context_create_shared(const em_tls_context_options *options, em_tls_context **context)
{
    em_tls_context_options own;
    em_tls_certificate_options certificate;
    if (!context)
        return EM_INVALID_ARGUMENT;
    *context = NULL;
    em_status status = emi_tls_read_context_options(&own, &certificate, options);
    if (status == EM_OK && own.dispose) {
        emi_set_status_detail(EM_INVALID_ARGUMENT, "a shared context takes no dispose");
        status = EM_INVALID_ARGUMENT;
    }
    return status == EM_OK ? find_or_make(&own, context) : status;
}

#endif
