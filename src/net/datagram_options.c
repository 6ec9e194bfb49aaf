/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The options of datagram sockets, from reading to applying.
 */
#include "net/datagram_private.h"
#include "system/socket.h"

#define DEFAULT_LIMIT_BYTES ((size_t)64 * 1024 * 1024)

enum { LARGEST_TTL = 255 };

static bool is_ttl(int ttl)
{
    return ttl >= 0 && ttl <= LARGEST_TTL;
}

static bool are_switches(const em_datagram_options *options)
{
    const em_switch given[] = {options->reuse_address,  options->reuse_port,           options->v6_only,
                               options->broadcast,      options->receive_destination,  options->receive_ttl,
                               options->receive_ecn,    options->receive_offload,      options->segmentation,
                               options->multicast_loop, options->report_network_errors};
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++)
        if (given[i] != EM_DEFAULT && given[i] != EM_ON && given[i] != EM_OFF)
            return false;
    return true;
}

static size_t high_water_bytes(const em_datagram_options *options)
{
    return options->high_water_bytes > 0 ? options->high_water_bytes : EMI_DEFAULT_HIGH_WATER_BYTES;
}

em_status emi_read_datagram_options(em_datagram_options *own, const em_datagram_options *given)
{
    em_status status = emi_read_named_options("datagram options", own, sizeof *own, given);
    if (status != EM_OK)
        return status;
    bool is_sensible = are_switches(own) && is_ttl(own->ttl) && is_ttl(own->multicast_ttl) &&
                       own->send_buffer_bytes >= 0 && own->receive_buffer_bytes >= 0 &&
                       own->low_water_bytes <= high_water_bytes(own);
    return is_sensible ? EM_OK : emi_status_without_detail(EM_INVALID_ARGUMENT);
}

bool emi_has_options_of_ip(const em_datagram_options *options)
{
    return options->reuse_port != EM_DEFAULT || options->v6_only != EM_DEFAULT || options->broadcast != EM_DEFAULT ||
           options->receive_destination != EM_DEFAULT || options->receive_ttl != EM_DEFAULT ||
           options->receive_ecn != EM_DEFAULT || options->receive_offload != EM_DEFAULT ||
           options->segmentation != EM_DEFAULT || options->multicast_loop != EM_DEFAULT || options->ttl > 0 ||
           options->report_network_errors != EM_DEFAULT || options->multicast_ttl > 0 ||
           options->multicast_interface > 0;
}

em_status emi_apply_options_before_bind(int descriptor, const em_datagram_options *options)
{
    em_status status = EM_OK;
    if (options->reuse_address != EM_DEFAULT)
        status = emi_socket_set_reuse_address(descriptor, options->reuse_address == EM_ON);
    if (status == EM_OK && options->reuse_port != EM_DEFAULT)
        status = emi_socket_set_reuse_port(descriptor, options->reuse_port == EM_ON);
    if (status == EM_OK && options->v6_only != EM_DEFAULT)
        status = emi_socket_set_v6_only(descriptor, options->v6_only == EM_ON);
    if (status == EM_OK)
        status = emi_socket_set_buffer_sizes(descriptor, options->send_buffer_bytes, options->receive_buffer_bytes);
    return status;
}

static em_status apply_if_given(em_switch given, int descriptor, em_address_family family,
                                em_status (*set)(int, em_address_family, bool))
{
    return given == EM_DEFAULT ? EM_OK : set(descriptor, family, given == EM_ON);
}

static em_status apply_numbers(int descriptor, em_address_family family, const em_datagram_options *options)
{
    em_status status = EM_OK;
    if (options->ttl > 0)
        status = emi_datagram_set_ttl(descriptor, family, options->ttl);
    if (status == EM_OK && options->multicast_ttl > 0)
        status = emi_datagram_set_multicast_ttl(descriptor, family, options->multicast_ttl);
    if (status == EM_OK && options->multicast_interface > 0)
        status = emi_datagram_set_multicast_interface(descriptor, family, options->multicast_interface);
    return status;
}

