/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Builds without OpenSSL: every function reports that there is no TLS.
 */
#include "base/features.h"

#if !EMI_HAVE_OPENSSL

#include "base/status_detail.h"
#include "tls/tls.h"

int em_has_tls(void)
{
    return 0;
}

static em_status missing(void)
{
    emi_set_status_detail(EM_UNSUPPORTED, "built without OpenSSL: there is no TLS");
    return EM_UNSUPPORTED;
}

em_status em_tls_context_create(const em_tls_context_options *options, em_tls_context **context)
{
    (void)options;
    if (context)
        *context = NULL;
    return missing();
}

em_status em_tls_context_create_shared(const em_tls_context_options *options, em_tls_context **context)
{
    return em_tls_context_create(options, context);
}

void em_tls_context_retain(em_tls_context *context)
{
    (void)context;
}

void em_tls_context_release(em_tls_context *context)
{
    (void)context;
}

em_status em_tls_context_add_certificate(em_tls_context *context, const char *server_name,
                                         const em_tls_certificate_options *options)
{
    (void)context;
    (void)server_name;
    (void)options;
    return missing();
}

em_status em_tls_context_reload(em_tls_context *context)
{
    (void)context;
    return missing();
}

em_status em_tls_share_ticket_keys(void)
{
    return missing();
}

em_status em_tls_context_set_ticket_keys(em_tls_context *context, const em_tls_ticket_key *keys, unsigned count)
{
    (void)context;
    (void)keys;
    (void)count;
    return missing();
}

em_status emi_tls_open(const emi_tls_opening *opening, emi_filter **filter)
{
    (void)opening;
    *filter = NULL;
    return missing();
}

bool emi_tls_is(const emi_filter *filter)
{
    (void)filter;
    return false;
}

void emi_tls_get_info(const emi_filter *filter, em_tls_info *info)
{
    (void)filter;
    *info = (em_tls_info){.detail = ""};
}

size_t emi_tls_get_peer_certificate(const emi_filter *filter, unsigned index, em_tls_format format, void *buffer,
                                    size_t capacity)
{
    (void)filter;
    (void)index;
    (void)format;
    (void)buffer;
    (void)capacity;
    return 0;
}

const void *emi_tls_get_ocsp_response(const emi_filter *filter, size_t *length)
{
    (void)filter;
    *length = 0;
    return NULL;
}

#endif
