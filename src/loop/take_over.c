/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Passing a loop from a process to its forked child, for programs that go into the background: the child takes over the
 * loop, and the parent hands it over. The child then replaces the kernel objects that both would share, and the parent
 * does not touch what both have copies of.
 */
#include "loop/loop_private.h"

/* The child has no copy of another thread that was in a turn, so that turn would never end. */
static bool is_stuck_in_turn(const em_loop *loop)
{
    return loop->in_turn && loop->runner != emi_thread_number();
}

static void renew_services(em_loop *loop)
{
    for (unsigned kind = 0; kind < EMI_SERVICE_KINDS; kind++)
        if (loop->services[kind] && loop->services[kind]->operations->renew)
            loop->services[kind]->operations->renew(loop->services[kind]);
}

em_status em_loop_take_over(em_loop *loop)
{
    if (!loop)
        return EM_INVALID_ARGUMENT;
    if (!emi_is_forked_since(loop->fork_count) || loop->closing || is_stuck_in_turn(loop))
        return EM_INVALID_STATE;
    em_status status = loop->backend->operations->renew(loop->backend);
    if (status != EM_OK)
        return status;
    emi_note_copies();
    emi_mutex_open(&loop->posts_mutex); /* another thread may have held it at the fork */
    loop->fork_count = emi_fork_count();
    atomic_store(&loop->handed_over, false);
    loop->backend->handed_over = false;
    loop->logged_failure = false;
    loop->backend->failure = EM_OK;
    /* A thread may have queued a call and not set this yet. */
    atomic_store(&loop->has_posts, true);
    emi_objects_renew(loop);
    renew_services(loop);
    if (atomic_exchange(&loop->woken, false))
        em_loop_wake(loop);
    return EM_OK;
}

em_status em_loop_hand_over(em_loop *loop)
{
    if (!loop)
        return EM_INVALID_ARGUMENT;
    atomic_store(&loop->handed_over, true);
    loop->backend->handed_over = true;
    return EM_OK;
}