static em_status apply_switches(int descriptor, em_address_family family, const em_datagram_options *options)
{
    em_status status = apply_if_given(options->receive_ttl, descriptor, family, emi_datagram_set_receive_ttl);
    if (status == EM_OK)
        status = apply_if_given(options->receive_ecn, descriptor, family, emi_datagram_set_receive_ecn);
    if (status == EM_OK)
        status = apply_if_given(options->multicast_loop, descriptor, family, emi_datagram_set_multicast_loop);
    if (status == EM_OK && options->broadcast != EM_DEFAULT)
        status = emi_datagram_set_broadcast(descriptor, options->broadcast == EM_ON);
    return status;
}

/* These only make things faster, so a system that does not have them does without. */
static void apply_offloads(em_datagram_socket *socket, int descriptor, const em_datagram_options *options)
{
    if (options->receive_offload != EM_DEFAULT)
        emi_datagram_set_receive_offload(descriptor, options->receive_offload == EM_ON);
    socket->channel.segments = options->segmentation == EM_ON && emi_datagram_has_segmentation(descriptor);
}

/* What is on by default is left out where the system does not have it. */
static em_status apply_default(em_switch given, bool is_on_by_default, int descriptor, em_address_family family,
                               em_status (*set)(int, em_address_family, bool), bool *is_on)
{
    *is_on = given == EM_ON || (given == EM_DEFAULT && is_on_by_default);
    if (given == EM_DEFAULT && !is_on_by_default)
        return EM_OK;
    em_status status = set(descriptor, family, *is_on);
    *is_on = *is_on && status == EM_OK;
    return given == EM_DEFAULT ? EM_OK : status;
}

em_status emi_apply_datagram_options(em_datagram_socket *socket, int descriptor, const em_datagram_options *options,
                                     bool is_bound_to_any)
{
    em_address_family family = socket->family;
    bool is_on;
    if (family == EM_ADDRESS_UNIX)
        return EM_OK;
    em_status status = apply_switches(descriptor, family, options);
    if (status == EM_OK)
        status = apply_numbers(descriptor, family, options);
    if (status == EM_OK)
        status = apply_default(options->receive_destination, is_bound_to_any, descriptor, family,
                               emi_datagram_set_receive_destination, &is_on);
    if (status == EM_OK)
        status = apply_default(options->report_network_errors, socket->handler->send_failed != NULL, descriptor, family,
                               emi_datagram_set_report_errors, &is_on);
    if (status != EM_OK)
        return status;
    socket->channel.has_error_queue = is_on;
    apply_offloads(socket, descriptor, options);
    return EM_OK;
}

void emi_apply_own_options(em_datagram_socket *socket, const em_datagram_options *options)
{
    socket->inactivity_timeout_ns = options->inactivity_timeout_ns == EM_FOREVER ? 0 : options->inactivity_timeout_ns;
    socket->high_water_bytes = high_water_bytes(options);
    socket->low_water_bytes = options->low_water_bytes > 0 ? options->low_water_bytes : socket->high_water_bytes / 4;
    socket->limit_bytes = options->outbox_limit_bytes > 0 ? options->outbox_limit_bytes : DEFAULT_LIMIT_BYTES;
    socket->drain_timeout_ns = options->drain_timeout_ns > 0 ? options->drain_timeout_ns : EMI_DEFAULT_DRAIN_TIMEOUT_NS;
    emi_datagram_socket_note_activity(socket);
}

em_status em_datagram_socket_set_outbox_limit_bytes(em_datagram_socket *socket, size_t limit_bytes)
{
    em_status status = emi_datagram_socket_check(socket);
    if (status != EM_OK)
        return status;
    socket->limit_bytes = limit_bytes > 0 ? limit_bytes : DEFAULT_LIMIT_BYTES;
    emi_datagram_socket_note_room(socket);
    return EM_OK;
}
