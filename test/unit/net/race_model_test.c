/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The race compared with a model that is too simple to be wrong: a log of everything that has happened, which is
 * searched from its beginning for each question. A hundred thousand random races, with TLS and without, in which
 * lookups, attempts and handshakes end in any order and at any time, or never.
 */
#include <stdio.h>
#include <string.h>

#include "net/race.h"
#include "system/socket.h"
#include "support/bytes.h"
#include "support/unit.h"

enum { RACES = 100000, MOST_EVENTS = 512, MOST_ANSWERS = 16 };

#define STEP_NS (10 * EM_MILLISECONDS)

typedef enum event_kind { ANSWERED, STARTED, PUT_BACK, CONNECTED, FAILED, WON, CANCELLED } event_kind;

typedef struct event {
    event_kind kind;
    unsigned family;
    unsigned number; /* of the address, or of the attempt */
    uint64_t ns;
} event;

typedef struct model {
    emi_race race;
    emi_race_settings settings;
    bool excluded[2];
    bool answered[2];
    unsigned answers[2][MOST_ANSWERS]; /* numbers of addresses, duplicates included */
    unsigned answer_count[2];
    unsigned first_choice; /* the number of an address of IPv6; 0: none */
    event log[MOST_EVENTS];
    unsigned events;
    uint64_t now_ns;
    uint64_t seed;
} model;

static em_address address_of(unsigned family, unsigned number)
{
    em_address address;
    char text[64];
    snprintf(text, sizeof text, family == EMI_RACE_IPV6 ? "2001:db8::%u" : "192.0.2.%u", number);
    assert_int_equal(em_address_from_text(text, 80, &address), EM_OK);
    return address;
}

static void note(model *m, event_kind kind, unsigned family, unsigned number)
{
    assert_true(m->events < MOST_EVENTS);
    m->log[m->events++] = (event){.kind = kind, .family = family, .number = number, .ns = m->now_ns};
}

static const event *nth_start(const model *m, unsigned attempt)
{
    for (unsigned i = 0; i < m->events; i++)
        if (m->log[i].kind == STARTED && attempt-- == 0)
            return &m->log[i];
    return NULL;
}

static unsigned count(const model *m, event_kind kind)
{
    unsigned found = 0;
    for (unsigned i = 0; i < m->events; i++)
        found += m->log[i].kind == kind;
    return found;
}

static bool has_ended(const model *m, unsigned attempt)
{
    for (unsigned i = 0; i < m->events; i++)
        if (m->log[i].kind >= FAILED && m->log[i].number == attempt)
            return true;
    return false;
}

static bool was_tried(const model *m, unsigned family, unsigned number)
{
    for (unsigned i = 0; i < m->events; i++)
        if (m->log[i].kind == STARTED && m->log[i].family == family && m->log[i].number == number)
            return true;
    return false;
}

/* The first address of a family that was not tried; 0: none. */
static unsigned candidate(const model *m, unsigned family)
{
    bool has_choice = family == EMI_RACE_IPV6 && m->first_choice && !was_tried(m, family, m->first_choice);
    for (unsigned i = 0; i < m->answer_count[family] && !m->excluded[family]; i++) {
        unsigned number = m->answers[family][i];
        if (!was_tried(m, family, number) && (!has_choice || number == m->first_choice))
            return number;
    }
    return 0;
}

static unsigned first_family(const model *m)
{
    return m->first_choice == 0 && m->settings.preferred == EM_ADDRESS_IPV4 ? EMI_RACE_IPV4 : EMI_RACE_IPV6;
}

static bool all_answered(const model *m)
{
    return (m->answered[0] || m->excluded[0]) && (m->answered[1] || m->excluded[1]);
}

/* The time from which on an address may be tried. */
static uint64_t expected_start_ns(const model *m)
{
    unsigned starts = count(m, STARTED);
    if (starts == 0) {
        unsigned preferred = first_family(m);
        if (candidate(m, preferred) || all_answered(m))
            return 0;
        for (unsigned i = 0; i < m->events; i++)
            if (m->log[i].kind == ANSWERED && m->log[i].family != preferred && m->log[i].number > 0)
                return m->log[i].ns + m->settings.resolution_delay_ns;
        return UINT64_MAX;
    }
    if (starts == count(m, FAILED))
        return 0;
    uint64_t due_ns = 0;
    for (unsigned i = 0; i < m->events; i++) {
        if (m->log[i].kind == STARTED || m->log[i].kind == PUT_BACK)
            due_ns = m->log[i].ns + m->settings.attempt_delay_ns;
        else if (m->log[i].kind == FAILED)
            due_ns = m->log[i].ns;
    }
    return due_ns;
}

