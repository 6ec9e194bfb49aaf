/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Refuses options of contexts that contradict each other or are out of range.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <string.h>

#include "base/status_detail.h"
#include "base/options.h"
#include "tls/tls_private.h"

enum {
    MOST_SESSIONS = 4096,
    MOST_TICKET_SECONDS = 604800,
    ALL_VERSIONS = EM_TLS_1_0 | EM_TLS_1_1 | EM_TLS_1_2 | EM_TLS_1_3
};

static em_status refuse(const char *text)
{
    emi_set_status_detail(EM_INVALID_ARGUMENT, text);
    return EM_INVALID_ARGUMENT;
}

em_status emi_tls_check_certificate(const em_tls_certificate_options *options)
{
    if (options->certificate_file && options->certificate_pem)
        return refuse("certificate_file and certificate_pem are both given");
    if (options->private_key_file && options->private_key_pem)
        return refuse("private_key_file and private_key_pem are both given");
    if (!options->certificate_file && !options->certificate_pem)
        return refuse("there is no certificate");
    if (!options->ocsp_response != (options->ocsp_response_bytes == 0))
        return refuse("ocsp_response and ocsp_response_bytes belong together");
    return EM_OK;
}

static em_status check_switches(const em_tls_context_options *options)
{
    const em_switch switches[] = {options->self_signed,
                                  options->verify,
                                  options->system_authorities,
                                  options->crl_check_chain,
                                  options->verify_override,
                                  options->session_tickets,
                                  options->ocsp,
                                  options->ocsp_require,
                                  options->refuse_unknown_names};
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (!emi_is_switch(switches[i]))
            return refuse("a switch is neither EM_DEFAULT nor EM_ON nor EM_OFF");
    return EM_OK;
}

static em_status check_verification(const em_tls_context_options *options)
{
    bool has_authorities = options->ca_file || options->ca_path || options->ca_pem;
    bool asks = options->client_certificates != EM_TLS_CLIENT_CERTIFICATES_NONE;
    if ((unsigned)options->client_certificates > EM_TLS_CLIENT_CERTIFICATES_REQUIRE)
        return refuse("client_certificates is out of range");
    if (options->verify_override == EM_ON && !options->verify_peer)
        return refuse("verify_override needs verify_peer");
    if (options->verify_peer && options->verify == EM_OFF && options->verify_override != EM_ON && !asks)
        return refuse("verify_peer would never be called: verify is off");
    if (asks && !has_authorities && options->system_authorities != EM_ON && options->verify_override != EM_ON)
        return refuse("client certificates need ca_file, ca_path, ca_pem or verify_override");
    if (options->crl_check_chain == EM_ON && !options->crl_file && !options->crl_pem)
        return refuse("crl_check_chain needs crl_file or crl_pem");
    return EM_OK;
}

static bool is_version(em_tls_version version)
{
    return version == EM_TLS_1_0 || version == EM_TLS_1_1 || version == EM_TLS_1_2 || version == EM_TLS_1_3;
}

static em_status check_versions(const em_tls_context_options *options)
{
    if ((options->min_version && !is_version(options->min_version)) ||
        (options->max_version && !is_version(options->max_version)) || (options->versions & ~(unsigned)ALL_VERSIONS))
        return refuse("unknown version of TLS");
    if (options->versions && (options->min_version || options->max_version))
        return refuse("versions is given beside min_version or max_version");
    if (options->min_version && options->max_version && options->min_version > options->max_version)
        return refuse("min_version is above max_version");
    return EM_OK;
}

static em_status check_protocols(const char *const *alpn)
{
    size_t bytes = 0;
    for (; alpn && *alpn; alpn++) {
        size_t length = strlen(*alpn);
        if (length == 0 || length > 255)
            return refuse("a protocol of alpn has 1 to 255 bytes");
        bytes += length + 1;
    }
    return bytes > 65535 ? refuse("too many protocols in alpn") : EM_OK;
}

static em_status check_rest(const em_tls_context_options *options)
{
    if (options->certificate && options->self_signed == EM_ON)
        return refuse("self_signed is given beside a certificate");
    if (options->session_limit > MOST_SESSIONS)
        return refuse("session_limit is above 4096");
    if (options->ticket_seconds > MOST_TICKET_SECONDS)
        return refuse("ticket_seconds is above 604800");
    return options->certificate ? emi_tls_check_certificate(options->certificate) : EM_OK;
}

em_status emi_tls_check_options(const em_tls_context_options *options)
{
    em_status status = check_switches(options);
    if (status == EM_OK)
        status = check_verification(options);
    if (status == EM_OK)
        status = check_versions(options);
    if (status == EM_OK)
        status = check_protocols(options->alpn);
    return status == EM_OK ? check_rest(options) : status;
}

#endif
