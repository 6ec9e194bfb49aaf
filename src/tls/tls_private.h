/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the files of tls/ that use OpenSSL share.
 *
 * A context (em_tls_context) has one setup at a time: an SSL_CTX with certificates and rules. A setup never changes
 * once it is in use; reloading makes another one. So connections read theirs without a lock, and keep it until they
 * end. What belongs to the context itself and lives longer, ticket keys and clients' sessions, is under the context's
 * lock.
 *
 * Memory of contexts is OpenSSL's (OPENSSL_malloc), memory of filters is the loop's.
 */
#ifndef EMI_TLS_PRIVATE_H
#define EMI_TLS_PRIVATE_H

#include <stdatomic.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/features.h"
#include "base/list.h"
#include "tls/tls.h"

typedef struct emi_tls emi_tls;

/* tls_lock.c */

/**
 * A lock that is held for a few instructions, never while a callback runs. Where a fork(2) happened
 * while another thread held it, the child takes it over.
 */
typedef struct emi_tls_lock {
    atomic_long holder; /**< a process, or 0 */
} emi_tls_lock;

void emi_tls_lock_take(emi_tls_lock *lock);
void emi_tls_lock_give(emi_tls_lock *lock);

/* tls_error.c */

/** Fails: remembers the text for em_status_get_detail, with the first entry of OpenSSL's queue behind it, which is
 * emptied. EM_NO_MEMORY instead of `status` if that is what has happened. */
em_status emi_tls_refuse(em_status status, const char *text, const char *subject);

/** The first entry of OpenSSL's queue in words, never empty; empties the queue. *code: the entry. */
void emi_tls_take_error(char *text, size_t capacity, unsigned long *code);

/** Empties the queue before a call. To look at it first costs a sixth of clearing it (OpenSSL 3.0). */
static inline void emi_tls_clear_errors(void)
{
    if (EMI_UNLIKELY(ERR_peek_error() != 0))
        ERR_clear_error();
}

/** Whether an entry says that memory ran out. */
bool emi_tls_is_memory_error(unsigned long code);

/* tls_options.c */

/** Deep copies of options, for reloading. Text in them is wiped when it is freed. */
em_status emi_tls_copy_certificate_options(em_tls_certificate_options *copy, const em_tls_certificate_options *given);
void emi_tls_free_certificate_options(em_tls_certificate_options *copy);
em_status emi_tls_copy_options(em_tls_context_options *copy, const em_tls_context_options *given);
void emi_tls_free_options(em_tls_context_options *copy);

/* tls_check.c */

/** Whether options contradict each other: EM_INVALID_ARGUMENT with a text. */
em_status emi_tls_check_options(const em_tls_context_options *options);
em_status emi_tls_check_certificate(const em_tls_certificate_options *options);

/* tls_credential.c */

/** A certificate with chain and key. Counted. */
typedef struct emi_tls_credential {
    atomic_uint uses;
    X509 *certificate;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    unsigned char *ocsp_response;
    size_t ocsp_response_bytes;
} emi_tls_credential;

em_status emi_tls_credential_load(const em_tls_certificate_options *options, emi_tls_credential **credential);
void emi_tls_credential_retain(emi_tls_credential *credential);
void emi_tls_credential_release(emi_tls_credential *credential);

/** For all connections of an SSL_CTX, or for one. */
em_status emi_tls_credential_use(emi_tls_credential *credential, SSL_CTX *ctx);
bool emi_tls_credential_use_once(emi_tls_credential *credential, SSL *ssl);

/* tls_self_signed.c */

/** The one of this process. */
em_status emi_tls_credential_self_signed(emi_tls_credential **credential);

/* tls_pem.c */

/** A file or a text of PEM to read from; EM_OK and *source NULL if neither is given. `failure`: the status if the file
 * cannot be read. */
em_status emi_tls_pem_open(const char *file, const char *pem, em_status failure, BIO **source);

/** Reads all certificates that come next. EM_TLS_BAD_CERTIFICATE if there is none, or a broken one. */
em_status emi_tls_pem_read_certificates(BIO *source, const char *name, STACK_OF(X509) * *certificates);

/** A callback for OpenSSL in place of its own, which would ask on the terminal. user: the passphrase or NULL. */
int emi_tls_pem_passphrase(char *buffer, int capacity, int is_writing, void *user);

/* tls_store.c */

/** The authorities that options name. *store is NULL if that is the system's alone. */
em_status emi_tls_store_load(const em_tls_context_options *options, X509_STORE **store);

/** The system's authorities, shared by the process, loaded now if nobody has needed them before. NULL: no memory. */
X509_STORE *emi_tls_store_system(void);

/* tls_name.c */

