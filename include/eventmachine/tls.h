/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * TLS 1.2 and 1.3 (RFC 5246, RFC 8446) for stream connections, provided by OpenSSL 3. A context holds certificates,
 * keys and rules. em_connection_start_tls applies a context to a connection.
 *
 * A context is created once and used for any number of connections, by clients and servers. Any thread may call its
 * functions, and several loops may share it. Its callbacks are called in the thread of the connection's loop, so the
 * callbacks of a context that several loops share must be thread-safe. OpenSSL is on the stack during a callback: it
 * must return, and must not leave by longjmp(3) or a C++ exception. What it does to the connection, such as closing it,
 * takes effect after it has returned. After fork(2), the child has its own copy of each context.
 */
#ifndef EVENTMACHINE_TLS_H
#define EVENTMACHINE_TLS_H

#include <eventmachine/connection.h>

EM_BEGIN_DECLARATIONS

/** A context. It is reference-counted: its creator holds one reference, each connection that uses it holds another, and
 * em_tls_context_retain takes one more. */
typedef struct em_tls_context em_tls_context;

/** Versions of TLS. Each is one bit, so that they can be combined, see `versions` in em_tls_context_options. */
typedef enum em_tls_version { EM_TLS_1_0 = 1, EM_TLS_1_1 = 2, EM_TLS_1_2 = 4, EM_TLS_1_3 = 8 } em_tls_version;

/** Whether a server requests a certificate from its clients. */
typedef enum em_tls_client_certificates {
    EM_TLS_CLIENT_CERTIFICATES_NONE = 0,    /**< no */
    EM_TLS_CLIENT_CERTIFICATES_ASK = 1,     /**< yes. A client without one is accepted; an invalid one is not */
    EM_TLS_CLIENT_CERTIFICATES_REQUIRE = 2, /**< yes, and only clients with a valid one are accepted */
} em_tls_client_certificates;

/**
 * A certificate with its chain and its private key, all in PEM (RFC 7468). Begin with `.size = sizeof options`; zero
 * means "not given". Copied. Each item is given either as a file or as a text ("pem"), not both. OpenSSL never prompts
 * for the passphrase of an encrypted key.
 */
typedef struct em_tls_certificate_options {
    size_t size; /**< sizeof (em_tls_certificate_options) */

    /** The certificate, followed by those of its issuers without the root: the chain that is sent to peers. */
    const char *certificate_file;
    const char *certificate_pem; /**< the text instead of a file */

    /** Its private key, in PKCS#8 or traditional form. Default: in the same file or text as the certificate. */
    const char *private_key_file;
    const char *private_key_pem; /**< the text instead of a file */
    const char *passphrase; /**< of an encrypted key. If it is missing or wrong, the detail of EM_TLS_BAD_KEY says so */

    /** An OCSP response (RFC 6960) in DER, sent to clients that ask for it (stapling, RFC 6066, section 8). */
    const void *ocsp_response;
    size_t ocsp_response_bytes; /**< its length */
} em_tls_certificate_options;

/** A certificate of the peer, as verify_peer gets it. New fields are added at the end. */
typedef struct em_tls_peer_certificate {
    const void *der;    /**< the certificate in DER (X.509); valid until the callback returns */
    size_t der_bytes;   /**< its length */
    unsigned depth;     /**< 0: the peer's own; 1: its issuer's; and so on */
    em_status verdict;  /**< the library's: EM_OK, EM_TLS_UNTRUSTED or EM_TLS_WRONG_NAME */
    int error;          /**< OpenSSL's error number, X509_STORE_CTX_get_error(3); 0: none */
    const char *detail; /**< the error in words, valid until the callback returns; "" if there is none */
} em_tls_peer_certificate;

/** A key that encrypts session tickets. Keep it secret: whoever has it can decrypt recorded TLS 1.2 connections. */
typedef struct em_tls_ticket_key {
    unsigned char name[16];    /**< identifies the key. Tickets contain it in the clear */
    unsigned char secrets[64]; /**< random: 32 bytes for HMAC-SHA-256, then 32 bytes for AES-256 */
} em_tls_ticket_key;

/** The largest number of ticket keys that a context can have. */
#define EM_TLS_MAX_TICKET_KEYS 8

