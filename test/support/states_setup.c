/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Scenes, and how subjects get into their states. See states_subject.h.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/states_peer.h"
#include "support/states_private.h"
#include "support/system_record.h"
#include "support/system_peer.h"
#include "support/system_test.h"

enum { MOST_TURNS = 100, PATH_BYTES = 64, UNSENT_BYTES = 4096, PIECE_BYTES = 1024 };

void states_begin(em_connection *connection)
{
    states_scene *scene = em_connection_get_user(connection);
    assert_true(scene->accepted < scene->count);
    states_subject *subject = &scene->subjects[scene->accepted++];
    int size = STATES_BUFFER_BYTES;
    subject->connection = connection;
    subject->descriptor = em_connection_get_descriptor(connection);
    em_connection_set_user(connection, subject);
    em_connection_set_handler(connection, scene->scenario.is_open ? &states_open_handler : &states_handler);
    assert_int_equal(em_connection_set_socket_option(connection, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), EM_OK);
}

/* Scenes */

void states_open_scene(states_scene *scene, em_loop *loop, states_kind kind)
{
    char path[PATH_BYTES];
    *scene = (states_scene){.loop = loop, .scenario.kind = kind};
    em_server_options options = {.size = sizeof options, .user = scene};
    states_path("server", path, sizeof path);
    if (kind == STATES_TCP)
        scene->port = system_serve_with(loop, &states_handler, options, &scene->server);
    else
        assert_int_equal(em_loop_start_unix_domain_server(loop, path, &states_handler, &options, &scene->server),
                         EM_OK);
    scene->listener = states_peer_listen(kind, &scene->listener_port);
}

void states_close_scene(states_scene *scene)
{
    assert_int_equal(em_server_stop(scene->server), EM_OK);
    close(scene->listener);
}

/* Connections */

static void accept_one(states_scene *scene, states_subject *subject)
{
    subject->peer = states_peer_connect(scene->scenario.kind, scene->port);
    for (unsigned i = 0; !subject->connection && i < MOST_TURNS; i++)
        states_turn(scene->loop, EM_SECONDS);
    assert_non_null(subject->connection);
}

static void open_one(states_scene *scene, states_subject *subject)
{
    char path[PATH_BYTES];
    em_connect_options options = {.size = sizeof options, .user = scene};
    states_path("peers", path, sizeof path);
    em_status status =
        scene->scenario.kind == STATES_TCP
            ? em_loop_connect(scene->loop, "127.0.0.1", scene->listener_port, &states_handler, &options, NULL)
            : em_loop_connect_unix_domain(scene->loop, path, &states_handler, &options, NULL);
    assert_int_equal(status, EM_OK);
    subject->peer = system_accept(scene->listener);
}

/* States */

/* Nothing goes any more: a turn has not sent anything, nor has the one before it. */
static void block(states_subject *subject)
{
    assert_int_equal(states_send(subject, STATES_LARGE_BYTES, false), EM_OK);
    size_t before = 0;
    for (unsigned same = 0; same < 2;) {
        states_turn(subject->scene->loop, 0);
        size_t waiting = em_connection_get_outbound_bytes(subject->connection);
        same = waiting == before ? same + 1 : 0;
        before = waiting;
    }
    assert_true(before > 0);
    states_await_sent(subject);
}

static void end_peer(states_subject *subject)
{
    shutdown(subject->peer, SHUT_WR);
    states_await(subject->descriptor, POLLRDHUP);
    for (unsigned i = 0; subject->ends == 0 && i < MOST_TURNS; i++)
        states_turn(subject->scene->loop, EM_SECONDS);
    assert_int_equal(subject->ends, 1);
}

static void end_ourselves(states_subject *subject)
{
    assert_int_equal(em_connection_close_write(subject->connection), EM_OK);
    states_await(subject->peer, POLLRDHUP);
}

static int unsent(const states_subject *subject)
{
    int bytes = 0;
    assert_return_code(ioctl(subject->descriptor, SIOCOUTQNSD, &bytes), errno);
    return bytes;
}

/* The kernel has taken everything, and over TCP it cannot send it: the peer's window is full. */
static void linger(states_subject *subject)
{
    bool is_tcp = subject->scene->scenario.kind == STATES_TCP;
    do {
        assert_int_equal(states_send(subject, PIECE_BYTES, false), EM_OK);
        states_turn(subject->scene->loop, 0);
        assert_int_equal(em_connection_get_outbound_bytes(subject->connection), 0);
    } while (is_tcp && unsent(subject) < UNSENT_BYTES);
    assert_int_equal(em_connection_close_after_writing(subject->connection), EM_OK);
    states_turn(subject->scene->loop, 0);
    assert_int_equal(subject->unbinds, 1);
}

static void enter(states_subject *subject, states_state state)
{
    switch (state) {
    case STATES_PAUSED:
        assert_int_equal(em_connection_pause(subject->connection), EM_OK);
        break;
    case STATES_BLOCKED:
        block(subject);
        break;
    case STATES_DRAINING:
        block(subject);
        assert_int_equal(em_connection_close_after_writing(subject->connection), EM_OK);
        break;
    case STATES_PEER_ENDED:
        end_peer(subject);
        break;
    case STATES_WE_ENDED:
        end_ourselves(subject);
        break;
    case STATES_BOTH_ENDED:
        end_peer(subject);
        block(subject);
        assert_int_equal(em_connection_close_write(subject->connection), EM_OK);
        break;
    case STATES_LINGERING:
        linger(subject);
        break;
    case STATES_RELEASING:
        assert_int_equal(em_connection_close(subject->connection), EM_OK);
        break;
    default:
        break;
    }
}

bool states_is_spared(const states_scene *scene, unsigned subject)
{
    return scene->acts == STATES_FIRST_ACTS_ON_REST && scene->scenario.state == STATES_PAUSED && subject == 0;
}

/* A state that a turn would end is entered when all have their connections. */
void states_set_up(states_scene *scene, const states_scenario *scenario, unsigned count)
{
    scene->scenario = *scenario;
    scene->count = count;
    scene->accepted = 0;
    scene->actor = NULL;
    scene->receivers = 0;
    scene->stage = STATES_AT_ONCE;
    for (unsigned i = 0; i < count; i++) {
        scene->subjects[i] = (states_subject){.scene = scene, .peer = -1, .descriptor = -1};
        if (scenario->state == STATES_CONNECTING)
            open_one(scene, &scene->subjects[i]);
        else
            accept_one(scene, &scene->subjects[i]);
    }
    for (unsigned i = 0; i < count; i++)
        if (!states_is_spared(scene, i))
            enter(&scene->subjects[i], scenario->state);
}