/** A host name or an address in the form in which certificates have it. */
typedef struct emi_tls_name {
    char text[256];
    bool is_address;
} emi_tls_name;

/** EM_INVALID_ARGUMENT for what is neither. */
em_status emi_tls_name_parse(const char *given, emi_tls_name *name);

/** Of a certificate to choose: a host name, or one with `*` as its first label. */
em_status emi_tls_name_parse_pattern(const char *given, emi_tls_name *name);

/* tls_setup.c */

/** Certificates for one name. */
typedef struct emi_tls_named {
    emi_tls_name name; /**< lower case; "*.example.com" stays so */
    emi_tls_credential *credential;
    struct emi_tls_named *next;
} emi_tls_named;

typedef struct emi_tls_setup {
    atomic_uint uses;
    SSL_CTX *ctx;
    em_tls_context_options options; /**< a shallow copy: what it refers to is the context's */
    X509_STORE *store;              /**< NULL: the system's */
    emi_tls_named *named;
    emi_tls_credential *credential; /**< the first one; NULL: none */
    unsigned char *alpn;            /**< in the form of the wire, RFC 7301, section 3.1 */
    unsigned alpn_bytes;
    unsigned char policy[32];   /**< how peers are judged: a server resumes sessions of the same policy only */
    unsigned char identity[32]; /**< policy, certificate and protocols: a client resumes sessions of the same only */
} emi_tls_setup;

/** Added certificates, as they were given. */
typedef struct emi_tls_addition {
    emi_list link;
    char *server_name; /**< NULL: for all others */
    int key_type;      /**< EVP_PKEY_get_base_id(3), once it was loaded */
    em_tls_certificate_options options;
} emi_tls_addition;

em_status emi_tls_setup_create(const em_tls_context_options *options, emi_list *additions, emi_tls_setup **setup);
void emi_tls_setup_retain(emi_tls_setup *setup);
void emi_tls_setup_release(emi_tls_setup *setup);

/** How many authorities a server names to its clients. */
enum { EMI_TLS_MOST_AUTHORITIES_NAMED = 64 };

/* tls_digest.c */

/** Computes policy and identity. */
bool emi_tls_digest_setup(emi_tls_setup *setup);

/** 32 bytes that are equal for options that make equal contexts. */
bool emi_tls_digest_options(const em_tls_context_options *options, unsigned char *key);

/* tls_configure.c */

/** How long tickets can be used, if the program does not say. */
enum { EMI_TLS_TICKET_SECONDS = 7200 };

/** Versions, ciphers, groups and so on, as options say. */
em_status emi_tls_configure(SSL_CTX *ctx, const em_tls_context_options *options);

/* tls_server.c */

/** What a server does with a ClientHello: finds its context and certificate. */
void emi_tls_server_configure(SSL_CTX *ctx);

/* tls_tickets.c */

/** The keys that session tickets are encrypted with, see em_tls_context_set_ticket_keys. */
typedef struct emi_tls_tickets {
    em_tls_ticket_key keys[EM_TLS_TICKET_KEYS];
    unsigned count;
    bool are_given;         /**< by the program; else they are derived from `seed` */
    unsigned char seed[32]; /**< the next key comes from it; processes that are forked derive the same ones */
    int64_t period;         /**< of keys[0], counted from the epoch */
    int64_t period_seconds;
} emi_tls_tickets;

/** ticket_seconds: for how long a key must be accepted. */
em_status emi_tls_tickets_init(emi_tls_tickets *tickets, unsigned ticket_seconds);
void emi_tls_tickets_configure(SSL_CTX *ctx);

/* tls_sessions.c */

/** How many sessions a context keeps, if the program does not say. */
enum { EMI_TLS_SESSIONS = 256 };

/** Sessions that clients keep. */
typedef struct emi_tls_sessions {
    emi_list oldest_first;
    unsigned count;
} emi_tls_sessions;

void emi_tls_sessions_init(emi_tls_sessions *sessions);
void emi_tls_sessions_clear(emi_tls_sessions *sessions);
void emi_tls_sessions_configure(SSL_CTX *ctx);

/** Offers a session that was kept for this peer, if there is one. */
void emi_tls_sessions_offer(emi_tls *tls);

/** After the handshake: keeps the session that TLS 1.2 has put in place of the one offered, about which OpenSSL says
 * nothing. */
void emi_tls_sessions_renew(emi_tls *tls);

/** Sets what sessions of this connection are kept under. */
bool emi_tls_sessions_name(emi_tls *tls, const char *peer);

/* tls_context.c */

