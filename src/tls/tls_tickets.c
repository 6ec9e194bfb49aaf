/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The keys that encrypt a server's session tickets (RFC 5077, section 4). The keys that a context generates form a
 * chain: each is derived from the seed of its period, and the seed of the next period replaces that seed. So expired
 * keys cannot be derived from the memory of the process, and forked processes derive the same keys without
 * communicating.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include "base/status_detail.h"
#include "system/random.h"
#include "tls/tls_private.h"

enum {
    SEED_BYTES = 32,
    HMAC_BYTES = 32, /* of a key's secrets; the rest is for AES */
    LEAST_PERIOD_SECONDS = 3600,
    MOST_STEPS = 10000 /* more than a year of hours: then the clock was wrong */
};

/* Where contexts begin, once the program has asked for it. Such contexts stay equal, also in forked processes. Until
 * the first of them is created there is only the seed of the period in which the program has asked, because deriving
 * keys initialises OpenSSL. */
static struct {
    emi_tls_lock lock;
    emi_tls_tickets tickets; /* count 0: no key has been derived yet */
    bool is_set;
} common;

static bool derive(const unsigned char *seed, char purpose, unsigned char *key)
{
    unsigned char text[SEED_BYTES + 1];
    memcpy(text, seed, SEED_BYTES);
    text[SEED_BYTES] = (unsigned char)purpose;
    bool is_done = EVP_Digest(text, sizeof text, key, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_cleanse(text, sizeof text);
    return is_done;
}

static bool derive_key(const unsigned char *seed, em_tls_ticket_key *key)
{
    unsigned char name[SEED_BYTES];
    if (!derive(seed, 'n', name) || !derive(seed, 'h', key->secrets) || !derive(seed, 'a', key->secrets + HMAC_BYTES))
        return false;
    memcpy(key->name, name, sizeof key->name);
    return true;
}

static int64_t period_of_now(const emi_tls_tickets *tickets)
{
    return (int64_t)time(NULL) / tickets->period_seconds;
}

/* Moves on by one period. */
static bool advance(emi_tls_tickets *tickets)
{
    em_tls_ticket_key next;
    unsigned char seed[SEED_BYTES];
    if (!derive(tickets->seed, 's', seed) || !derive_key(seed, &next))
        return false;
    unsigned kept = tickets->count < EM_TLS_MAX_TICKET_KEYS ? tickets->count : EM_TLS_MAX_TICKET_KEYS - 1;
    memmove(tickets->keys + 1, tickets->keys, kept * sizeof *tickets->keys);
    tickets->keys[0] = next;
    tickets->count = kept + 1;
    memcpy(tickets->seed, seed, SEED_BYTES);
    OPENSSL_cleanse(seed, sizeof seed);
    OPENSSL_cleanse(&next, sizeof next);
    tickets->period++;
    return true;
}

static void catch_up(emi_tls_tickets *tickets, int64_t now)
{
    if (now - tickets->period > MOST_STEPS)
        tickets->period = now - 1;
    while (tickets->period < now && advance(tickets))
        continue;
}

/* With the context's lock. What is common is not kept longer than what came from it. */
static void rotate(emi_tls_tickets *tickets)
{
    if (tickets->are_given || tickets->period >= period_of_now(tickets))
        return;
    catch_up(tickets, period_of_now(tickets));
    emi_tls_lock_take(&common.lock);
    if (common.tickets.count > 0)
        catch_up(&common.tickets, period_of_now(&common.tickets));
    emi_tls_lock_give(&common.lock);
}

/* Derives the key of the period that the seed is for. */
static em_status derive_first_key(emi_tls_tickets *tickets)
{
    if (!derive_key(tickets->seed, tickets->keys))
        return emi_tls_out_of_memory();
    tickets->count = 1;
    return EM_OK;
}

static em_status begin(emi_tls_tickets *tickets)
{
    tickets->period = period_of_now(tickets);
    ERR_clear_error();
    if (RAND_priv_bytes(tickets->seed, SEED_BYTES) != 1)
        return emi_tls_refuse(EM_TLS_FAILED, "no random numbers for ticket keys", NULL);
    return derive_first_key(tickets);
}

/* Returns whether there are common keys for this context, and copies what there is of them. */
static bool copy_common(emi_tls_tickets *tickets)
{
    emi_tls_lock_take(&common.lock);
    bool is_usable = common.is_set && common.tickets.period_seconds == tickets->period_seconds;
    if (is_usable)
        *tickets = common.tickets;
    emi_tls_lock_give(&common.lock);
    return is_usable;
}

/* Without the lock: the first time, this initialises OpenSSL. Threads that do it at the same time derive the same. */
static em_status begin_with_common(emi_tls_tickets *tickets)
{
    em_status status = tickets->count > 0 ? EM_OK : derive_first_key(tickets);
    if (status != EM_OK)
        return status;
    catch_up(tickets, period_of_now(tickets));
    emi_tls_lock_take(&common.lock);
    if (common.tickets.count == 0 || common.tickets.period < tickets->period)
        common.tickets = *tickets;
    emi_tls_lock_give(&common.lock);
    return EM_OK;
}

em_status em_tls_share_ticket_keys(void)
{
    emi_tls_tickets tickets = {.period_seconds = LEAST_PERIOD_SECONDS};
    tickets.period = period_of_now(&tickets);
    if (emi_random_bytes(tickets.seed, SEED_BYTES) != EM_OK) {
        emi_set_status_detail(EM_TLS_FAILED, "the system has no random numbers for ticket keys");
        return EM_TLS_FAILED;
    }
    emi_tls_lock_take(&common.lock);
    if (!common.is_set) {
        common.tickets = tickets;
        common.is_set = true;
    }
    emi_tls_lock_give(&common.lock);
    OPENSSL_cleanse(&tickets, sizeof tickets);
    return EM_OK;
}

/* A key encrypts tickets in its first period. In the others it still decrypts them, as long as they are valid. */
em_status emi_tls_tickets_init(emi_tls_tickets *tickets, unsigned ticket_seconds)
{
    int64_t period_seconds = ticket_seconds / (EM_TLS_MAX_TICKET_KEYS - 2) + 1;
    *tickets = (emi_tls_tickets){.period_seconds = period_seconds};
    if (period_seconds < LEAST_PERIOD_SECONDS)
        tickets->period_seconds = LEAST_PERIOD_SECONDS;
    return copy_common(tickets) ? begin_with_common(tickets) : begin(tickets);
}

static em_tls_ticket_key newest_key(em_tls_context *context)
{
    emi_tls_lock_take(&context->lock);
    rotate(&context->tickets);
    em_tls_ticket_key key = context->tickets.keys[0];
    emi_tls_lock_give(&context->lock);
    return key;
}

/* Returns the position of the key, counted from 1; 0: there is none. */
static unsigned find_key(em_tls_context *context, const unsigned char *name, em_tls_ticket_key *key)
{
    unsigned found = 0;
    emi_tls_lock_take(&context->lock);
    rotate(&context->tickets);
    for (unsigned i = 0; i < context->tickets.count && !found; i++)
        if (memcmp(context->tickets.keys[i].name, name, sizeof key->name) == 0) {
            *key = context->tickets.keys[i];
            found = i + 1;
        }
    emi_tls_lock_give(&context->lock);
    return found;
}

static bool set_mac(EVP_MAC_CTX *mac, em_tls_ticket_key *key)
{
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->secrets, HMAC_BYTES),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

static int seal(em_tls_context *context, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                EVP_MAC_CTX *mac)
{
    em_tls_ticket_key key = newest_key(context);
    memcpy(name, key.name, sizeof key.name);
    int result = RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
                         EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.secrets + HMAC_BYTES, iv) == 1 &&
                         set_mac(mac, &key)
                     ? 1
                     : -1;
    OPENSSL_cleanse(&key, sizeof key);
    return result;
}

