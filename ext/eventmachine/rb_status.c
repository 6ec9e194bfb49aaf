/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Statuses of the C library as Ruby knows them: Errno classes for unbind, exceptions for calls that fail.
 */
#include "rb_status.h"

#include <errno.h>
#include <stdarg.h>

#include "rb_define.h"
#include "rb_module.h"

static ID id_errnos;

static const struct {
    em_status status;
    int number;
} errors[] = {
    {EM_NO_MEMORY, ENOMEM},
    {EM_INVALID_ARGUMENT, EINVAL},
    {EM_UNSUPPORTED, EOPNOTSUPP},
    {EM_OUTBOX_LIMIT, ENOBUFS},
    {EM_LOOP_OUTBOX_LIMIT, ENOBUFS},
    {EM_RESOLVE_TIMEOUT, ETIMEDOUT},
    {EM_CONNECT_TIMEOUT, ETIMEDOUT},
    {EM_INACTIVITY_TIMEOUT, ETIMEDOUT},
    {EM_WRITE_TIMEOUT, ETIMEDOUT},
    {EM_TLS_HANDSHAKE_TIMEOUT, ETIMEDOUT},
    {EM_TLS_FAILED, EPROTO},
    {EM_TLS_ALERT, EPROTO},
    {EM_TLS_UNTRUSTED, EPROTO},
    {EM_TLS_WRONG_NAME, EPROTO},
    {EM_TLS_REJECTED, EPROTO},
    {EM_INVALID_ADDRESS, EADDRNOTAVAIL},
    /* There is no errno for names. A host whose address is unknown cannot be reached. */
    {EM_NAME_NOT_FOUND, EHOSTUNREACH},
    {EM_NO_RECORDS, EHOSTUNREACH},
    {EM_RESOLVER_FAILED, EHOSTUNREACH},
    {EM_ANSWER_TRUNCATED, EHOSTUNREACH},
    {EM_ADDRESS_IN_USE, EADDRINUSE},
    {EM_ADDRESS_NOT_AVAILABLE, EADDRNOTAVAIL},
    {EM_ADDRESS_FAMILY, EAFNOSUPPORT},
    {EM_PERMISSION_DENIED, EACCES},
    {EM_CONNECTION_REFUSED, ECONNREFUSED},
    {EM_CONNECTION_RESET, ECONNRESET},
    {EM_CONNECTION_ABORTED, ECONNABORTED},
    {EM_BROKEN_PIPE, EPIPE},
    {EM_NETWORK_UNREACHABLE, ENETUNREACH},
    {EM_HOST_UNREACHABLE, EHOSTUNREACH},
    {EM_TIMED_OUT, ETIMEDOUT},
    {EM_NETWORK_DOWN, ENETDOWN},
    {EM_NO_DESCRIPTORS, EMFILE},
    {EM_NO_BUFFERS, ENOBUFS},
    {EM_NOT_CONNECTED, ENOTCONN},
    {EM_ALREADY_CONNECTED, EISCONN},
    {EM_NO_SUCH_FILE, ENOENT},
    {EM_BAD_DESCRIPTOR, EBADF},
    {EM_NOT_A_SOCKET, ENOTSOCK},
    {EM_MESSAGE_TOO_LONG, EMSGSIZE},
    {EM_PATH_TOO_LONG, ENAMETOOLONG},
    {EM_FILE_EXISTS, EEXIST},
    {EM_IO_ERROR, EIO},
    {EM_PROTOCOL_ERROR, EPROTO},
    {EM_NO_PROTOCOL_OPTION, ENOPROTOOPT},
};

int rb_em_status_errno(em_status status)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].status == status)
            return errors[i].number;
    return 0;
}

/* As in 1.x, a peer that closes the connection without ending TLS has closed it normally. */
VALUE rb_em_reason(em_status status)
{
    if (status >= 0 || status == EM_TLS_TRUNCATED)
        return Qnil;
    return rb_hash_aref(rb_const_get(rb_em_module, id_errnos), INT2FIX(rb_em_status_errno(status)));
}

em_status rb_em_check_memory(em_status status)
{
    if (status == EM_NO_MEMORY)
        rb_memerror();
    return status;
}

void rb_em_raise(const char *class_name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    VALUE message = rb_vsprintf(format, arguments);
    va_end(arguments);
    rb_exc_raise(rb_exc_new_str(rb_const_get(rb_em_module, rb_intern(class_name)), message));
}

void rb_em_raise_status(em_status status)
{
    rb_em_check_memory(status);
    rb_raise(rb_eRuntimeError, "%s", em_status_get_text(status));
}

void rb_em_define_status(void)
{
    id_errnos = rb_intern("ERRNOS");
}
