/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * TLS 1.2 and 1.3 (RFC 5246, RFC 8446), by OpenSSL 3: contexts, which hold certificates, keys and rules, and what a
 * connection wants from one.
 *
 * A context is made once and used for any number of connections, as a client and as a server. Its functions may be
 * called by any thread, and several loops may share it. Its callbacks are called in the thread of the loop whose
 * connection they are for; those of a context that several loops share must be thread-safe. They are called while
 * OpenSSL works on the connection, so they must not throw or jump out. What they do to the connection, such as closing
 * it, takes effect when they have returned. After fork(2), the child has a copy of its own.
 */
#ifndef EVENTMACHINE_TLS_H
#define EVENTMACHINE_TLS_H

#include <eventmachine/connection.h>

EM_BEGIN_DECLARATIONS

/** A context. It counts references: its maker holds one, em_tls_context_retain takes another, and so does every
 * connection that uses it. */
typedef struct em_tls_context em_tls_context;

/** Versions of TLS. Each is a bit, for sets of versions. */
typedef enum em_tls_version { EM_TLS_1_0 = 1, EM_TLS_1_1 = 2, EM_TLS_1_2 = 4, EM_TLS_1_3 = 8 } em_tls_version;

/** What a server asks of its clients. */
typedef enum em_tls_client_certificates {
    EM_TLS_CLIENT_CERTIFICATES_NONE = 0,    /**< no certificate */
    EM_TLS_CLIENT_CERTIFICATES_ASK = 1,     /**< a certificate if they have one; what they show must be valid */
    EM_TLS_CLIENT_CERTIFICATES_REQUIRE = 2, /**< a valid certificate */
} em_tls_client_certificates;

/**
 * A certificate with its chain and its private key, all in PEM (RFC 7468). Begin with `.size = sizeof options`; zero
 * means "not given". Copied. Of each pair "file" and "pem" (the text itself) at most one may be given. Encrypted keys
 * never ask for a passphrase on the terminal.
 */
typedef struct em_tls_certificate_options {
    size_t size; /**< sizeof (em_tls_certificate_options) */

    /** The certificate, followed by those of its issuers, but for the root: the chain that peers are sent. */
    const char *certificate_file;
    const char *certificate_pem; /**< as certificate_file */

    /** The key that belongs to it, PKCS#8 or traditional. Default: it is in the same file or text as the certificate.
     */
    const char *private_key_file;
    const char *private_key_pem; /**< as private_key_file */
    const char *passphrase;      /**< of an encrypted key */

    /** An OCSP response (RFC 6960) in DER, for clients that ask for it: stapling, RFC 6066, section 8. */
    const void *ocsp_response;
    size_t ocsp_response_bytes;
} em_tls_certificate_options;

/** A certificate of the peer, in the verify callback. New fields are added at the end. */
typedef struct em_tls_peer_certificate {
    const void *der;    /**< the certificate in DER (X.509); valid until the callback returns */
    size_t der_bytes;   /**< its length */
    unsigned depth;     /**< 0: the peer's own; 1: its issuer's, … */
    em_status verdict;  /**< of the library: EM_OK, EM_TLS_UNTRUSTED, EM_TLS_WRONG_NAME */
    int error;          /**< OpenSSL's number for it, X509_STORE_CTX_get_error(3); 0: none */
    const char *detail; /**< what is wrong, in words; "" if nothing is */
} em_tls_peer_certificate;

/** A key that session tickets are encrypted with. Secret: it opens what was said on TLS 1.2 connections. */
typedef struct em_tls_ticket_key {
    unsigned char name[16];    /**< by which it is found; may be public */
    unsigned char secrets[64]; /**< random: 32 bytes for HMAC-SHA-256, 32 bytes for AES-256 */
} em_tls_ticket_key;

/** The most ticket keys that a context can have. */
#define EM_TLS_TICKET_KEYS 8

/**
 * Options of a context. Begin with `.size = sizeof options`; zero means the default. Copied, together with what they
 * refer to. EM_INVALID_ARGUMENT: options that contradict each other. Others say more, see em_status_get_detail.
 */