/**
 * Options of a context. Begin with `.size = sizeof options`; zero means the default. Copied, together with what they
 * refer to. Options that contradict each other or are out of range are EM_INVALID_ARGUMENT; em_status_get_detail says
 * which.
 */
typedef struct em_tls_context_options {
    size_t size; /**< sizeof (em_tls_context_options) */

    /** For servers, and for clients whose servers ask for a certificate. em_tls_context_add_certificate adds more. */
    const em_tls_certificate_options *certificate;

    /** The library makes a self-signed certificate, one for the whole process. It protects against eavesdroppers, but
     * not against impostors, because clients cannot verify it. Not together with `certificate`. Default: off. */
    em_switch self_signed;

    /** Clients verify the server's certificate: chain, name (RFC 9525), purpose and dates. Default: on. */
    em_switch verify;

    /** Whether a server requests a certificate from its clients. ASK and REQUIRE need ca_file, ca_path, ca_pem,
     * verify_override, or system_authorities switched on: by default the public authorities are not used, because they
     * do not decide who may be a client. */
    em_tls_client_certificates client_certificates;

    /** verify_peer alone decides, whatever the library has found, also with `verify` off. Requires verify_peer.
     * Default: off. */
    em_switch verify_override;

    /** Certificates of the certificate authorities (CAs) to trust, in PEM. ca_file, ca_path and ca_pem may be combined.
     * Default, if none of them is given: the system's. */
    const char *ca_file;
    const char *ca_path; /**< a directory of such files, prepared by openssl-rehash(1) */
    const char *ca_pem;  /**< the text instead of a file */

    /** The system's authorities are trusted as well. Default: off if ca_file, ca_path or ca_pem is given, else on. */
    em_switch system_authorities;

    /** With crl_file or crl_pem: the certificates of the issuers must not have been revoked either. This needs a
     * revocation list from each issuer. Default: off. */
    em_switch crl_check_chain;

    /** Certificate revocation lists (RFC 5280, section 5) in PEM: the peer's certificate must not be on them. */
    const char *crl_file;
    const char *crl_pem; /**< the text, instead of a file or in addition */

    /**
     * Called for each certificate of the peer's chain, from the issuers' to the peer's own, and possibly several times
     * for a certificate with more than one fault. Also called for a resumed session, with the certificates that are
     * still known. Returns nonzero to accept the certificate. It can reject what the library accepts: the connection
     * then ends with EM_TLS_REJECTED. It cannot accept what the library rejects, unless verify_override is on. Not
     * allowed if no certificate would be verified. NULL: none.
     */
    int (*verify_peer)(em_connection *connection, const em_tls_peer_certificate *certificate, void *user);

    em_tls_version min_version; /**< the oldest version allowed. Default: TLS 1.2 */
    em_tls_version max_version; /**< the newest version allowed. Default: TLS 1.3 */

    /** The set of versions allowed, such as `EM_TLS_1_2 | EM_TLS_1_3`, instead of min_version and max_version. */
    unsigned versions;

    /** Ciphers of TLS 1.2 and older versions, openssl-ciphers(1). TLS 1.0 and 1.1 need "@SECLEVEL=0" in it. Default:
     * those with forward secrecy and authenticated encryption. */
    const char *cipher_list;
    const char *cipher_suites; /**< of TLS 1.3, separated by colons. Default: OpenSSL's */

    /** Groups for the key exchange, separated by colons, SSL_CTX_set1_groups_list(3). Default: OpenSSL's. */
    const char *groups;

    /** DH parameters of a server, in PEM. Default: those of RFC 7919 that match the certificate's strength. */
    const char *dh_file;

    /** Application protocols for ALPN (RFC 7301), the preferred one first, ending with NULL; each has 1 to 255 bytes.
     * A server fails the handshake if the client offers protocols but none of these, and accepts clients that do not
     * use ALPN. */
    const char *const *alpn;

    /** Sessions are resumed (RFC 8446, section 2.2): servers issue tickets, clients keep them. Default: on. */
    em_switch session_tickets;

    /** How many sessions clients keep for later connections, for all hosts together. 0: 256. At most 4096. */
    unsigned session_limit;

    /** How long a ticket can be used, in seconds. 0: 7200. At most 604800 (RFC 8446, section 4.6.1). */
    unsigned ticket_seconds;

    /** Clients ask for an OCSP response. If the server sends one, it must be valid and say that the certificate is
     * good. Default: off. */
    em_switch ocsp;

    /** The server must send an OCSP response. Implies `ocsp`. Default: off. */
    em_switch ocsp_require;

    /** A server refuses clients that ask for a host for which no certificate was added (alert 112, unrecognized_name).
     * Default: off. */
    em_switch refuse_unknown_names;

    /** Called by a server once it has read which host the client asks for (SNI). server_name: NULL if the client does
     * not say; otherwise any text, not verified. Returns the context to use, which the library retains; NULL for this
     * one. The context that is returned decides about everything that follows, with two exceptions: groups are this
     * context's if it does not give some, and session tickets are encrypted with this context's keys, last for this
     * context's time, and are issued if both allow it. */
    em_tls_context *(*choose_context)(em_connection *connection, const char *server_name, void *user);

    /** Called with each line of a key log in the format of SSLKEYLOGFILE, which Wireshark reads, without a line end.
     * Whoever has these lines can decrypt the connection. */
    void (*key_log)(em_connection *connection, const char *line, void *user);

    void *user; /**< passed to the callbacks of the context */

    /** Called with `user` when the context is freed, in the thread that releases the last reference. NULL: none. Not
     * allowed for em_tls_context_create_shared. */
    em_dispose dispose;
} em_tls_context_options;

