/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Timers against the real clock, and what a loop with nothing to do costs: nothing.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { MANY = 100000, STOPPED_MILLISECONDS = 300, PERIOD_MILLISECONDS = 10 };

/* Each of many timers gets its number as an address of this. */
static char numbers[MANY];
static unsigned fired;
static unsigned out_of_order;

static void check_order(em_loop *loop, em_timer timer, void *user)
{
    (void)timer;
    out_of_order += (char *)user != &numbers[fired];
    if (++fired == MANY)
        em_loop_stop(loop);
}

static void add_many(em_loop *loop, void *user)
{
    (void)user;
    for (unsigned i = 0; i < MANY; i++) /* within one turn, in which time stands still */
        assert_int_equal(em_loop_add_timer(loop, 50 * EM_MILLISECONDS, check_order, &numbers[i], NULL, NULL), EM_OK);
}

static void a_hundred_thousand_timers_of_one_deadline_run_in_order(void **state)
{
    fired = 0;
    out_of_order = 0;
    uint64_t started_ns = system_now_ns();
    assert_int_equal(em_loop_next_tick(*state, add_many, NULL, NULL), EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_true(system_now_ns() - started_ns >= 50 * EM_MILLISECONDS);
    assert_int_equal(fired, MANY);
    assert_int_equal(out_of_order, 0);
    assert_int_equal(system_stats(*state).timers_pending, 0);
}

static void never(em_loop *loop, em_timer timer, void *user)
{
    (void)loop;
    (void)timer;
    (void)user;
    fail_msg("a timer that was cancelled");
}

static void a_hundred_thousand_timers_are_cancelled_in_a_moment(void **state)
{
    static em_timer timers[MANY];
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(em_loop_add_timer(*state, 10 * EM_MILLISECONDS, never, NULL, NULL, &timers[i]), EM_OK);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(em_loop_cancel_timer(*state, timers[i]), EM_OK);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(em_loop_cancel_timer(*state, timers[i]), EM_NOT_FOUND);
    system_run_for(*state, 30 * EM_MILLISECONDS);
}

static void stop(em_loop *loop, em_timer timer, void *user)
{
    (void)timer;
    (void)user;
    em_loop_stop(loop);
}

static void a_timer_is_never_early_however_long_the_loop_was_not_run(void **state)
{
    poll(NULL, 0, 30); /* the program is busy with something else */
    uint64_t started_ns = system_now_ns();
    assert_int_equal(em_loop_add_timer(*state, 40 * EM_MILLISECONDS, stop, NULL, NULL, NULL), EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_true(system_now_ns() - started_ns >= 40 * EM_MILLISECONDS);
}

typedef struct beat {
    unsigned count;
    uint64_t last_ns;
    uint64_t longest_ns;
    bool one_shot_came;
} beat;

static void note_beat(em_loop *loop, em_timer timer, void *user)
{
    (void)timer;
    beat *beats = user;
    uint64_t now_ns = em_loop_get_time_ns(loop);
    if (beats->last_ns && now_ns - beats->last_ns > beats->longest_ns)
        beats->longest_ns = now_ns - beats->last_ns;
    beats->last_ns = now_ns;
    beats->count++;
}

static void note_one_shot(em_loop *loop, em_timer timer, void *user)
{
    (void)loop;
    (void)timer;
    ((beat *)user)->one_shot_came = true;
}

/* In a child: is stopped in the middle of it, and counts. Tells by a byte when it may be stopped. */
static void beat_through_a_stop(void *pipe_end)
{
    static beat beats;
    em_loop *loop;
    em_loop_options options = {.size = sizeof options, .backend = system_backend()};
    system_child_check(em_loop_create(&options, &loop) == EM_OK, "a loop");
    em_loop_add_periodic_timer(loop, PERIOD_MILLISECONDS * EM_MILLISECONDS, note_beat, &beats, NULL, NULL);
    em_loop_add_timer(loop, STOPPED_MILLISECONDS / 2 * EM_MILLISECONDS, note_one_shot, &beats, NULL, NULL);
    while (beats.count == 0)
        em_loop_run_once(loop, EM_FOREVER);
    uint64_t started_ns = em_loop_get_time_ns(loop);
    system_child_check(write(*(int *)pipe_end, "x", 1) == 1, "the parent listens");
    while (beats.longest_ns < STOPPED_MILLISECONDS * EM_MILLISECONDS)
        em_loop_run_once(loop, EM_FOREVER); /* else the deadline ends the test */
    for (unsigned more = beats.count + 3; beats.count < more;)
        em_loop_run_once(loop, EM_FOREVER);
    uint64_t periods = (em_loop_get_time_ns(loop) - started_ns) / (PERIOD_MILLISECONDS * EM_MILLISECONDS);
    uint64_t missed = STOPPED_MILLISECONDS / PERIOD_MILLISECONDS - 2;
    system_child_check(beats.one_shot_came, "what came due meanwhile has fired");
    system_child_check(beats.count <= 1 + periods - missed, "the missed beats are made up for by one");
    em_loop_destroy(loop);
}

static void the_clock_goes_on_while_the_process_is_stopped(void **state)
{
    (void)state;
    int ends[2];
    char ready;
    int status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = system_fork(beat_through_a_stop, &ends[1]);
    assert_int_equal(read(ends[0], &ready, 1), 1);
    kill(child, SIGSTOP);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    poll(NULL, 0, STOPPED_MILLISECONDS + 20);
    kill(child, SIGCONT);
    assert_int_equal(system_wait(child), 0);
    close(ends[0]);
    close(ends[1]);
}

static void an_idle_loop_uses_no_processor(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *record = system_new_record(SYSTEM_NONE);
    int port = system_serve(*state, &system_echo, served);
    for (unsigned i = 0; i < 50; i++)
        system_dial(*state, port, &system_recorder, record);
    while (served->post_init < 50 || record->completed < 50)
        system_turn(*state);
    uint64_t turns_before = system_stats(*state).turns;
    uint64_t used_before_ns = system_cpu_ns();
    system_run_for(*state, 500 * EM_MILLISECONDS);
    assert_in_range(system_cpu_ns() - used_before_ns, 0, 100 * EM_MILLISECONDS); /* of 500 */
    assert_in_range(system_stats(*state).turns - turns_before, 1, 5);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_hundred_thousand_timers_of_one_deadline_run_in_order),
        SYSTEM_TEST(a_hundred_thousand_timers_are_cancelled_in_a_moment),
        SYSTEM_TEST(a_timer_is_never_early_however_long_the_loop_was_not_run),
        SYSTEM_TEST(the_clock_goes_on_while_the_process_is_stopped),
        SYSTEM_TEST(an_idle_loop_uses_no_processor),
    };
    return SYSTEM_RUN(tests);
}
