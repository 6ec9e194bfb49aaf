/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * For systems without sigaction(2): no signal can be received.
 */
#include "base/features.h"

#if !EMI_HAVE_POSIX

#include "system/signals.h"

em_status emi_signal_receiver_open(emi_signal_receiver *receiver, int signal_number)
{
    (void)receiver;
    (void)signal_number;
    return EM_UNSUPPORTED;
}

void emi_signal_receiver_renew(const emi_signal_receiver *receiver)
{
    (void)receiver;
}

void emi_signal_receiver_close(emi_signal_receiver *receiver)
{
    (void)receiver;
}

#endif
