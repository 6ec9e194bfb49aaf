/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The timers of a datagram socket. Traffic does not touch the one for timeouts: when it fires, it checks what has
 * happened since.
 */
#include "net/datagram_private.h"
#include "system/clock.h"
#include "system/socket_state.h"

#define FIRST_RETRY_NS UINT64_C(1000000)
#define LONGEST_RETRY_NS UINT64_C(100000000)
#define LOOK_AGAIN_NS UINT64_C(10000000)

static uint64_t after(uint64_t from_ns, uint64_t timeout_ns)
{
    return timeout_ns > UINT64_MAX - from_ns ? UINT64_MAX : from_ns + timeout_ns;
}

/* When the inactivity timeout passes; UINT64_MAX: never. */
static uint64_t inactive_ns(const em_datagram_socket *socket)
{
    if (socket->inactivity_timeout_ns == 0 || socket->paused || socket->is_held)
        return UINT64_MAX;
    return after(socket->object.active_ns, socket->inactivity_timeout_ns);
}

static uint64_t drained_ns(const em_datagram_socket *socket)
{
    return socket->object.state == EMI_DATAGRAM_DRAINING ? after(socket->progress_ns, socket->drain_timeout_ns)
                                                         : UINT64_MAX;
}

void emi_datagram_socket_arm(em_datagram_socket *socket)
{
    uint64_t inactive = inactive_ns(socket);
    uint64_t drained = drained_ns(socket);
    uint64_t due_ns = inactive < drained ? inactive : drained;
    if (due_ns == UINT64_MAX || emi_datagram_socket_has_ended(socket))
        emi_loop_timer_cancel(socket->object.loop, &socket->timeouts);
    else
        emi_loop_timer_set(socket->object.loop, &socket->timeouts, due_ns);
}

/* Whether something has arrived that the loop, being late, has not delivered. */
static bool has_input(const em_datagram_socket *socket)
{
    return emi_socket_look(socket->channel.descriptor) & EMI_SOCKET_HAS_INPUT;
}

static void check_timeouts(emi_loop_timer *timer)
{
    em_datagram_socket *socket = EMI_CONTAINER(timer, em_datagram_socket, timeouts);
    uint64_t now_ns = emi_clock_now_ns();
    if (drained_ns(socket) <= now_ns)
        emi_datagram_socket_end(socket, EM_WRITE_TIMEOUT);
    else if (inactive_ns(socket) > now_ns)
        emi_datagram_socket_arm(socket);
    else if (has_input(socket))
        emi_loop_timer_set(socket->object.loop, timer, after(now_ns, LOOK_AGAIN_NS));
    else
        emi_datagram_socket_end(socket, EM_INACTIVITY_TIMEOUT);
}

static void retry(emi_loop_timer *timer)
{
    em_datagram_socket *socket = EMI_CONTAINER(timer, em_datagram_socket, retry);
    socket->waits_to_retry = false;
    emi_datagram_socket_request_send(socket);
}

void emi_datagram_socket_retry_later(em_datagram_socket *socket)
{
    socket->waits_to_retry = true;
    emi_loop_timer_set(socket->object.loop, &socket->retry, after(emi_clock_now_ns(), socket->retry_ns));
    socket->retry_ns = socket->retry_ns * 2 < LONGEST_RETRY_NS ? socket->retry_ns * 2 : LONGEST_RETRY_NS;
}

void emi_datagram_timers_init(em_datagram_socket *socket)
{
    emi_loop_timer_init(&socket->timeouts, check_timeouts);
    emi_loop_timer_init(&socket->retry, retry);
    socket->retry_ns = FIRST_RETRY_NS;
}

void emi_datagram_timers_cancel(em_datagram_socket *socket)
{
    emi_loop_timer_cancel(socket->object.loop, &socket->timeouts);
    emi_loop_timer_cancel(socket->object.loop, &socket->retry);
}

void emi_datagram_socket_note_progress(em_datagram_socket *socket)
{
    socket->retry_ns = FIRST_RETRY_NS;
    if (socket->object.state == EMI_DATAGRAM_DRAINING)
        socket->progress_ns = emi_clock_now_ns();
}

/* The loop's time stands still during callbacks, so for a socket with a timeout it is not accurate enough. */
void emi_datagram_socket_note_activity(em_datagram_socket *socket)
{
    socket->object.active_ns = socket->inactivity_timeout_ns > 0 ? emi_clock_now_ns() : socket->object.loop->now_ns;
}

em_status em_datagram_socket_set_inactivity_timeout_ns(em_datagram_socket *socket, uint64_t timeout_ns)
{
    em_status status = emi_datagram_socket_check(socket);
    if (status != EM_OK)
        return status;
    socket->inactivity_timeout_ns = timeout_ns == EM_FOREVER ? 0 : timeout_ns;
    emi_datagram_socket_arm(socket);
    return EM_OK;
}

uint64_t em_datagram_socket_get_inactivity_timeout_ns(const em_datagram_socket *socket)
{
    return socket ? socket->inactivity_timeout_ns : 0;
}