typedef struct em_tls_context_options {
    size_t size; /**< sizeof (em_tls_context_options) */

    /** For servers, and for clients whose servers ask for one. More by em_tls_context_add_certificate. */
    const em_tls_certificate_options *certificate;

    /** The library makes a self-signed certificate, one for the whole process. It protects from those who only listen.
     * Not together with `certificate`. Default: off. */
    em_switch self_signed;

    /** Clients verify the server: its chain, name (RFC 9525), purpose and time. Default: on. */
    em_switch verify;

    /** What a server asks of its clients. Other than NONE needs ca_file, ca_path or ca_pem, or verify_override: public
     * authorities say nothing about who may be a client. */
    em_tls_client_certificates client_certificates;

    /** What verify_peer returns is the verdict, whatever the library has found, also with `verify` off. Default: off.
     */
    em_switch verify_override;

    const char *ca_file; /**< certificates of trusted authorities, in PEM. Default: the system's, if none is given */
    const char *ca_path; /**< a directory of them, named by openssl-rehash(1) */
    const char *ca_pem;  /**< the text itself */

    /** The system's authorities are trusted beside those given. Default: off if some are given. */
    em_switch system_authorities;

    /** With crl_file or crl_pem: the issuers of the peer's certificate must not be revoked, either, which needs a list
     * of each of them. Default: off. */
    em_switch crl_check_chain;

    const char *crl_file; /**< revoked certificates (RFC 5280) in PEM: the peer's must not be among them */
    const char *crl_pem;  /**< the text itself */

    /**
     * Called for each certificate of the peer's chain, issuers first, the peer's own last; after a fault perhaps
     * several times for one. For resumed sessions too, as far as the certificates are known. Returns nonzero to accept.
     * It can only reject what the library accepts, unless verify_override is on; EM_TLS_REJECTED. NULL: none.
     */
    int (*verify_peer)(em_connection *connection, const em_tls_peer_certificate *certificate, void *user);

    em_tls_version min_version; /**< Default: TLS 1.2 */
    em_tls_version max_version; /**< Default: TLS 1.3 */

    /** In place of min_version and max_version: the versions allowed, as `EM_TLS_1_2 | EM_TLS_1_3`. */
    unsigned versions;

    /** Ciphers of TLS 1.2 and below, openssl-ciphers(1). TLS 1.0 and 1.1 need "@SECLEVEL=0" in it. Default: those with
     * forward secrecy and authenticated encryption. */
    const char *cipher_list;
    const char *cipher_suites; /**< of TLS 1.3, separated by colons. Default: OpenSSL's */
    const char *groups;  /**< for key exchange, separated by colons, SSL_CTX_set1_groups_list(3). Default: OpenSSL's */
    const char *dh_file; /**< DH parameters in PEM. Default: those of RFC 7919, as strong as the certificate */

    /** Protocols by ALPN (RFC 7301), the preferred one first, ending with NULL. A server ends the handshake if the
     * client knows none of them, and serves clients that do not speak of protocols. */
    const char *const *alpn;

    /** Sessions are resumed (RFC 8446, section 2.2): servers issue tickets, clients keep them. Default: on. */
    em_switch session_tickets;

    /** How many sessions clients keep, all hosts together, for later connections. 0: 256. At most 4096. */
    unsigned session_limit;

    /** How long a ticket can be used, in seconds. 0: 7200. At most 604800, RFC 8446, section 4.6.1. */
    unsigned ticket_seconds;

    /** Clients ask for an OCSP response, which must be valid and good if the server sends one. Default: off. */
    em_switch ocsp;

    /** The server must send one. Implies `ocsp`. Default: off. */
    em_switch ocsp_require;

    /** Clients that ask for a host that no certificate was added for are refused (alert 112). Default: off. */
    em_switch refuse_unknown_names;

    /** Called by a server when it has read which host the client wants. server_name: NULL if it does not say; not
     * verified, any text. Returns the context to use, which the library retains; NULL: this one. */
    em_tls_context *(*choose_context)(em_connection *connection, const char *server_name, void *user);

    /** Called with each line of a key log as Wireshark reads it (SSLKEYLOGFILE), without its end. Who has it can read
     * the connection. */
    void (*key_log)(em_connection *connection, const char *line, void *user);

    void *user; /**< given to the callbacks of the context */

    /** Called with `user` when the context is freed, by whichever thread that happens in. NULL: none. Not for
     * em_tls_context_create_shared. */
    em_dispose dispose;
} em_tls_context_options;

/** Whether the library was built with TLS. If not, the functions here return EM_UNSUPPORTED. Any thread. */
EM_API int em_has_tls(void);