/** Returns whether the library was built with TLS: 1 or 0. If not, the functions here return EM_UNSUPPORTED. Any
 * thread. */
EM_API int em_has_tls(void);

/* Contexts */

/**
 * Creates a context. Release it with em_tls_context_release. options: NULL for all defaults, which suit a client that
 * verifies. All files are read before this returns. The system's authorities are read when they are first needed, once
 * per process. On failure *context is NULL, and em_status_get_detail returns the reason in words:
 *
 * - EM_TLS_BAD_CERTIFICATE: a certificate, an authority or a revocation list cannot be read or used.
 * - EM_TLS_BAD_KEY: a private key cannot be read, does not match the certificate, or needs another passphrase.
 * - EM_TLS_BAD_OPTION: OpenSSL rejects the versions, ciphers, groups or DH parameters.
 * - EM_TLS_FAILED: OpenSSL cannot provide random numbers.
 * - EM_INVALID_ARGUMENT, EM_NO_MEMORY, EM_UNSUPPORTED.
 */
EM_API em_status em_tls_context_create(const em_tls_context_options *options, em_tls_context **context);

/**
 * As em_tls_context_create, but returns an existing context if one was created by this function with equal options and
 * the files have not changed since. The library keeps the 16 contexts that were used most recently. Release it with
 * em_tls_context_release. A shared context cannot be changed: functions that would change it return EM_INVALID_STATE.
 */
EM_API em_status em_tls_context_create_shared(const em_tls_context_options *options, em_tls_context **context);

/** Takes a reference. NULL is allowed. Any thread. */
EM_API void em_tls_context_retain(em_tls_context *context);

/** Releases a reference. The context is freed with the last one. NULL is allowed. Any thread. */
EM_API void em_tls_context_release(em_tls_context *context);

/**
 * Adds a certificate for clients that ask for this host (SNI, RFC 6066, section 3). Connections that begin from now on
 * use it. server_name: a host name, whose first label may be `*`: "*.example.com" matches "a.example.com", but neither
 * "example.com" nor "a.b.example.com". An exact name takes precedence. NULL: for all other clients, in addition to the
 * context's first certificate, with a key of another type (such as ECDSA in addition to RSA). A certificate with the
 * same name and type of key replaces the earlier one.
 *
 * On failure nothing changes: EM_INVALID_ARGUMENT (such as a malformed name), EM_TLS_BAD_CERTIFICATE, EM_TLS_BAD_KEY,
 * EM_INVALID_STATE (a shared context), EM_NO_MEMORY, EM_UNSUPPORTED.
 */
EM_API em_status em_tls_context_add_certificate(em_tls_context *context, const char *server_name,
                                                const em_tls_certificate_options *options);

/**
 * Reads all files again, including those of em_tls_context_add_certificate. Connections that begin from now on use the
 * new contents; existing connections are not affected. Tickets stay valid. If anything is wrong with a file, nothing
 * changes. Returns the errors of em_tls_context_create, and EM_INVALID_STATE for a shared context.
 */
