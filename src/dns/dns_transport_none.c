/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Without c-ares there is no transport, so nothing but emi_transport_open is ever called.
 */
#include "base/features.h"

#if !EMI_HAVE_CARES

#include "dns/dns_transport.h"

em_status emi_transport_open(em_loop *loop, emi_transport **transport)
{
    (void)loop;
    *transport = NULL;
    return EM_UNSUPPORTED;
}

void emi_transport_ask(emi_transport *transport, emi_question *question)
{
    (void)transport;
    (void)question;
}

bool emi_transport_ask_later(emi_transport *transport, emi_question *question)
{
    (void)transport;
    (void)question;
    return false;
}

void emi_transport_drop(emi_transport *transport, emi_question *question)
{
    (void)transport;
    (void)question;
}

void emi_transport_turn(emi_transport *transport)
{
    (void)transport;
}

bool emi_transport_has_work(const emi_transport *transport)
{
    (void)transport;
    return false;
}

void emi_transport_renew(emi_transport *transport)
{
    (void)transport;
}

void emi_transport_close(emi_transport *transport)
{
    (void)transport;
}

void emi_transport_destroy(emi_transport *transport)
{
    (void)transport;
}

#endif