/* Contexts */

/**
 * Makes a context. options: NULL for all defaults: a client that verifies. On failure *context is NULL, and
 * em_status_get_detail returns the reason in words. Release it with em_tls_context_release. It reads the files before
 * it returns. The system's authorities are read when first needed, once per process. EM_NO_MEMORY, EM_INVALID_ARGUMENT,
 * EM_UNSUPPORTED, EM_TLS_BAD_CERTIFICATE, EM_TLS_BAD_KEY, EM_TLS_BAD_OPTION.
 */
EM_API em_status em_tls_context_create(const em_tls_context_options *options, em_tls_context **context);

/**
 * As em_tls_context_create, but returns a context that was made with equal options before, if the process still has it
 * and the files are unchanged. Such a context cannot be changed: functions that would change it return
 * EM_INVALID_STATE. The
 * library keeps the 16 that were used last.
 */
EM_API em_status em_tls_context_create_shared(const em_tls_context_options *options, em_tls_context **context);

/** Takes a reference. NULL is allowed. */
EM_API void em_tls_context_retain(em_tls_context *context);

/** Gives a reference back. The context is freed with its last one. NULL is allowed. */
EM_API void em_tls_context_release(em_tls_context *context);

/**
 * Adds a certificate for clients that ask for this host (RFC 6066, section 3). server_name: a host name, or one whose
 * left-most label is `*`: "*.example.com" is for "a.example.com", but not for "example.com" and "a.b.example.com". The
 * exact name wins. NULL: for all others, beside the context's first certificate, with a key of another type (RSA,
 * ECDSA). One of the same name and type replaces the earlier one. EM_INVALID_ARGUMENT (a malformed name),
 * EM_TLS_BAD_CERTIFICATE, EM_TLS_BAD_KEY, EM_NO_MEMORY, EM_UNSUPPORTED, EM_INVALID_STATE (a shared context); then
 * nothing has changed.
 */
EM_API em_status em_tls_context_add_certificate(em_tls_context *context, const char *server_name,
                                                const em_tls_certificate_options *options);

/**
 * Reads all files again, also those of em_tls_context_add_certificate. Connections from now on use what they hold;
 * those that exist go on. If anything is wrong with one of them, all stays as it was. Tickets stay valid. The errors of
 * em_tls_context_create, and EM_INVALID_STATE for a shared context.
 */
EM_API em_status em_tls_context_reload(em_tls_context *context);

/**
 * Sets the keys of session tickets: the first one encrypts, all decrypt. So several processes and machines can resume
 * each other's sessions; change them at least once a day, the new key first. Without this, each context has keys of its
 * own, which change every hour (less often if ticket_seconds is long), are accepted for as long as tickets can be used,
 * and stay the same in processes that are forked. count: 1 to EM_TLS_TICKET_KEYS; 0: back to keys of its own.
 * EM_INVALID_ARGUMENT, EM_UNSUPPORTED, EM_INVALID_STATE (a shared context).
 */
EM_API em_status em_tls_context_set_ticket_keys(em_tls_context *context, const em_tls_ticket_key *keys, unsigned count);

/* Connections */

/** Which side of the handshake a connection plays. */
typedef enum em_tls_role {
    EM_TLS_ROLE_DEFAULT = 0, /**< the server of connections that an em_server has accepted, the client of all others */
    EM_TLS_CLIENT = 1,
    EM_TLS_SERVER = 2
} em_tls_role;

/** What a connection wants of TLS. Begin with `.size = sizeof options`; zero means the default. Copied. */
typedef struct em_tls_options {
    size_t size;             /**< sizeof (em_tls_options) */
    em_tls_context *context; /**< retained. NULL: a client that verifies; servers need one */

    /** For clients: the name or address that the server's certificate must be for: "example.com", "192.0.2.1", "::1".
     * International names in their ASCII form (A-labels). A final dot, and brackets and the zone of an IPv6 address,
     * do not count. Required if the context verifies: EM_TLS_NO_HOSTNAME. */
    const char *hostname;

    /** For clients: the name to ask for (SNI). Default: hostname, unless it is an address. */
    const char *server_name;

    /** How long the handshake may take in all. 0: 10 seconds; EM_FOREVER: no limit. */
    uint64_t handshake_timeout_ns;

    em_tls_role role;  /**< for sockets from elsewhere, see em_loop_attach; and for protocols that turn sides */
    unsigned reserved; /**< for an option to come; must be 0 */
} em_tls_options;