/* Returns 1, or 2 for a ticket to be renewed: with an older key, and always in TLS 1.3, where each is used once. */
static int open_ticket(SSL *ssl, em_tls_context *context, const unsigned char *name, const unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    em_tls_ticket_key key;
    unsigned number = find_key(context, name, &key);
    if (number == 0)
        return 0;
    bool is_ready =
        set_mac(mac, &key) && EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.secrets + HMAC_BYTES, iv) == 1;
    OPENSSL_cleanse(&key, sizeof key);
    if (!is_ready)
        return -1;
    return number == 1 && SSL_version(ssl) != TLS1_3_VERSION ? 1 : 2;
}

/* See SSL_CTX_set_tlsext_ticket_key_evp_cb(3). */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                     int is_new)
{
    em_tls_context *context = emi_tls_of(ssl)->context;
    return is_new ? seal(context, name, iv, cipher, mac) : open_ticket(ssl, context, name, iv, cipher, mac);
}

void emi_tls_tickets_configure(SSL_CTX *ctx)
{
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}

static em_status refuse(const char *text)
{
    emi_set_status_detail(EM_INVALID_ARGUMENT, text);
    return EM_INVALID_ARGUMENT;
}

em_status em_tls_context_set_ticket_keys(em_tls_context *context, const em_tls_ticket_key *keys, unsigned count)
{
    emi_tls_tickets tickets = {.count = count, .are_given = true};
    em_status status = emi_tls_check_changeable(context);
    if (status == EM_OK && count > EM_TLS_MAX_TICKET_KEYS)
        status = refuse("a context has at most 8 ticket keys");
    if (status == EM_OK && count > 0 && !keys)
        status = refuse("ticket keys are counted, but none are given");
    if (status != EM_OK)
        return status;
    if (count > 0)
        memcpy(tickets.keys, keys, count * sizeof *keys);
    else
        status = emi_tls_tickets_init(&tickets, context->options.ticket_seconds);
    if (status != EM_OK)
        return status;
    emi_tls_lock_take(&context->lock);
    context->tickets = tickets;
    emi_tls_lock_give(&context->lock);
    OPENSSL_cleanse(&tickets, sizeof tickets);
    return EM_OK;
}

#endif
