/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Signals to processes, and the steps of em_process_terminate, which are taken by a timer while the loop goes on. Once
 * a process was reaped, nothing is sent any more, because its number may be another's then.
 */
#include <signal.h>

#include "base/status_detail.h"
#include "process/process_private.h"
#include "system/child.h"

#define DEFAULT_TERMINATE_NS (500 * EM_MILLISECONDS)
#define DEFAULT_KILL_NS EM_SECONDS
#define DEFAULT_GIVE_UP_NS (5 * EM_SECONDS)

enum { MOST_EXCUSES = 8 };

static uint64_t or_default(uint64_t given_ns, uint64_t default_ns)
{
    return given_ns > 0 ? given_ns : default_ns;
}

static em_status send_signal(em_process *process, int signal, bool to_group)
{
    if (process->object.state != EMI_PROCESS_RUNS)
        return EM_NO_SUCH_PROCESS;
    return to_group ? emi_process_signal_group(process->exit.pid, signal)
                    : emi_exit_watch_send_signal(&process->exit, signal);
}

static void schedule(em_process *process, emi_terminate_step step)
{
    em_loop *loop = process->object.loop;
    process->step = (uint8_t)step;
    process->due_ns = emi_loop_due_ns(loop, process->delays_ns[step]);
    emi_loop_timer_set(loop, &process->timer, process->due_ns);
}

static void give_up(em_process *process)
{
    process->is_given_up = true;
    emi_process_drop_streams(process);
    emi_object_list(&process->object);
}

/* Whether it has read something of what waits in its input since the step was scheduled. */
static bool still_reads(em_process *process)
{
    size_t before = process->input_bytes;
    process->input_bytes = em_connection_get_outbound_bytes(em_process_get_stream(process, EM_PROCESS_INPUT));
    return process->input_bytes < before;
}

/* While the loop is late, it takes no output either, and a process that cannot write its output cannot end. The number
 * of excuses is limited, because a loop may be late all the time. */
static bool is_excused(em_process *process)
{
    uint64_t now_ns = process->object.loop->now_ns;
    uint64_t late_ns = now_ns > process->due_ns ? now_ns - process->due_ns : 0;
    return late_ns >= process->delays_ns[process->step] / 2 && process->excuses++ < MOST_EXCUSES;
}

static bool gets_more_time(em_process *process)
{
    if (!still_reads(process))
        return is_excused(process);
    process->excuses = 0;
    return true;
}

static void fire(emi_loop_timer *timer)
{
    em_process *process = EMI_CONTAINER(timer, em_process, timer);
    switch ((emi_terminate_step)process->step) {
    case EMI_TERMINATE_SIGTERM:
        if (gets_more_time(process)) {
            schedule(process, EMI_TERMINATE_SIGTERM);
            break;
        }
        send_signal(process, SIGTERM, process->leads_group);
        schedule(process, EMI_TERMINATE_SIGKILL);
        break;
    case EMI_TERMINATE_SIGKILL:
        send_signal(process, SIGKILL, process->leads_group);
        schedule(process, EMI_TERMINATE_GIVE_UP);
        break;
    case EMI_TERMINATE_GIVE_UP:
        give_up(process);
        break;
    case EMI_TERMINATE_NONE:
    case EMI_TERMINATE_STEPS:
        break;
    }
}

void emi_process_init_steps(em_process *process, const em_process_options *options)
{
    emi_loop_timer_init(&process->timer, fire);
    process->delays_ns[EMI_TERMINATE_SIGTERM] = or_default(options->terminate_after_ns, DEFAULT_TERMINATE_NS);
    process->delays_ns[EMI_TERMINATE_SIGKILL] = or_default(options->kill_after_ns, DEFAULT_KILL_NS);
    process->delays_ns[EMI_TERMINATE_GIVE_UP] = or_default(options->give_up_after_ns, DEFAULT_GIVE_UP_NS);
}

void emi_process_stop_steps(em_process *process)
{
    emi_loop_timer_cancel(process->object.loop, &process->timer);
}

em_status em_process_kill(em_process *process, int signal)
{
    em_status status = emi_process_check(process);
    return status == EM_OK ? send_signal(process, signal, false) : status;
}

em_status em_process_kill_group(em_process *process, int signal)
{
    em_status status = emi_process_check(process);
    if (status == EM_OK && !process->leads_group)
        status = emi_status_without_detail(EM_INVALID_STATE);
    return status == EM_OK ? send_signal(process, signal, true) : status;
}

em_status em_process_terminate(em_process *process)
{
    em_status status = emi_process_check(process);
    if (status != EM_OK)
        return status;
    if (process->object.state == EMI_PROCESS_UNBOUND)
        return EM_CLOSED;
    if (process->step != EMI_TERMINATE_NONE)
        return emi_status_without_detail(EM_INVALID_STATE);
    emi_loop_refresh_time(process->object.loop);
    uint64_t silence_ns = process->delays_ns[EMI_TERMINATE_SIGTERM];
    if (process->silence_timeout_ns == 0 || process->silence_timeout_ns > silence_ns)
        process->silence_timeout_ns = silence_ns;
    if (process->object.state == EMI_PROCESS_ENDED) {
        process->step = EMI_TERMINATE_STEPS;
        emi_process_end_streams(process);
        return EM_OK;
    }
    emi_process_end_input(process);
    still_reads(process); /* notes how much waits */
    schedule(process, EMI_TERMINATE_SIGTERM);
    return EM_OK;
}