struct em_tls_context {
    atomic_uint uses;
    bool is_shared;
    emi_tls_lock changes; /**< of options and additions; held while files are read, by one who changes the context */
    emi_tls_lock lock;    /**< of the three that follow */
    emi_tls_setup *setup;
    emi_tls_tickets tickets;
    emi_tls_sessions sessions;
    em_tls_context_options options; /**< a deep copy */
    emi_list additions;
};

/** Reads and checks options; `certificate` is where those of the certificate go. */
em_status emi_tls_read_context_options(em_tls_context_options *own, em_tls_certificate_options *certificate,
                                       const em_tls_context_options *given);

/** A context of options that were read. */
em_status emi_tls_context_make(const em_tls_context_options *options, em_tls_context **made);

/** The setup of now, retained. */
emi_tls_setup *emi_tls_context_get_setup(em_tls_context *context);

/* tls_filter.c */

/** How many messages a peer may send that are no data, one after the other: key updates, tickets, renegotiations. */
enum { EMI_TLS_MOST_UNASKED = 64 };

/** A connection's TLS. */
struct emi_tls {
    emi_filter filter;
    const emi_memory *memory;
    SSL *ssl;
    em_tls_context *context; /**< whose ticket keys and sessions it uses: the first one, even if another was chosen */
    em_tls_context *chosen;  /**< by choose_context, or NULL */
    emi_tls_setup *setup;
    em_connection *connection;
    emi_bytes *input;          /**< while `open` runs */
    unsigned char first[2];    /**< the first bytes of the peer's */
    unsigned char first_count; /**< how many of them are known */
    bool is_server;
    bool has_ended;       /**< the peer's close_notify has come */
    bool no_memory;       /**< putting bytes on the wire failed */
    bool is_rejected;     /**< by the program, or by a check of ours */
    bool is_starved;      /**< OpenSSL has found that it needs more input */
    bool has_started;     /**< `open` was called */
    bool has_hello;       /**< the ClientHello has been looked at */
    bool wants_end;       /**< seal_end came while OpenSSL could not write */
    unsigned unasked;     /**< messages of the peer's since application data: key updates, tickets, renegotiations */
    int64_t sealed_at;    /**< time(2) of the last `seal` */
    size_t sealed_bytes;  /**< since the connection was quiet */
    emi_outbox held;      /**< plain bytes that OpenSSL could not write yet */
    SSL_SESSION *offered; /**< until the handshake is done */
    unsigned char session_key[32];
    bool has_session_key;
    char *hostname; /**< of the server, as a client verifies it; NULL if it does not. OpenSSL's memory */
    bool hostname_is_address;
    char *server_name;      /**< SNI, as sent or received; OpenSSL's memory */
    char *alpn;             /**< the protocol chosen, ending with a zero byte; OpenSSL's memory */
    const char *ocsp_fault; /**< what is wrong with the peer's OCSP response, or NULL */
    int verify_error;       /**< the first fault of the chain, X509_V_… */
    char *verify_detail;    /**< in words, see emi_tls_verify_detail. OpenSSL's memory */
    char *detail;           /**< of the failure; OpenSSL's memory */
};

static inline emi_tls *emi_tls_of(SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

/** The memory of a filter, with its operations; NULL: no memory. */
emi_tls *emi_tls_allocate(const emi_memory *memory, emi_outbox_pool *pool);

/* tls_open.c */

/** The connection uses another context's setup from now on. */
bool emi_tls_use_setup(emi_tls *tls, emi_tls_setup *setup);

/* tls_failure.c */

/** Makes the filter fail for the reason in OpenSSL's queue, or for the one given if that is empty. */
void emi_tls_fail(emi_tls *tls, em_status status, const char *text);

/** What it means that the wire has ended without close_notify: a status, and the text in the filter's detail. */
em_status emi_tls_explain_end(emi_tls *tls);

/* tls_bio.c */

/** What OpenSSL reads from and writes to; NULL: no memory. */
BIO *emi_tls_bio_create(emi_tls *tls);

/* tls_verify.c */

/** Sets up how the peer is verified. */
bool emi_tls_verify_configure(emi_tls *tls);

/** What a number of OpenSSL's means, X509_V_…. */
em_status emi_tls_verify_status(int error);

/** The first fault in words; "" if there is none. */
const char *emi_tls_verify_detail(const emi_tls *tls);

/** Before it is offered: whether a session that was kept would still be accepted. */
bool emi_tls_verify_session(const emi_tls *tls, SSL_SESSION *session);

/** After the handshake: whether a resumed session is as good as a new one would have been. */
bool emi_tls_verify_resumed(emi_tls *tls);

/* tls_ocsp.c */

void emi_tls_ocsp_configure(SSL_CTX *ctx);

/** Clients ask for a response, if the options say so. */
bool emi_tls_ocsp_ask(emi_tls *tls);

#endif
