/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A loop passes from a process to its forked child, as when a program goes into the background: the child takes over,
 * the parent hands over. The parent then leaves alone what both have copies of, and the child makes anew what both
 * would share in the kernel.
 */
#include "loop/loop_private.h"

/* A turn of another thread, which the child does not have, would never end. */
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
    /* A thread may have added a call and not have set this yet. */
    atomic_store(&loop->has_posts, true);
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
