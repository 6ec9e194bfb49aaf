/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The calls of a batch, made one by one by system calls of their own.
 */
#include "io/batcher.h"
#include "system/socket.h"

static void run(emi_call *call)
{
    if (call->kind == EMI_CALL_RECEIVE)
        call->status = emi_socket_receive(call->descriptor, call->bytes, call->length, &call->done);
    else
        call->status = emi_socket_send_bytes(call->descriptor, call->bytes, call->length, &call->done);
}

void emi_calls_run(emi_call *calls, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        run(&calls[i]);
}