EM_API em_status em_tls_context_reload(em_tls_context *context);

/**
 * Sets the keys of session tickets, so that several processes or machines can resume each other's sessions. The first
 * key encrypts, and all keys decrypt. Replace the first one at least once a day, in two steps: add the new key as the
 * last one everywhere, then put it first. Copied.
 *
 * Without this, each context generates its own keys. They change every hour, or less often if ticket_seconds is long,
 * are accepted for as long as a ticket can be used, and are the same in forked processes.
 *
 * count: 1 to EM_TLS_MAX_TICKET_KEYS; 0 to generate keys again. EM_INVALID_ARGUMENT, EM_INVALID_STATE (a shared
 * context), EM_TLS_FAILED (no random numbers), EM_UNSUPPORTED.
 */
EM_API em_status em_tls_context_set_ticket_keys(em_tls_context *context, const em_tls_ticket_key *keys, unsigned count);

/**
 * Derives the keys of session tickets from a secret of the process, for contexts that are created from now on and have
 * keys of their own. Forked processes inherit the secret, so contexts that each of them creates resume the sessions of
 * the others if their options are equal. Not for contexts whose ticket_seconds is 21600 or more. Call it before the
 * first fork; later calls change nothing. It only takes random bytes from the system; OpenSSL is initialised when the
 * first context is created. EM_TLS_FAILED: there are no random numbers. EM_UNSUPPORTED.
 */
EM_API em_status em_tls_share_ticket_keys(void);

/* Connections */

/** The side that a connection takes in the handshake. */
typedef enum em_tls_role {
    EM_TLS_ROLE_DEFAULT = 0, /**< server if an em_server accepted the connection, client otherwise */
    EM_TLS_CLIENT = 1,
    EM_TLS_SERVER = 2
} em_tls_role;

/** Options of TLS for one connection. Begin with `.size = sizeof options`; zero means the default. Copied. */
typedef struct em_tls_options {
    size_t size;             /**< sizeof (em_tls_options) */
    em_tls_context *context; /**< retained. NULL: one with all defaults, for a client. Servers need one */

    /** For clients: the host name or IP address that the server's certificate must be for, such as "example.com",
     * "192.0.2.1" or "::1". Internationalized names are given in ASCII (A-labels, RFC 5890). A final dot is ignored,
     * and so are the brackets and the zone of an IPv6 address. Required if the context verifies: EM_TLS_NO_HOSTNAME.
     * If nobody judges the certificate, it is only the default of server_name. */
    const char *hostname;

    /** For clients: the name to ask for (SNI). Default: hostname. An address is accepted and not sent, because SNI has
     * names only (RFC 6066, section 3): then the server chooses as for clients that ask for no name. */
    const char *server_name;

    /** How long the whole handshake may take. 0: 10 seconds; EM_FOREVER: no limit. */
    uint64_t handshake_timeout_ns;

    em_tls_role role;  /**< for attached sockets (em_loop_attach) and protocols in which the sides change roles */
    unsigned reserved; /**< for a future option; must be 0 */
} em_tls_options;

