/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the files of tls/ that use OpenSSL share.
 *
 * A context (em_tls_context) has one setup at a time: an SSL_CTX with certificates and rules. A setup never changes
 * once it is in use; reloading creates another one. So connections read theirs without a lock, and keep it until they
 * end. Ticket keys and clients' sessions outlive a setup. They belong to the context and are protected by its lock.
 *
 * The memory of contexts is OpenSSL's (OPENSSL_malloc). The memory of filters is the loop's.
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
 * A spinlock that is held for a few instructions, never while a callback runs. If another thread held it during a
 * fork(2), the child takes it over.
 */
typedef struct emi_tls_lock {
    atomic_long holder; /**< the process that holds it, or 0 */
} emi_tls_lock;

void emi_tls_lock_take(emi_tls_lock *lock);
void emi_tls_lock_give(emi_tls_lock *lock);

/* tls_error.c */

/** Sets the details of a failure, see em_status_get_detail: the text, the subject (or NULL) and the first entry of
 * OpenSSL's error queue. Empties the queue. Returns `status`, or EM_NO_MEMORY if that is what the entry says. */
em_status emi_tls_refuse(em_status status, const char *text, const char *subject);

/** The same for memory that ran out. Returns EM_NO_MEMORY. */
em_status emi_tls_out_of_memory(void);

/** Writes the first entry of OpenSSL's error queue in words, never empty, and empties the queue. *code: set to the
 * entry; 0: there was none. */
void emi_tls_take_error(char *text, size_t capacity, unsigned long *code);

/** Empties the queue before a call. Peeking at it costs a sixth of clearing it (OpenSSL 3.0). */
static inline void emi_tls_clear_errors(void)
{
    if (EMI_UNLIKELY(ERR_peek_error() != 0))
        ERR_clear_error();
}

/** Around the program's callbacks: what they leave in the queue would look like a failure of the connection's, and
 * OpenSSL's own entries stay. */
static inline void emi_tls_begin_callback(void)
{
    ERR_set_mark();
}

