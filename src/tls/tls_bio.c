/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A BIO, see bio(7), from which OpenSSL reads the input of `open`, and through which it writes into the wire outbox. It
 * copies once in each direction, and a write never has to be retried.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <string.h>

#include "tls/tls_private.h"

static int read_input(BIO *bio, char *buffer, size_t capacity, size_t *length)
{
    emi_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *length = tls->input && tls->unasked <= EMI_TLS_MOST_UNASKED ? tls->input->length : 0;
    if (*length == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    if (*length > capacity)
        *length = capacity;
    memcpy(buffer, tls->input->next, *length);
    tls->input->next += *length;
    tls->input->length -= *length;
    return 1;
}

static int write_wire(BIO *bio, const char *data, size_t length, size_t *written)
{
    emi_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *written = 0;
    if (emi_outbox_append(&tls->filter.wire, tls->filter.pool, data, length) != EM_OK) {
        tls->no_memory = true;
        return 0;
    }
    *written = length;
    return 1;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *new_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "EventMachine");
    if (!method)
        return NULL;
    if (BIO_meth_set_read_ex(method, read_input) && BIO_meth_set_write_ex(method, write_wire) &&
        BIO_meth_set_ctrl(method, control))
        return method;
    BIO_meth_free(method);
    return NULL;
}

/* Created once and kept. If two threads create it at the same time, one frees its own. */
static const BIO_METHOD *method(void)
{
    static _Atomic(BIO_METHOD *) kept;
    BIO_METHOD *made = atomic_load(&kept);
    BIO_METHOD *none = NULL;
    if (made)
        return made;
    made = new_method();
    if (made && !atomic_compare_exchange_strong(&kept, &none, made)) {
        BIO_meth_free(made);
        return none;
    }
    return made;
}

BIO *emi_tls_bio_create(emi_tls *tls)
{
    const BIO_METHOD *ours = method();
    BIO *bio = ours ? BIO_new(ours) : NULL;
    if (!bio)
        return NULL;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    return bio;
}

#endif