/**
 * Starts TLS on a connection. May be called at any time and in any callback: in post_init, before anything is sent, or
 * in receive_data, once both sides have agreed on it (STARTTLS).
 *
 * What was sent before leaves unprotected. What is sent from now on waits for the handshake. The bytes that
 * receive_data has already been given are the program's, and all that follow belong to TLS. A program that has kept
 * received bytes for later must drop them here, because an attacker may have inserted them.
 *
 * Then ssl_handshake_completed is called, or unbind with the reason. em_connection_get_reason returns its details:
 *
 * - EM_TLS_HANDSHAKE_TIMEOUT: the handshake took too long.
 * - EM_TLS_FAILED: the peer does not speak TLS, or violates the protocol, or there is no common version, cipher or
 *   application protocol. First bytes that are not TLS, such as HTTP, SSL 2 or the greeting of a mail server, fail at
 *   once.
 * - EM_TLS_ALERT: the peer sent a fatal alert, for instance because it does not accept the certificate.
 * - EM_TLS_UNTRUSTED, EM_TLS_WRONG_NAME: the peer's certificate failed the verification.
 * - EM_TLS_REJECTED: verify_peer has rejected it.
 * - EM_TLS_TRUNCATED: the peer ended the connection during the handshake, or later without close_notify. What was
 *   received may be incomplete.
 *
 * options: NULL for all defaults, with which a client has no hostname to verify (EM_TLS_NO_HOSTNAME) and a server has
 * no certificate (EM_TLS_BAD_CERTIFICATE). If this fails, the connection is unchanged, and em_status_get_detail says
 * more: EM_TLS_NO_HOSTNAME, EM_TLS_BAD_CERTIFICATE, EM_INVALID_ARGUMENT, EM_INVALID_STATE (TLS was started already, or
 * one side has ended), EM_CLOSED, EM_NO_MEMORY, EM_FORKED, EM_UNSUPPORTED.
 *
 * In a forked child the connections are still the parent's: this function and sending on a connection with TLS return
 * EM_FORKED, closing one sends no close_notify, and nothing reaches the wire. Two processes that encrypted with the
 * same keys would give them away. A child that takes the loop over, see em_loop_take_over, goes on with them.
 */
EM_API em_status em_connection_start_tls(em_connection *connection, const em_tls_options *options);

/**
 * What is known about a connection's TLS. A string is NULL if there is nothing to report. Strings are the library's and
 * valid until the connection's unbind returns. New fields are added at the end.
 */
typedef struct em_tls_info {
    const char *protocol;      /**< such as "TLSv1.3". NULL until the handshake is done; so are cipher and alpn */
    const char *cipher;        /**< such as "TLS_AES_128_GCM_SHA256" */
    int cipher_bits;           /**< the length of the cipher's key. 0 until the handshake is done */
    const char *server_name;   /**< the host that the client asks for (SNI) */
    const char *alpn;          /**< the application protocol that was chosen */
    int is_resumed;            /**< 1 if the session was resumed */
    int is_verified;           /**< 1 if the library found the peer's certificate valid; a server's also for hostname */
    em_status verdict;         /**< on the peer's certificate. EM_OK also if there is none, and if is_checked is 0 */
    const char *detail;        /**< the verdict in words; "" for EM_OK */
    unsigned peer_chain_count; /**< how many certificates of the peer are known, including its own */
    int has_early_data;        /**< always 0: early data (RFC 8446, section 2.3) is never accepted */
    int is_checked;            /**< 1 if the library checks the peer's certificate. If 0, nobody does */
} em_tls_info;

/**
 * Fills in what is known about a connection's TLS. May be called until its unbind has returned. info_bytes: sizeof
 * *info, so that the struct can grow; fields that this library does not have become 0. EM_INVALID_STATE: the connection
 * has no TLS. EM_INVALID_ARGUMENT.
 */
EM_API em_status em_connection_get_tls_info(const em_connection *connection, em_tls_info *info, size_t info_bytes);

/** The forms of a certificate. */
typedef enum em_tls_format {
    EM_TLS_PEM = 0, /**< text, ending with a newline, RFC 7468 */
    EM_TLS_DER = 1  /**< bytes */
} em_tls_format;

/**
 * Copies a certificate of the peer; in unbind also one that was refused, so that it can be logged. index: 0 for its
 * own, 1 for its issuer's, up to peer_chain_count - 1. certificate_bytes: before the call, the size of `certificate`;
 * after it, the length of the certificate. If it does not fit, it is truncated. PEM is terminated by a zero byte, which
 * does not count in the length but needs room; without room for it the text is truncated. certificate: may be NULL if
 * *certificate_bytes is 0. EM_NOT_FOUND: no such certificate, or no TLS. EM_INVALID_ARGUMENT.
 */
EM_API em_status em_connection_get_peer_certificate(const em_connection *connection, unsigned index,
                                                    em_tls_format format, void *certificate, size_t *certificate_bytes);

/**
 * Returns the OCSP response (RFC 6960) in DER that the server has sent, if this client asked for one, see `ocsp`; NULL
 * if there is none. response_bytes: set to its length; may be NULL. Valid until its unbind has returned.
 */
EM_API const void *em_connection_get_ocsp_response(const em_connection *connection, size_t *response_bytes);

EM_END_DECLARATIONS

#endif