static inline void emi_tls_end_callback(void)
{
    ERR_pop_to_mark();
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

/** Returns EM_INVALID_ARGUMENT, with details, if options contradict each other or are out of range. */
em_status emi_tls_check_options(const em_tls_context_options *options);
em_status emi_tls_check_certificate(const em_tls_certificate_options *options);

/* tls_credential.c */

/** A certificate with chain and key. Reference-counted. */
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

/** Uses it for all connections of an SSL_CTX, or for one connection. */
em_status emi_tls_credential_use(emi_tls_credential *credential, SSL_CTX *ctx);
bool emi_tls_credential_use_once(emi_tls_credential *credential, SSL *ssl);

/* tls_self_signed.c */

/** Returns the self-signed certificate of this process, retained. */
em_status emi_tls_credential_self_signed(emi_tls_credential **credential);

/* tls_pem.c */

/** Opens a file or a text of PEM. *source: to be freed by BIO_free; NULL, with EM_OK, if neither is given. `failure`:
 * the status to return if the file cannot be read. */
em_status emi_tls_pem_open(const char *file, const char *pem, em_status failure, BIO **source);

/** Reads all certificates. name: of the source, for details. EM_TLS_BAD_CERTIFICATE if there is none, or an invalid
 * one.
 */
em_status emi_tls_pem_read_certificates(BIO *source, const char *name, STACK_OF(X509) * *certificates);

/** After a function of OpenSSL has read nothing: whether the source contains nothing more of that kind. */
bool emi_tls_pem_is_at_end(void);

/** A passphrase that may be asked for. */
typedef struct emi_tls_passphrase {
    const char *text; /**< NULL: none was given */
    bool is_asked;    /**< what was read is encrypted */
    bool is_too_long; /**< OpenSSL takes no passphrase of this length */
} emi_tls_passphrase;

/** Replaces OpenSSL's own callback, which would prompt on the terminal, see pem_password_cb(3). user: an
 * emi_tls_passphrase, or NULL. */
int emi_tls_pem_passphrase(char *buffer, int capacity, int is_writing, void *user);

/* tls_store.c */

/** Loads the authorities that options name. *store: NULL if those are the system's alone. */
em_status emi_tls_store_load(const em_tls_context_options *options, X509_STORE **store);

/** Returns the system's authorities, shared by the whole process, which are loaded on first use. NULL: no memory. */
X509_STORE *emi_tls_store_system(void);

/* tls_name.c */

/** A host name or an address, normalized to the form that certificates use. */
typedef struct emi_tls_name {
    char text[256];
    bool is_address;
} emi_tls_name;

/** Parses a host name or an address. EM_INVALID_ARGUMENT, with a detail that names the option and the value. */
em_status emi_tls_name_parse(const char *option, const char *given, emi_tls_name *name);

/** Parses the name of em_tls_context_add_certificate: a host name, whose first label may be `*`. EM_INVALID_ARGUMENT.
 */
em_status emi_tls_name_parse_pattern(const char *option, const char *given, emi_tls_name *name);

/* tls_setup.c */

/** A certificate that was added, for one name. */
typedef struct emi_tls_named {
    emi_tls_name name; /**< in lower case, perhaps "*.example.com"; "": for all others */
    emi_tls_credential *credential;
    struct emi_tls_named *next;
} emi_tls_named;

typedef struct emi_tls_setup {
    atomic_uint uses;
    SSL_CTX *ctx;
    em_tls_context_options options; /**< a shallow copy: what it refers to belongs to the context */
    X509_STORE *store;              /**< NULL: the system's */
    emi_tls_named *named;
    emi_tls_credential *credential; /**< the first one; NULL: none */
    unsigned char *alpn;            /**< in wire format, RFC 7301, section 3.1 */
    unsigned alpn_bytes;
    unsigned char policy[32]; /**< digest of how peers are verified: servers resume sessions of the same policy only */
    unsigned char identity[32]; /**< digest of policy, certificate and protocols: the same for clients */
} emi_tls_setup;

/** The arguments of em_tls_context_add_certificate, for reloading. */
typedef struct emi_tls_addition {
    emi_list link;
    char *server_name; /**< NULL: for all others */
    int key_type;      /**< EVP_PKEY_get_base_id(3); set when it is loaded */
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

/** Writes 32 bytes to `key`, which are equal for options that result in equal contexts. Returns false if out of memory.
 */
bool emi_tls_digest_options(const em_tls_context_options *options, unsigned char *key);

/* tls_configure.c */

/** How long tickets can be used by default. */
enum { EMI_TLS_TICKET_SECONDS = 7200 };

/** Sets versions, ciphers, groups and so on. EM_TLS_BAD_OPTION, EM_NO_MEMORY. */
em_status emi_tls_configure(SSL_CTX *ctx, const em_tls_context_options *options);

/* tls_server.c */

/** Sets the callbacks by which a server chooses context, certificate and protocol for a ClientHello. */
void emi_tls_server_configure(SSL_CTX *ctx);

/* tls_tickets.c */

/** The keys that session tickets are encrypted with, see em_tls_context_set_ticket_keys. */
typedef struct emi_tls_tickets {
    em_tls_ticket_key keys[EM_TLS_MAX_TICKET_KEYS];
    unsigned count;
    bool are_given;         /**< by the program; else they are derived from `seed` */
    unsigned char seed[32]; /**< of keys[0] and of the next seed */
    int64_t period;         /**< of keys[0]: time(2) divided by period_seconds */
    int64_t period_seconds;
} emi_tls_tickets;

/** ticket_seconds: how long a ticket can be used, which a key must be accepted for. */
em_status emi_tls_tickets_init(emi_tls_tickets *tickets, unsigned ticket_seconds);
void emi_tls_tickets_configure(SSL_CTX *ctx);

/* tls_sessions.c */

/** How many sessions a context keeps by default. */
enum { EMI_TLS_SESSIONS = 256 };

/** Sessions that clients keep. */
typedef struct emi_tls_sessions {
    emi_list oldest_first;
    unsigned count;
} emi_tls_sessions;

void emi_tls_sessions_init(emi_tls_sessions *sessions);
void emi_tls_sessions_clear(emi_tls_sessions *sessions);
void emi_tls_sessions_configure(SSL_CTX *ctx);

/** Before the handshake: offers a session that was kept for this peer, if there is one. */
void emi_tls_sessions_offer(emi_tls *tls);

/** After the handshake: keeps the session with which a TLS 1.2 server has replaced the one offered, which OpenSSL does
 * not report. */
void emi_tls_sessions_renew(emi_tls *tls);

/** After a failed handshake: if a session was offered, those of its kind are not tried again, so that the next
 * handshake is a full one. */
void emi_tls_sessions_forget(emi_tls *tls);

/** Sets the key under which sessions of this connection are kept. Returns false if out of memory. */
bool emi_tls_sessions_name(emi_tls *tls, const char *peer);

/* tls_context.c */

struct em_tls_context {
    atomic_uint uses;
    bool is_shared;
    emi_tls_lock changes; /**< protects options and additions; held while files are read to change the context */
    emi_tls_lock lock;    /**< protects setup, tickets and sessions */
    emi_tls_setup *setup;
    emi_tls_tickets tickets;
    emi_tls_sessions sessions;
    em_tls_context_options options; /**< a deep copy */
    emi_list additions;
};

/** Reads and checks options. certificate: memory for those of the certificate, which own->certificate will point to. */
em_status emi_tls_read_context_options(em_tls_context_options *own, em_tls_certificate_options *certificate,
                                       const em_tls_context_options *given);

/** Creates a context from options that emi_tls_read_context_options has read. */
em_status emi_tls_context_make(const em_tls_context_options *options, em_tls_context **made);

/** Returns EM_INVALID_STATE, with details, for a shared context; EM_INVALID_ARGUMENT for NULL. */
em_status emi_tls_check_changeable(const em_tls_context *context);

/** Returns the current setup, retained. */
emi_tls_setup *emi_tls_context_get_setup(em_tls_context *context);

/* tls_filter.c */

/** How many messages without data a peer may send in a row: key updates, tickets, renegotiations. */
enum { EMI_TLS_MOST_UNASKED = 64 };

/** A connection's TLS. */
struct emi_tls {
    emi_filter filter;
    const emi_memory *memory;
    SSL *ssl;
    em_tls_context *context; /**< the one given, whose ticket keys and sessions it uses even if another is chosen */
    em_tls_context *chosen;  /**< returned by choose_context, or NULL */
    emi_tls_setup *setup;
    em_connection *connection;
    emi_bytes *input;          /**< while `open` runs */
    unsigned char first_count; /**< how many of the peer's first bytes were looked at, see begins_record */
    bool is_server;
    bool has_ended;       /**< the peer's close_notify has come */
    bool no_memory;       /**< memory ran out while bytes were put on the wire, or in a callback */
    bool is_rejected;     /**< verify_peer has rejected a certificate */
    bool is_starved;      /**< OpenSSL needs more input */
    bool has_started;     /**< `open` was called */
    bool has_hello;       /**< the ClientHello was handled */
    bool keeps_buffers;   /**< OpenSSL does, see tls_filter.c */
    bool wants_end;       /**< seal_end was called while OpenSSL could not write */
    unsigned unasked;     /**< messages of the peer without data since the last data, see EMI_TLS_MOST_UNASKED */
    int64_t sealed_at;    /**< time(2) of the last `seal` */
    size_t sealed_bytes;  /**< since the connection was last quiet */
    SSL_SESSION *offered; /**< to be resumed, until the handshake is done */
    unsigned char session_key[32];
    bool has_session_key;
    char *hostname; /**< that a client verifies; NULL if it does not. OpenSSL's memory */
    bool hostname_is_address;
    char *server_name;              /**< SNI, as sent or received; OpenSSL's memory */
    char *alpn;                     /**< the protocol chosen, zero-terminated; OpenSSL's memory */
    const char *ocsp_fault;         /**< what is wrong with the peer's OCSP response, or NULL */
    int verify_error;               /**< the first error of the chain, X509_V_ERR_…, or X509_V_OK */
    char *verify_detail;            /**< that error in words, see emi_tls_verify_detail; OpenSSL's memory */
    STACK_OF(X509) * refused_chain; /**< what the peer has sent, its own first, if it was refused; or NULL */
    char *detail;                   /**< the failure in words; OpenSSL's memory */
};

/** By its BIO, because OpenSSL's application data would cost each connection 200 bytes. */
static inline emi_tls *emi_tls_of(const SSL *ssl)
{
    return BIO_get_data(SSL_get_rbio(ssl));
}

/** Allocates a filter and sets its operations. NULL: no memory. */
emi_tls *emi_tls_allocate(const emi_memory *memory, emi_outbox_pool *pool);

/* tls_open.c */

/** Lets the connection use another context's setup from now on. */
bool emi_tls_use_setup(emi_tls *tls, emi_tls_setup *setup);

/* tls_failure.c */

/** Makes the filter fail for the reason in OpenSSL's error queue, or for the one given if that is empty. */
void emi_tls_fail(emi_tls *tls, em_status status, const char *text);

/** Makes the filter fail because these first bytes of the peer's are not TLS. */
void emi_tls_fail_without_tls(emi_tls *tls, const emi_bytes *first);

/** The wire has ended without close_notify: returns the status for that, and sets the filter's detail. */
em_status emi_tls_explain_end(emi_tls *tls);

/* tls_bio.c */

/** Creates the BIO that OpenSSL reads from and writes to. NULL: no memory. */
BIO *emi_tls_bio_create(emi_tls *tls);

/* tls_verify.c */

/** Sets up how the peer is verified. */
bool emi_tls_verify_configure(emi_tls *tls);

/** Returns the status for an error of OpenSSL, X509_V_ERR_…. */
em_status emi_tls_verify_status(int error);

/** Returns verify_error in words; "" if there is none. */
const char *emi_tls_verify_detail(const emi_tls *tls);

/** Before a kept session is offered: whether its certificate would still be accepted. */
bool emi_tls_verify_session(const emi_tls *tls, SSL_SESSION *session);

/** After the handshake: whether a resumed session is as good as a new one would have been. */
bool emi_tls_verify_resumed(emi_tls *tls);

/** Whether the handshake has ended without a certificate that must be seen. With an anonymous cipher there is none, and
 * OpenSSL verifies nothing. */
bool emi_tls_verify_misses_certificate(const emi_tls *tls);

/* tls_ocsp.c */

void emi_tls_ocsp_configure(SSL_CTX *ctx);

/** Clients ask for a response, if the options say so. */
bool emi_tls_ocsp_ask(emi_tls *tls);

#endif
