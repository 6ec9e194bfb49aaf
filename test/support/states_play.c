/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The course of a scenario. See states_play.h.
 */
#include "support/states_play.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/bytes.h"
#include "support/states_peer.h"
#include "support/system_test.h"

/*
 * What happens at once happens within TURNS_AT_ONCE turns of each connection. A wait that ends without events shows
 * that nothing more happens; before it, a handful of turns may have had events.
 */
enum { TURNS_AT_ONCE = 8, TURNS_OF_A_HANDFUL = 6, EMPTY_WAIT_MS = 1, REST_MS = 20, LOST_MS = 100 };

/* Reading all that was sent takes a second at most, the machine's load apart. */
enum { LONGEST_READ_MS = 4000 };

typedef struct play {
    states_scene *scene;
    states_expectation expected[STATES_MOST_SUBJECTS];
    unsigned descriptors;
    char *fault;
    bool is_reported; /* a subject's faults are in it: those of the others are the same, as a rule */
} play;

__attribute__((format(printf, 2, 3))) static void fault(play *playing, const char *format, ...)
{
    size_t used = strlen(playing->fault);
    if (playing->is_reported)
        return;
    va_list values;
    va_start(values, format);
    vsnprintf(playing->fault + used, STATES_FAULT_BYTES - used, format, values);
    va_end(values);
}

/* Stages */

static bool is_due(const play *playing, unsigned i)
{
    return playing->expected[i].stages < 2U * (unsigned)playing->scene->stage;
}

typedef enum waiting_for { THOSE_THAT_ARE_DUE, ALL } waiting_for;

static bool is_anyone_left(const play *playing, waiting_for whom)
{
    for (unsigned i = 0; i < playing->scene->count; i++)
        if (playing->scene->subjects[i].unbinds == 0 && (whom == ALL || is_due(playing, i)))
            return true;
    return false;
}

/* Grows with everything that can be seen to happen. */
static uint64_t progress(const states_scene *scene)
{
    em_loop_stats stats = system_stats(scene->loop);
    uint64_t sum = stats.bytes_received + stats.bytes_sent + stats.connections_closed;
    for (unsigned i = 0; i < scene->count; i++)
        sum += strlen(scene->subjects[i].log);
    return sum;
}

/* Whether a turn sleeps to its end and finds nothing. On a busy machine a turn that does something takes as long. */
static bool sleeps(const states_scene *scene, uint64_t duration_ns)
{
    uint64_t before = progress(scene);
    uint64_t begun_ns = system_now_ns();
    states_turn(scene->loop, duration_ns);
    return system_now_ns() - begun_ns >= duration_ns && progress(scene) == before &&
           em_loop_get_timeout_ns(scene->loop) > 0;
}

/* Turns until those that must have ended have. Given up when the loop has slept long, twice. */
static void wait_for_ends(play *playing)
{
    unsigned lost = 0;
    unsigned turns = TURNS_AT_ONCE * playing->scene->count;
    while (lost < 2 && turns > 0 && is_anyone_left(playing, THOSE_THAT_ARE_DUE)) {
        lost += sleeps(playing->scene, LOST_MS * EM_MILLISECONDS);
        turns--;
    }
}

static void expect_rest(play *playing)
{
    unsigned turns = TURNS_OF_A_HANDFUL + 2 * playing->scene->count;
    while (turns > 0 && !sleeps(playing->scene, EMPTY_WAIT_MS * EM_MILLISECONDS))
        turns--;
    if (turns == 0)
        fault(playing, " the loop does not come to rest;");
}

/* The same, longer and with a look at the processor. */
static void expect_long_rest(play *playing)
{
    uint64_t turns = system_stats(playing->scene->loop).turns;
    uint64_t cpu_ns = system_cpu_ns();
    system_run_for(playing->scene->loop, REST_MS * EM_MILLISECONDS);
    turns = system_stats(playing->scene->loop).turns - turns;
    cpu_ns = system_cpu_ns() - cpu_ns;
    if (turns > TURNS_OF_A_HANDFUL || cpu_ns > REST_MS * EM_MILLISECONDS / 2)
        fault(playing, " at rest: %llu turns, %llu us of the processor;", (unsigned long long)turns,
              (unsigned long long)(cpu_ns / EM_MICROSECONDS));
}

static void settle(play *playing)
{
    wait_for_ends(playing);
    if (is_anyone_left(playing, ALL))
        expect_rest(playing);
}

/* Reads what is there; false at the end. */
static bool read_once(states_subject *subject, states_end *end)
{
    static unsigned char buffer[65536];
    long length = states_peer_read(subject->peer, buffer, sizeof buffer, end);
    if (length <= 0)
        return length < 0;
    if (!pattern_matches(buffer, (size_t)length, subject->received))
        subject->is_wrong = true;
    subject->received += (size_t)length;
    return true;
}

