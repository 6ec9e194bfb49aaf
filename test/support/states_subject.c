/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Subjects: their callbacks and our moves. See states_subject.h; how they get into their states is in states_setup.c.
 */
#include "support/states_subject.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "support/bytes.h"
#include "support/states_peer.h"
#include "support/states_private.h"
#include "support/system_test.h"

void states_note(states_subject *subject, const char *word)
{
    size_t used = strlen(subject->log);
    snprintf(subject->log + used, sizeof subject->log - used, "%s%s", used > 0 ? " " : "", word);
}

/* Callbacks */

static states_subject *called(em_connection *connection)
{
    states_subject *subject = em_connection_get_user(connection);
    subject->is_wrong = subject->is_wrong || subject->unbinds > 0;
    return subject;
}

static void act(const states_subject *actor, bool on_itself)
{
    states_scene *scene = actor->scene;
    if (scene->actor)
        return;
    scene->actor = actor;
    for (unsigned i = 0; i < scene->count; i++)
        if (on_itself || &scene->subjects[i] != actor)
            states_move(&scene->subjects[i]);
}

static void heard(states_subject *subject)
{
    states_scene *scene = subject->scene;
    if (scene->acts == STATES_FIRST_ACTS_ON_REST)
        act(subject, false);
    if (scene->acts != STATES_LAST_ACTS_ON_ALL || subject->has_received)
        return;
    subject->has_received = true;
    states_send(subject, STATES_SMALL_BYTES, false);
    if (++scene->receivers == scene->count)
        act(subject, true);
}

/* In a batch, connections may or may not be established before the first callback of data acts on them: no rule says.
 */
static void connection_completed(em_connection *connection)
{
    states_subject *subject = called(connection);
    if (subject->scene->acts != STATES_FIRST_ACTS_ON_REST)
        states_note(subject, "completed");
}

/* No rule says how it is cut into pieces, so the log has it as one. */
static void receive_data(em_connection *connection, const void *data, size_t length)
{
    states_subject *subject = called(connection);
    size_t used = strlen(subject->data);
    if (used == 0)
        states_note(subject, "data");
    if (length >= sizeof subject->data - used)
        subject->is_wrong = true;
    else
        memcpy(subject->data + used, data, length);
    heard(subject);
}

static void receive_end(em_connection *connection)
{
    states_subject *subject = called(connection);
    subject->ends++;
    states_note(subject, "end");
    if (subject->scene->acts == STATES_FIRST_ACTS_ON_REST)
        act(subject, false);
}

static void unbind(em_connection *connection, em_status reason)
{
    states_subject *subject = called(connection);
    subject->unbinds++;
    subject->reason = reason;
    subject->unbound_at = subject->scene->stage;
    subject->connection = NULL;
    states_note(subject, em_status_get_name(reason));
}

const em_handler states_handler = {
    .post_init = states_begin,
    .connection_completed = connection_completed,
    .receive_data = receive_data,
    .unbind = unbind,
};

const em_handler states_open_handler = {
    .post_init = states_begin,
    .connection_completed = connection_completed,
    .receive_data = receive_data,
    .receive_end = receive_end,
    .unbind = unbind,
};

/* Moves */

void states_turn(em_loop *loop, uint64_t timeout_ns)
{
    em_status status = em_loop_is_stopping(loop) ? em_loop_run(loop) : em_loop_run_once(loop, timeout_ns);
    assert_int_equal(status, EM_OK);
}

void states_move_peer(states_subject *subject)
{
    const states_scenario *scenario = &subject->scene->scenario;
    states_peer_make(&subject->peer, scenario->kind, scenario->peer);
    states_peer_await(subject->descriptor, scenario->kind, scenario->peer);
}

static void give_back(void *user, const void *data)
{
    states_subject *subject = user;
    (void)data;
    subject->returned++;
}

static em_status lend(states_subject *subject, const unsigned char *bytes)
{
    subject->lent++;
    return em_connection_send_borrowed(subject->connection, bytes, STATES_LARGE_BYTES, give_back, subject);
}

/* The bytes of a connection are the pattern, from its beginning on. */
static unsigned char pattern[2 * STATES_LARGE_BYTES + 2 * STATES_SMALL_BYTES];

em_status states_send(states_subject *subject, size_t length, bool is_borrowed)
{
    if (pattern[1] == 0)
        pattern_fill(pattern, sizeof pattern, 0);
    const unsigned char *bytes = pattern + subject->sent;
    em_status status = is_borrowed ? lend(subject, bytes) : em_connection_send(subject->connection, bytes, length);
    if (status == EM_OK)
        subject->sent += length;
    return status;
}

static em_status stop(em_loop *loop, bool is_running)
{
    em_status status = em_loop_stop(loop);
    return status == EM_OK && !is_running ? em_loop_run(loop) : status;
}

void states_move(states_subject *subject)
{
    states_scene *scene = subject->scene;
    em_connection *connection = subject->connection;
    em_status *status = &subject->move_status;
    switch (scene->scenario.ours) {
    case STATES_WE_PAUSE:
        *status = em_connection_pause(connection);
        break;
    case STATES_WE_RESUME:
        *status = em_connection_resume(connection);
        break;
    case STATES_WE_SEND_SMALL:
        *status = states_send(subject, STATES_SMALL_BYTES, false);
        break;
    case STATES_WE_SEND_LARGE:
    case STATES_WE_SEND_BORROWED:
        *status = states_send(subject, STATES_LARGE_BYTES, scene->scenario.ours == STATES_WE_SEND_BORROWED);
        break;
    case STATES_WE_CLOSE:
        *status = em_connection_close(connection);
        break;
    case STATES_WE_CLOSE_AFTER_WRITING:
        *status = em_connection_close_after_writing(connection);
        break;
    case STATES_WE_CLOSE_WRITE:
        *status = em_connection_close_write(connection);
        break;
    case STATES_WE_STOP:
        *status = stop(scene->loop, scene->acts != STATES_ACTS_OUTSIDE);
        break;
    default:
        *status = EM_OK;
        break;
    }
}

void states_await_sent(const states_subject *subject)
{
    bool has_left = subject->connection && !em_connection_is_paused(subject->connection) &&
                    em_connection_get_outbound_bytes(subject->connection) < subject->sent;
    if (has_left)
        states_await(subject->peer, POLLIN);
}
