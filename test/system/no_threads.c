/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The system starts no thread. pthread_create(3) is replaced for the whole program, so that it can fail.
 */
#include <stdlib.h>

#include <errno.h>
#include <pthread.h>

#include "support/system_record.h"
#include "support/system_test.h"

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    (void)thread;
    (void)attributes;
    (void)run;
    (void)argument;
    return EAGAIN;
}

static void expect_refusal(em_loop *loop, const char *host, const char *bind_host)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connect_options options = {.size = sizeof options, .user = record, .bind_host = bind_host};
    em_connection *connection = (em_connection *)loop; /* anything but NULL */
    assert_int_equal(em_loop_connect(loop, host, 1, &system_recorder, &options, &connection), EM_LIMIT);
    assert_null(connection);
    system_turn(loop);
    assert_int_equal(record->post_init + record->unbind, 0);
    assert_int_equal(system_stats(loop).connections_open, 0);
}

static void connecting_to_a_name_fails_at_once(void **state)
{
    expect_refusal(*state, "host.example", NULL);
    expect_refusal(*state, "127.0.0.1", "host.example");
}

static void connecting_to_an_address_needs_none(void **state)
{
    system_record *record = system_new_record(SYSTEM_COMPLETED);
    system_dial(*state, system_serve(*state, &system_echo, system_new_record(SYSTEM_NONE)), &system_recorder, record);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->completed, 1);
}

static void do_nothing(void *user)
{
    (void)user;
}

static void never_done(em_loop *loop, em_job job, em_status status, void *user)
{
    (void)loop;
    (void)job;
    (void)status;
    (void)user;
    fail();
}

static void a_job_fails_at_once(void **state)
{
    em_job job = 1;
    assert_int_equal(em_loop_submit_job(*state, do_nothing, never_done, NULL, do_nothing, &job), EM_LIMIT);
    assert_int_equal(job, 0);
    assert_int_equal(system_stats(*state).jobs_open, 0);
    system_turn(*state);
}

int main(void)
{
    setenv("EM_RESOLVER", "system", 1); /* which needs threads */
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(connecting_to_a_name_fails_at_once),
        SYSTEM_TEST(a_job_fails_at_once),
        SYSTEM_TEST(connecting_to_an_address_needs_none),
    };
    return SYSTEM_RUN(tests);
}