static emi_race_step expect_start(model *m)
{
    unsigned starts = count(m, STARTED);
    unsigned family = starts == 0 ? first_family(m) : 1 - nth_start(m, starts - 1)->family;
    if (candidate(m, family) == 0)
        family = 1 - family;
    note(m, STARTED, family, candidate(m, family));
    return (emi_race_step){.action = EMI_RACE_START, .attempt = starts};
}

static emi_race_step expect_end(model *m)
{
    unsigned starts = count(m, STARTED);
    for (unsigned i = 0; i < starts; i++) {
        if (has_ended(m, i))
            continue;
        note(m, CANCELLED, 0, i);
        return (emi_race_step){.action = EMI_RACE_CANCEL, .attempt = i};
    }
    for (unsigned i = 0; i < m->events; i++)
        if (m->log[i].kind == WON)
            return (emi_race_step){.action = EMI_RACE_WON, .attempt = m->log[i].number};
    return (emi_race_step){.action = EMI_RACE_FAILED};
}

static emi_race_step expected(model *m)
{
    unsigned starts = count(m, STARTED);
    if (count(m, WON) > 0)
        return expect_end(m);
    if (starts < EMI_MOST_ATTEMPTS && (candidate(m, 0) || candidate(m, 1))) {
        uint64_t due_ns = m->race.is_held ? UINT64_MAX : expected_start_ns(m);
        return due_ns <= m->now_ns ? expect_start(m) : (emi_race_step){.action = EMI_RACE_WAIT, .until_ns = due_ns};
    }
    bool knows_all = starts == 0 ? m->answered[0] && m->answered[1] : all_answered(m);
    if (starts > count(m, FAILED) || (starts < EMI_MOST_ATTEMPTS && !knows_all))
        return (emi_race_step){.action = EMI_RACE_WAIT, .until_ns = UINT64_MAX};
    return (emi_race_step){.action = EMI_RACE_FAILED};
}

static void expect_same(const model *m, const emi_race_step *step, const emi_race_step *wanted)
{
    assert_int_equal(step->action, wanted->action);
    assert_int_equal(step->attempt, wanted->attempt);
    assert_int_equal(step->until_ns, wanted->until_ns);
    if (step->action != EMI_RACE_START)
        return;
    const event *start = nth_start(m, step->attempt);
    em_address address = address_of(start->family, start->number);
    assert_true(emi_addresses_are_equal(emi_race_address(&m->race, step->attempt), &address));
}

/* There is no descriptor for the attempt that was to be started. Only that it fails if it is the only one is noted, and
 * otherwise when. */
static void put_back(model *m, unsigned attempt)
{
    if (count(m, STARTED) == count(m, FAILED) + 1)
        note(m, FAILED, 0, attempt);
    else
        m->log[m->events - 1].kind = PUT_BACK;
    emi_race_put_back(&m->race, attempt, EM_NO_DESCRIPTORS, m->now_ns);
}

/* Returns whether the race has ended. */
static bool act(model *m)
{
    for (;;) {
        emi_race_step wanted = expected(m);
        emi_race_step step = emi_race_next(&m->race, m->now_ns);
        expect_same(m, &step, &wanted);
        if (step.action >= EMI_RACE_WAIT)
            return step.action != EMI_RACE_WAIT;
        if (step.action == EMI_RACE_START && random_below(&m->seed, 16) == 0)
            put_back(m, step.attempt);
    }
}

static void answer(model *m, unsigned family)
{
    emi_addresses addresses = {.count = 0};
    unsigned most = random_below(&m->seed, 4) == 0 ? MOST_ANSWERS : 3;
    unsigned number = (unsigned)random_below(&m->seed, most + 1);
    for (unsigned i = 0; i < number; i++) {
        unsigned each = 1 + (unsigned)random_below(&m->seed, UINT64_C(2) * MOST_ANSWERS);
        m->answers[family][i] = each;
        addresses.list[addresses.count++] = address_of(family, each);
    }
    m->answered[family] = true;
    m->answer_count[family] = number;
    note(m, ANSWERED, family, number);
    emi_race_resolved(&m->race, family, number > 0 ? EM_OK : EM_NAME_NOT_FOUND, &addresses, m->now_ns);
    if (family != EMI_RACE_IPV6 || number == 0 || count(m, STARTED) > 0 || random_below(&m->seed, 3) > 0)
        return;
    m->first_choice = m->answers[family][random_below(&m->seed, number)];
    em_address first_choice = address_of(family, m->first_choice);
    emi_race_try_first(&m->race, &first_choice);
}