/* The peer reads all that is under way while the loop turns. */
static void read_what_is_sent(states_subject *subject)
{
    states_end end;
    uint64_t limit_ns = system_now_ns() + LONGEST_READ_MS * EM_MILLISECONDS;
    while (subject->received < subject->sent && system_now_ns() < limit_ns && read_once(subject, &end))
        states_turn(subject->scene->loop, subject->unbinds > 0 ? EM_MILLISECONDS : 0);
}

/* Whether there was anything to do in this stage. */
static bool go_on(states_subject *subject, states_stage stage)
{
    em_connection *connection = subject->connection;
    switch (stage) {
    case STATES_AFTER_RESUME:
        return em_connection_resume(connection) == EM_OK;
    case STATES_AFTER_READING:
        if (subject->peer < 0 || subject->received == subject->sent)
            return false;
        read_what_is_sent(subject);
        return true;
    default:
        return em_connection_close(connection) == EM_OK;
    }
}

static void enter_stage(play *playing, unsigned stage)
{
    states_scene *scene = playing->scene;
    bool has_changed = false;
    scene->stage = (states_stage)stage;
    for (unsigned i = 0; i < scene->count; i++)
        if (scene->subjects[i].unbinds == 0)
            has_changed = go_on(&scene->subjects[i], scene->stage) || has_changed;
    if (has_changed || is_anyone_left(playing, THOSE_THAT_ARE_DUE))
        settle(playing);
}

/* Where an end was lost the stages between are not waited for. */
static unsigned stage_after(const play *playing, unsigned stage)
{
    return is_anyone_left(playing, THOSE_THAT_ARE_DUE) ? STATES_AFTER_CLOSE : 2 * stage;
}

static void go_through_stages(play *playing)
{
    const states_scenario *scenario = &playing->scene->scenario;
    bool is_quiet = scenario->ours == STATES_WE_DO_NOTHING || scenario->ours == STATES_WE_PAUSE;
    settle(playing);
    if (is_quiet && scenario->order == STATES_PEER_FIRST)
        expect_long_rest(playing);
    for (unsigned stage = STATES_AT_ONCE; stage != STATES_AFTER_CLOSE && is_anyone_left(playing, ALL);) {
        stage = stage_after(playing, stage);
        enter_stage(playing, stage);
    }
}

/* The peers' end */

/* When unbind has been called and the turn is over, the peer knows: the loop does not turn meanwhile. */
static states_end read_to_end(states_subject *subject)
{
    states_end end = STATES_CLOSED_BY_PEER;
    uint64_t limit_ns = system_now_ns() + LONGEST_READ_MS * EM_MILLISECONDS;
    if (subject->peer < 0)
        return end;
    while (read_once(subject, &end)) {
        struct pollfd waiting = {.fd = subject->peer, .events = POLLIN};
        if (system_now_ns() > limit_ns || poll(&waiting, 1, LONGEST_READ_MS) == 0)
            break;
    }
    close(subject->peer);
    subject->peer = -1;
    return end;
}

static void check_peer(play *playing, unsigned i)
{
    static const char *const words[] = {"gone", "sees the end", "sees a reset", "sees an end"};
    states_subject *subject = &playing->scene->subjects[i];
    const states_expectation *expected = &playing->expected[i];
    bool is_there = subject->peer >= 0;
    states_end seen = read_to_end(subject);
    bool is_end = seen == expected->end || (expected->end == STATES_ANY_END_SEEN && seen != STATES_CLOSED_BY_PEER);
    if (is_there && seen == STATES_CLOSED_BY_PEER)
        fault(playing, " the peer sees no end;");
    else if (!is_end)
        fault(playing, " the peer: expected %s, %s;", words[expected->end], words[seen]);
    if (expected->is_whole && subject->received != subject->sent)
        fault(playing, " the peer got %zu bytes of %zu;", subject->received, subject->sent);
    states_note(subject, expected->end == STATES_ANY_END_SEEN ? words[STATES_ANY_END_SEEN] : words[seen]);
}

/* A socket that lingers is closed when its peer has ended, which it has by now. */
static void check_descriptors(play *playing)
{
    em_loop *loop = playing->scene->loop;
    for (unsigned turns = 0; turns < 2 * TURNS_AT_ONCE && system_descriptors() > playing->descriptors; turns++)
        states_turn(loop, LOST_MS * EM_MILLISECONDS / 4);
    unsigned left = system_descriptors() - playing->descriptors;
    playing->is_reported = false;
    if (left > 0)
        fault(playing, " %u descriptors left;", left);
    if (system_stats(loop).connections_open > 0)
        fault(playing, " %llu connections left;", (unsigned long long)system_stats(loop).connections_open);
}

/* What the model says of our end */

enum { WORDS_BYTES = 128, WORDS = 4 };

static const char *const stage_words[WORDS] = {"at once", "after the resume", "after reading", "after the close"};
static const char *const reason_words[WORDS] = {"EM_OK", "EM_CONNECTION_RESET", "EM_BROKEN_PIPE", "another"};

/* A set of bits in words, "at once or after the resume". */
static const char *in_words(unsigned set, const char *const words[WORDS], char text[WORDS_BYTES])
{
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < WORDS; i++)
        if (set >> i & 1)
            used += (size_t)snprintf(text + used, WORDS_BYTES - used, "%s%s", used > 0 ? " or " : "", words[i]);
    return text;
}

