/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What all gates of a loop share. A gate is due when there is something to do that no event of the kernel will report:
 * after a pause, when a filter was installed, and when handshakes have used up their time. While a gate is due the loop
 * does not sleep.
 *
 * A handshake takes a thousand times longer than a message. So the time for handshakes in each turn is bounded. The
 * others wait in the order of their arrival while established connections are served.
 */
#include "net/gate_private.h"
#include "net/securing.h"
#include "system/clock.h"

void emi_gates_add_due(emi_gate *gate)
{
    if (!emi_list_is_linked(&gate->due))
        emi_list_append(&gate->gates->due, &gate->due);
}

bool emi_gates_has_time(const emi_gates *gates)
{
    return gates->spent_ns < EMI_HANDSHAKE_BUDGET_NS;
}

static void serve_gate(emi_gates *gates, emi_list *link)
{
    emi_gate *gate = EMI_CONTAINER(link, emi_gate, due);
    if (!emi_loop_is_forked(gates->loop) && (gate->filter->is_ready || emi_gates_has_time(gates)))
        emi_gate_serve(gate);
    else
        emi_gates_add_due(gate);
}

static void serve_attempt(emi_gates *gates, emi_list *link)
{
    if (!emi_loop_is_forked(gates->loop) && emi_gates_has_time(gates))
        emi_securing_serve(EMI_CONTAINER(link, emi_securing, due));
    else
        emi_list_append(&gates->securing, link);
}

/* Gates and attempts take turns. Those that become due meanwhile are served by the next turn. */
void emi_gates_turn(emi_gates *gates)
{
    emi_list due, securing;
    emi_list_init(&due);
    emi_list_init(&securing);
    emi_list_move_all(&due, &gates->due);
    emi_list_move_all(&securing, &gates->securing);
    gates->spent_ns = 0;
    while (!emi_list_is_empty(&due) || !emi_list_is_empty(&securing)) {
        emi_list *gate = emi_list_take_first(&due);
        if (gate)
            serve_gate(gates, gate);
        emi_list *attempt = emi_list_take_first(&securing);
        if (attempt)
            serve_attempt(gates, attempt);
    }
}

bool emi_gates_have_work(const emi_gates *gates)
{
    return !emi_list_is_empty(&gates->due) || !emi_list_is_empty(&gates->securing);
}

/* Memory of idle filters */

void emi_gates_note_active(emi_gate *gate)
{
    emi_gates *gates = gate->gates;
    if (!gate->filter->operations->release_buffers || emi_list_is_linked(&gate->active))
        return;
    if (emi_list_is_empty(&gates->active))
        emi_loop_timer_set(gates->loop, &gates->idle, emi_loop_due_ns(gates->loop, EMI_GATE_IDLE_NS));
    emi_list_append(&gates->active, &gate->active);
}

/* A filter in the middle of a record or a message keeps its memory, and is noted as active again later. */
static void release_buffers(emi_gate *gate)
{
    emi_list_remove(&gate->active);
    if (gate->is_starved && gate->held_bytes == 0 && gate->filter->wire.bytes == 0 && !gate->has_failed)
        gate->filter->operations->release_buffers(gate->filter);
}

static void release_idle_ones(emi_loop_timer *timer)
{
    emi_gates *gates = EMI_CONTAINER(timer, emi_gates, idle);
    em_loop *loop = gates->loop;
    for (emi_list *link = gates->active.next, *next; link != &gates->active; link = next) {
        emi_gate *gate = EMI_CONTAINER(link, emi_gate, active);
        next = link->next;
        if (emi_loop_due_ns(loop, 0) >= gate->connection->object.active_ns + EMI_GATE_IDLE_NS)
            release_buffers(gate);
    }
    if (!emi_list_is_empty(&gates->active))
        emi_loop_timer_set(loop, timer, emi_loop_due_ns(loop, EMI_GATE_IDLE_NS));
}

/* Creating and destroying them */

em_status emi_gates_create(em_loop *loop, emi_gates **created)
{
    emi_gates *gates = emi_allocate(&loop->memory, sizeof *gates);
    if (!gates)
        return EM_NO_MEMORY;
    gates->loop = loop;
    gates->spent_ns = 0;
    emi_list_init(&gates->due);
    emi_list_init(&gates->securing);
    emi_list_init(&gates->active);
    emi_loop_timer_init(&gates->idle, release_idle_ones);
    emi_outbox_pool_init(&gates->wires, &loop->memory, 0);
    *created = gates;
    return EM_OK;
}

void emi_gates_destroy(emi_gates *gates)
{
    if (!gates)
        return;
    EMI_INVARIANT(!emi_gates_have_work(gates) && emi_list_is_empty(&gates->active) && gates->wires.bytes == 0);
    emi_loop_timer_cancel(gates->loop, &gates->idle);
    emi_outbox_pool_clear(&gates->wires);
    emi_release(&gates->loop->memory, gates);
}