static bool is_connected(const model *m, unsigned attempt)
{
    for (unsigned i = 0; i < m->events; i++)
        if (m->log[i].kind == CONNECTED && m->log[i].number == attempt)
            return true;
    return false;
}

/* Connects an attempt, or secures one that is connected. */
static void go_on_with(model *m, unsigned attempt)
{
    bool was_connected = is_connected(m, attempt);
    bool wins = was_connected || !m->settings.needs_tls;
    note(m, wins ? WON : CONNECTED, 0, attempt);
    if (was_connected)
        emi_race_secured(&m->race, attempt);
    else
        emi_race_connected(&m->race, attempt);
    assert_true(wins || emi_race_is_securing(&m->race, attempt));
}

/* Ends one of the attempts that are running, or goes on with it. */
static void end_attempt(model *m)
{
    unsigned starts = count(m, STARTED);
    unsigned attempt = starts > 0 ? (unsigned)random_below(&m->seed, starts) : 0;
    if (starts == 0 || has_ended(m, attempt))
        return;
    if (random_below(&m->seed, is_connected(m, attempt) ? 2 : 8) == 0) {
        go_on_with(m, attempt);
        return;
    }
    note(m, FAILED, 0, attempt);
    emi_race_failed(&m->race, attempt, EM_CONNECTION_REFUSED, m->now_ns);
}

static void do_something(model *m)
{
    unsigned family = (unsigned)random_below(&m->seed, 2);
    switch (random_below(&m->seed, 5)) {
    case 0:
        if (!m->answered[family])
            answer(m, family);
        break;
    case 1:
        end_attempt(m);
        break;
    case 2:
        emi_race_hold(&m->race, random_below(&m->seed, 4) == 0);
        break;
    default:
        m->now_ns += random_below(&m->seed, 12) * STEP_NS;
    }
}

static void begin(model *m, uint64_t seed)
{
    static const em_address_family preferred[] = {EM_ADDRESS_NONE, EM_ADDRESS_IPV6, EM_ADDRESS_IPV4};
    memset(m, 0, sizeof *m);
    m->seed = seed;
    m->settings = (emi_race_settings){
        .attempt_delay_ns = (1 + random_below(&m->seed, 30)) * STEP_NS,
        .resolution_delay_ns = random_below(&m->seed, 10) * STEP_NS,
        .preferred = preferred[random_below(&m->seed, 3)],
        .needs_tls = random_below(&m->seed, 2) > 0,
    };
    emi_race_begin(&m->race, &m->settings);
    if (random_below(&m->seed, 8) > 0)
        return;
    unsigned family = (unsigned)random_below(&m->seed, 2);
    m->excluded[family] = true;
    emi_race_exclude(&m->race, family);
}

/* What must be true of every race, whatever the model says. */
static void check_log(const model *m)
{
    assert_true(count(m, STARTED) <= EMI_MOST_ATTEMPTS);
    assert_true(count(m, WON) <= 1);
    for (unsigned i = 0; i < m->events; i++)
        for (unsigned k = 0; k < i && m->log[i].kind == STARTED; k++)
            assert_false(m->log[k].kind == STARTED && m->log[k].family == m->log[i].family &&
                         m->log[k].number == m->log[i].number);
}

static void random_races_take_the_steps_of_a_simple_model(void **state)
{
    (void)state;
    unsigned ended = 0, secured = 0;
    for (uint64_t seed = 1; seed <= RACES; seed++) {
        model m;
        begin(&m, seed);
        bool is_over = act(&m);
        for (unsigned i = 0; i < 200 && !is_over; i++) {
            do_something(&m);
            is_over = act(&m);
        }
        check_log(&m);
        ended += is_over;
        secured += m.settings.needs_tls && count(&m, WON) > 0;
    }
    assert_true(ended > RACES / 2 && secured > RACES / 20);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_races_take_the_steps_of_a_simple_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
