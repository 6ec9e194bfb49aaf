/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the connections and servers of a loop share, as a part of the loop, made when it is first needed.
 */
#include "base/invariant.h"
#include "net/attempts.h"
#include "net/server_private.h"
#include "system/socket.h"

static emi_net *net_of(emi_service *service)
{
    return EMI_CONTAINER(service, emi_net, service);
}

/* Only those of filters: a loop without any has nothing to do here. */
static void turn(emi_service *service)
{
    emi_net *net = net_of(service);
    if (net->gates)
        emi_gates_turn(net->gates);
}

static bool has_work(const emi_service *service)
{
    const emi_net *net = (const emi_net *)(const void *)service;
    return net->gates && emi_gates_have_work(net->gates);
}

static void descriptor_freed(emi_service *service)
{
    emi_net_descriptor_freed(net_of(service));
}

static void destroy(emi_service *service)
{
    emi_net *net = net_of(service);
    emi_net_free_attempts(net);
    emi_address_history_destroy(net->history, &net->loop->memory);
    emi_gates_destroy(net->gates);
    emi_datagram_pool_clear(&net->datagrams);
    emi_socket_close(net->reserve);
    emi_release(&net->loop->memory, net);
}

static const emi_service_operations operations = {
    .turn = turn,
    .has_work = has_work,
    .descriptor_freed = descriptor_freed,
    .destroy = destroy,
};

em_status emi_gates_of(emi_net *net, emi_gates **gates)
{
    em_status status = net->gates ? EM_OK : emi_gates_create(net->loop, &net->gates);
    *gates = net->gates;
    return status;
}

em_status emi_net_of(em_loop *loop, emi_net **net)
{
    em_status status = emi_loop_check(loop);
    if (status != EM_OK)
        return status;
    if (loop->services[EMI_SERVICE_NET]) {
        *net = emi_net_at(loop);
        return EM_OK;
    }
    emi_net *made = emi_allocate_zeroed(&loop->memory, sizeof *made);
    if (!made)
        return EM_NO_MEMORY;
    made->service.operations = &operations;
    made->loop = loop;
    made->reserve = EMI_NO_SOCKET;
    made->datagrams.outboxes = &loop->outboxes;
    emi_list_init(&made->backing_off);
    emi_list_init(&made->lingering);
    emi_list_init(&made->attempts);
    emi_loop_add_service(loop, EMI_SERVICE_NET, &made->service);
    *net = made;
    return EM_OK;
}

em_status emi_check_handler(const em_handler *handler)
{
    return EMI_IS_HANDLER(handler) ? EM_OK : emi_status_without_detail(EM_INVALID_ARGUMENT);
}
