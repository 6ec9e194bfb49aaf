/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * All allocations of OpenSSL in a test program, counted, of which one can fail. Without OpenSSL this does not exist.
 */
#ifndef TEST_OPENSSL_MEMORY_H
#define TEST_OPENSSL_MEMORY_H

extern struct openssl_memory {
    long live;             /* allocations */
    long live_bytes;       /* their sizes */
    unsigned long request; /* of the last one, counted from 1 */
    unsigned long fail_at; /* the request that fails; 0: none */
    unsigned long large;   /* requests of 1000 bytes and more */
} openssl_memory;

/** To be called before anything else of OpenSSL's. */
void openssl_memory_count(void);

#endif