/**
 * Protects a connection by TLS from now on. May be called at any time and in any callback: in post_init, before
 * anything is sent; or in receive_data, when both sides have agreed to (STARTTLS).
 *
 * What was sent before leaves as it is, unprotected, and what is sent after waits for the handshake. Bytes that this
 * receive_data is called with are the program's, and all that follow are TLS's. A program that keeps a part of what it
 * has received for later must drop it here: an attacker may have added it. ssl_handshake_completed follows, or unbind
 * with EM_TLS_HANDSHAKE_TIMEOUT, EM_TLS_FAILED, EM_TLS_ALERT, EM_TLS_UNTRUSTED, EM_TLS_WRONG_NAME or EM_TLS_REJECTED;
 * em_connection_get_reason has the details. An end of the peer's without its close_notify is EM_TLS_TRUNCATED.
 *
 * options: NULL only for a context that does not verify, because a hostname is needed otherwise. Copied. If this fails,
 * the connection is as before, and em_status_get_detail says more: EM_INVALID_ARGUMENT, EM_TLS_NO_HOSTNAME,
 * EM_TLS_BAD_CERTIFICATE (a server without one), EM_INVALID_STATE (it has TLS, or one side has ended), EM_CLOSED,
 * EM_NO_MEMORY, EM_FORKED, EM_UNSUPPORTED.
 */
EM_API em_status em_connection_start_tls(em_connection *connection, const em_tls_options *options);

/**
 * What is known about a connection's TLS. Strings are NULL if there is nothing to tell; they are valid until the
 * connection's unbind returns. New fields are added at the end.
 */
typedef struct em_tls_info {
    const char *protocol;      /**< "TLSv1.3"; NULL until the handshake is done, and so are cipher and alpn */
    const char *cipher;        /**< "TLS_AES_128_GCM_SHA256" */
    int cipher_bits;           /**< of its secret key; 0: none yet */
    const char *server_name;   /**< that the client has asked for */
    const char *alpn;          /**< the protocol chosen */
    int is_resumed;            /**< the session was resumed */
    int is_verified;           /**< the peer's certificate was found valid by the library, for its name if it has one */
    em_status verdict;         /**< EM_OK, or why not; EM_OK also if there was no certificate, or nobody has looked */
    const char *detail;        /**< the verdict in words; "" if nothing is wrong */
    unsigned peer_chain_count; /**< how many certificates of the peer are known, its own first */
    int has_early_data;        /**< always 0: early data (RFC 8446, section 2.3) is never accepted */
} em_tls_info;

/**
 * Fills in what is known about the TLS of a connection, at any time until its unbind returns. info_bytes: sizeof *info,
 * so that the struct can grow: fields that this library does not have become 0. EM_INVALID_STATE: it has no TLS.
 * EM_INVALID_ARGUMENT.
 */
EM_API em_status em_connection_get_tls_info(const em_connection *connection, em_tls_info *info, size_t info_bytes);

/** The forms of a certificate. */
typedef enum em_tls_format {
    EM_TLS_PEM = 0, /**< text, ending with a newline, RFC 7468 */
    EM_TLS_DER = 1  /**< bytes */
} em_tls_format;

/**
 * Gets a certificate of the peer. index: 0 for its own, 1 for its issuer's, up to peer_chain_count - 1.
 * certificate_bytes: before the call, the room in `certificate`; after it, the length of the whole, of which only as
 * much was written as there was room for. For PEM, a zero byte follows if there is room for it; it does not count.
 * certificate: may be NULL if there is no room. EM_NOT_FOUND: no such certificate, or no TLS; EM_INVALID_ARGUMENT.
 */
EM_API em_status em_connection_get_peer_certificate(const em_connection *connection, unsigned index,
                                                    em_tls_format format, void *certificate, size_t *certificate_bytes);

/**
 * Returns the OCSP response (RFC 6960, DER) that the server has sent to a client that asks for one, see `ocsp`; NULL if
 * there is none. response_bytes: set to its length; may be NULL. Valid until unbind returns.
 */
EM_API const void *em_connection_get_ocsp_response(const em_connection *connection, size_t *response_bytes);

EM_END_DECLARATIONS

#endif