static bool is_as_expected(states_whether expected, bool happened)
{
    return expected == STATES_EITHER || happened == (expected == STATES_YES);
}

static void check_unbind(play *playing, const states_subject *subject, const states_expectation *expected)
{
    char wanted[WORDS_BYTES];
    char seen[WORDS_BYTES];
    if (subject->unbinds != 1)
        fault(playing, " unbind was called %u times;", subject->unbinds);
    else if (!(expected->stages & (unsigned)subject->unbound_at))
        fault(playing, " unbind: expected %s, came %s;", in_words(expected->stages, stage_words, wanted),
              in_words((unsigned)subject->unbound_at, stage_words, seen));
    if (subject->unbinds > 0 && !(expected->reasons & states_reason_of(subject->reason)))
        fault(playing, " reason: expected %s, is %s;", in_words(expected->reasons, reason_words, wanted),
              em_status_get_name(subject->reason));
}

static void check_callbacks(play *playing, const states_subject *subject, const states_expectation *expected)
{
    bool is_whole = strcmp(subject->data, states_peer_data) == 0;
    if (subject->is_wrong)
        fault(playing, " a callback after unbind, or wrong bytes;");
    if (!is_as_expected(expected->data, is_whole) || (!is_whole && subject->data[0]))
        fault(playing, " data: \"%s\";", subject->data);
    if (!is_as_expected(expected->receive_end, subject->ends == 1) || subject->ends > 1)
        fault(playing, " receive_end was called %u times;", subject->ends);
    if (subject->move_status != expected->move_status)
        fault(playing, " our move returned %s, expected %s;", em_status_get_name(subject->move_status),
              em_status_get_name(expected->move_status));
}

static void check_subject(play *playing, unsigned i)
{
    const states_subject *subject = &playing->scene->subjects[i];
    check_unbind(playing, subject, &playing->expected[i]);
    check_callbacks(playing, subject, &playing->expected[i]);
    check_peer(playing, i);
    if (subject->lent != subject->returned)
        fault(playing, " borrowed memory: lent %u times, released %u times;", subject->lent, subject->returned);
    if (playing->fault[0] != '\0')
        fault(playing, " saw: %s", subject->log);
    playing->is_reported = playing->fault[0] != '\0';
}

/* Moves */

static void move_peers(states_scene *scene)
{
    for (unsigned i = 0; i < scene->count; i++)
        states_move_peer(&scene->subjects[i]);
}

static void move_ourselves(states_scene *scene)
{
    for (unsigned i = 0; i < scene->count; i++)
        states_move(&scene->subjects[i]);
    if (scene->scenario.order == STATES_PEER_FIRST)
        return;
    states_turn(scene->loop, 0);
    for (unsigned i = 0; i < scene->count; i++)
        states_await_sent(&scene->subjects[i]);
}

/* Our move is made by a callback. */
static void await_move(play *playing)
{
    states_scene *scene = playing->scene;
    move_peers(scene);
    for (unsigned turns = TURNS_AT_ONCE; !scene->actor && turns > 0 && is_anyone_left(playing, ALL); turns--)
        states_turn(scene->loop, LOST_MS * EM_MILLISECONDS);
}

static void make_moves(play *playing)
{
    states_scene *scene = playing->scene;
    if (scene->acts != STATES_ACTS_OUTSIDE) {
        await_move(playing);
    } else if (scene->scenario.order == STATES_PEER_FIRST) {
        move_peers(scene);
        move_ourselves(scene);
    } else {
        move_ourselves(scene);
        move_peers(scene);
    }
}

/* Whether our move was made on a subject. */
static bool is_moved(const states_scene *scene, const states_subject *subject)
{
    switch (scene->acts) {
    case STATES_FIRST_ACTS_ON_REST:
        return scene->actor && scene->actor != subject;
    case STATES_LAST_ACTS_ON_ALL:
        return scene->actor != NULL;
    default:
        return true;
    }
}

static void expect(play *playing)
{
    const states_scene *scene = playing->scene;
    for (unsigned i = 0; i < scene->count; i++) {
        states_scenario own = scene->scenario;
        if (!is_moved(scene, &scene->subjects[i])) {
            own.ours = STATES_WE_DO_NOTHING;
            own.order = STATES_PEER_FIRST;
        }
        if (states_is_spared(scene, i))
            own.state = STATES_ACCEPTED;
        playing->expected[i] = states_expect(&own);
    }
}

bool states_play(states_scene *scene, const states_scenario *scenario, unsigned count, char text[STATES_FAULT_BYTES])
{
    play playing = {.scene = scene, .fault = text, .descriptors = system_descriptors()};
    text[0] = '\0';
    states_set_up(scene, scenario, count);
    make_moves(&playing);
    expect(&playing);
    go_through_stages(&playing);
    for (unsigned i = 0; i < count; i++)
        check_subject(&playing, i);
    check_descriptors(&playing);
    return text[0] == '\0';
}
