/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Normalizes names of peers to the form that certificates use (RFC 9525): lower case, no final dot, addresses without
 * brackets and zone.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "base/status_detail.h"
#include "tls/tls_private.h"

enum { NAME_BYTES = 253, LABEL_BYTES = 63 }; /* RFC 1035, section 2.3.4 */

/* What cannot be printed is shown by its numbers, so that a log cannot be forged. */
static void quote(const char *given, char *text, size_t capacity)
{
    enum { ESCAPE_BYTES = sizeof "\\xff" };
    size_t used = 0;
    for (; *given && used + ESCAPE_BYTES < capacity; given++) {
        bool is_printable = *given >= ' ' && *given <= '~' && *given != '"' && *given != '\\';
        used += (size_t)snprintf(text + used, capacity - used, is_printable ? "%c" : "\\x%02x", (unsigned char)*given);
    }
    text[used] = '\0';
}

static em_status refuse(const char *option, const char *given)
{
    char value[128] = "";
    char text[256];
    quote(given, value, sizeof value);
    snprintf(text, sizeof text, "%s \"%s\": not a host name in ASCII and not an IP address", option, value);
    emi_set_status_detail(EM_INVALID_ARGUMENT, text);
    return EM_INVALID_ARGUMENT;
}

static bool is_letter_of_label(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Copies in lower case, without one final dot. */
static bool copy_name(const char *given, char *text)
{
    size_t length = strlen(given);
    if (length > 0 && given[length - 1] == '.')
        length--;
    if (length == 0 || length > NAME_BYTES)
        return false;
    for (size_t i = 0; i < length; i++)
        text[i] = given[i] >= 'A' && given[i] <= 'Z' ? (char)(given[i] - 'A' + 'a') : given[i];
    text[length] = '\0';
    return true;
}

static bool has_good_labels(const char *text)
{
    size_t length = 0;
    for (; *text; text++) {
        if (*text == '.' ? length == 0 : !is_letter_of_label(*text) || length == LABEL_BYTES)
            return false;
        length = *text == '.' ? 0 : length + 1;
    }
    return length > 0;
}

/* "[fe80::1%eth0]" becomes "fe80::1". */
static bool copy_address(const char *given, char *text)
{
    size_t length = strlen(given);
    if (length >= 2 && given[0] == '[' && given[length - 1] == ']') {
        given++;
        length -= 2;
    }
    const char *zone = memchr(given, '%', length);
    if (zone && memchr(given, ':', length))
        length = (size_t)(zone - given);
    if (length == 0 || length > NAME_BYTES)
        return false;
    memcpy(text, given, length);
    text[length] = '\0';
    return true;
}

/* OpenSSL also reads signs and spaces. */
static bool is_address(const char *text)
{
    if (text[strspn(text, "0123456789abcdefABCDEF.:")] != '\0')
        return false;
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(text);
    ASN1_OCTET_STRING_free(address);
    ERR_clear_error();
    return address != NULL;
}

em_status emi_tls_name_parse(const char *option, const char *given, emi_tls_name *name)
{
    *name = (emi_tls_name){.is_address = false};
    name->is_address = copy_address(given, name->text) && is_address(name->text);
    if (name->is_address)
        return EM_OK;
    if (!copy_name(given, name->text) || !has_good_labels(name->text))
        return refuse(option, given);
    name->is_address = is_address(name->text); /* "192.0.2.1." */
    return EM_OK;
}

em_status emi_tls_name_parse_pattern(const char *option, const char *given, emi_tls_name *name)
{
    *name = (emi_tls_name){.is_address = false};
    if (!copy_name(given, name->text))
        return refuse(option, given);
    const char *rest = strncmp(name->text, "*.", 2) == 0 ? name->text + 2 : name->text;
    return has_good_labels(rest) && !is_address(name->text) ? EM_OK : refuse(option, given);
}

#endif
