/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * All scenarios of a state, on each backend. See states_run.h.
 */
#include "support/states_run.h"

#include <stdlib.h>
#include <string.h>

#include "support/bytes.h"
#include "support/states_play.h"
#include "support/system_test.h"

enum { DESCRIPTION_BYTES = 160, MOST_SHOWN = 60 };

/* A test is a state; this is what its run knows. */
typedef struct states_run {
    states_kind kind;
    bool in_batches;
    states_state state[STATES_STATES];
    char *logs[STATES_SCENARIOS]; /* of the first backend */
    const char *first_backend;
} states_run;

static states_run run;
static states_state state_under_test;
static states_scene scene;

static int set_up(void **state)
{
    state_under_test = *(const states_state *)*state;
    return system_set_up(state);
}

/* Logs */

static int compare_logs(const void *a, const void *b)
{
    return strcmp(((const states_subject *)a)->log, ((const states_subject *)b)->log);
}

static void append(byte_buffer *text, const char *word)
{
    bytes_append(text, word, strlen(word));
}

/* The subjects' logs in an order that does not depend on who was served first: the actor's, then the others', sorted.
 */
static char *joined_log(void)
{
    byte_buffer joined = {.data = NULL};
    if (scene.actor) {
        append(&joined, scene.actor->log);
        append(&joined, " | ");
        scene.subjects[scene.actor - scene.subjects].log[0] = '\0';
    }
    qsort(scene.subjects, scene.count, sizeof *scene.subjects, compare_logs);
    for (unsigned i = 0; i < scene.count; i++) {
        append(&joined, scene.subjects[i].log);
        append(&joined, "; ");
    }
    bytes_append(&joined, "", 1);
    char *text = strdup((const char *)bytes_at(&joined));
    bytes_free(&joined);
    assert_non_null(text);
    return text;
}

static bool is_log_the_same(unsigned number, const char *description)
{
    char *log = joined_log();
    char **first = &run.logs[number];
    bool is_same = !*first || strcmp(*first, log) == 0;
    if (!is_same)
        print_message("%s:\n   %s: %s\n   %s: %s\n", description, run.first_backend, *first, system_backend(), log);
    if (*first)
        free(log);
    else
        *first = log;
    return is_same;
}

/* Scenarios */

static states_actor actor_of(const states_scenario *scenario)
{
    if (scenario->order == STATES_IN_CALLBACK)
        return STATES_LAST_ACTS_ON_ALL;
    return run.in_batches ? STATES_FIRST_ACTS_ON_REST : STATES_ACTS_OUTSIDE;
}

static bool is_as_it_should_be(const states_scenario *scenario)
{
    char description[DESCRIPTION_BYTES];
    char fault[STATES_FAULT_BYTES];
    states_describe(scenario, description, sizeof description);
    scene.acts = actor_of(scenario);
    bool is_right = states_play(&scene, scenario, run.in_batches ? STATES_MOST_SUBJECTS : 1, fault);
    if (!is_right)
        print_message("%s: %s:%s\n", system_backend(), description, fault);
    return is_log_the_same(states_number(scenario), description) && is_right;
}

/* Where the first callback acts there must be one before unbind; where the last one acts none may have ended before. */
static bool is_for_batches(const states_scenario *scenario)
{
    if (scenario->order == STATES_IN_CALLBACK)
        return scenario->peer == STATES_PEER_DATA;
    bool is_heard = states_sends_data(scenario->peer) ||
                    (scenario->is_open && scenario->peer == STATES_PEER_END && scenario->state != STATES_DRAINING);
    return is_heard && scenario->order == STATES_PEER_FIRST &&
           (states_is_listening(scenario->state) || scenario->state == STATES_PAUSED);
}

static void every_move_is_right(void **state)
{
    unsigned wrong = 0;
    if (!run.first_backend)
        run.first_backend = system_backend();
    states_open_scene(&scene, *state, run.kind);
    for (unsigned number = 0; number < STATES_SCENARIOS && wrong < MOST_SHOWN; number++) {
        states_scenario scenario = states_at(run.kind, number);
        if (scenario.state != state_under_test || !states_is_applicable(&scenario))
            continue;
        if (!run.in_batches || is_for_batches(&scenario))
            wrong += !is_as_it_should_be(&scenario);
    }
    states_close_scene(&scene);
    assert_int_equal(wrong, 0);
}

static void free_logs(void)
{
    for (unsigned number = 0; number < STATES_SCENARIOS; number++)
        free(run.logs[number]);
}

static int run_states(void)
{
    struct CMUnitTest tests[STATES_STATES];
    for (unsigned i = 0; i < STATES_STATES; i++) {
        run.state[i] = (states_state)i;
        tests[i] = (struct CMUnitTest){.name = states_name(run.state[i]),
                                       .test_func = every_move_is_right,
                                       .setup_func = set_up,
                                       .teardown_func = system_tear_down,
                                       .initial_state = &run.state[i]};
    }
    int failed = SYSTEM_RUN(tests);
    free_logs();
    return failed;
}

int states_run_alone(states_kind kind)
{
    run.kind = kind;
    return run_states();
}

int states_run_batches(states_kind kind)
{
    run.kind = kind;
    run.in_batches = true;
    return run_states();
}
