/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Descriptors: what happens when there are none left, and that none is leaked.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { CLIENTS = 1000, SPARE_DESCRIPTORS = 30, CYCLES = 10000, CYCLES_AT_ONCE = 50, TOLERATED_BYTES = 64 * 1024 };

static unsigned logged;

static void count_log(void *user, em_log_level level, const char *message)
{
    (void)user;
    (void)level;
    (void)message;
    logged++;
}

/* The highest descriptor in use, plus some. */
static void limit_descriptors(unsigned spare, struct rlimit *before)
{
    int highest = dup(0);
    close(highest);
    getrlimit(RLIMIT_NOFILE, before);
    struct rlimit limit = {.rlim_cur = (rlim_t)highest + spare, .rlim_max = before->rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int connect_client(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    system_child_check(fd >= 0, "the child has descriptors");
    system_child_check(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "the queue takes all clients");
    return fd;
}

typedef struct client_plan {
    int port;
    int ends[2]; /* of a pipe: written to when all have connected */
} client_plan;

/* In a child: all clients connect and wait until each was served or turned away. After that, a new client is served. */
static void connect_all_clients(void *user)
{
    const client_plan *plan = user;
    struct rlimit limit;
    static int clients[CLIENTS];
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = connect_client(plan->port);
    system_child_check(write(plan->ends[1], "x", 1) == 1, "the parent listens");
    unsigned served = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        char answer;
        served += system_receive(clients[i], &answer, 1) == 1;
        close(clients[i]);
    }
    system_child_check(served >= SPARE_DESCRIPTORS / 2, "some of the clients were served");
    char answer;
    system_child_check(system_receive(connect_client(plan->port), &answer, 1) == 1, "a new client is served");
}

typedef struct accepted_clients {
    em_connection *kept[SPARE_DESCRIPTORS];
    unsigned count;
    unsigned seen;
    bool is_serving; /* before that all connections are kept */
} accepted_clients;

static void serve_and_close(em_connection *connection)
{
    em_connection_send_text(connection, "x");
    em_connection_close_after_writing(connection);
}

static void note_client(em_connection *connection)
{
    accepted_clients *all = em_connection_get_user(connection);
    all->seen++;
    if (all->is_serving)
        serve_and_close(connection);
    else if (all->count < SPARE_DESCRIPTORS)
        all->kept[all->count++] = connection;
}

static void with_no_descriptors_left_nothing_spins_and_service_resumes(void **state)
{
    static const em_handler handler = {.post_init = note_client};
    accepted_clients *seen = system_memory(sizeof *seen);
    logged = 0;
    em_loop *loop = system_create_loop((em_loop_options){.log = count_log});
    client_plan plan = {.port = system_serve(loop, &handler, seen)};
    assert_int_equal(pipe(plan.ends), 0);
    pid_t child = system_fork(connect_all_clients, &plan);
    struct rlimit before;
    limit_descriptors(SPARE_DESCRIPTORS, &before);
    system_await(loop, plan.ends[0]);
    while (system_stats(loop).accept_back_offs == 0)
        system_turn(loop);
    assert_true(seen->count > SPARE_DESCRIPTORS / 2);
    assert_true(logged > 0);
    uint64_t used_before_ns = system_cpu_ns();
    uint64_t turns_before = system_stats(loop).turns;
    system_run_for(loop, EM_SECONDS);
    assert_in_range(system_cpu_ns() - used_before_ns, 0, EM_SECONDS / 20);
    assert_in_range(system_stats(loop).turns - turns_before, 1, 100);
    assert_int_equal(seen->count, seen->seen);
    seen->is_serving = true;
    for (unsigned i = 0; i < seen->count; i++)
        serve_and_close(seen->kept[i]);
    while (seen->seen + system_stats(loop).connections_shed < CLIENTS + 1 || system_stats(loop).connections_open > 0)
        system_turn(loop);
    assert_true(system_stats(loop).connections_shed > 0); /* some were turned away rather than kept waiting */
    assert_int_equal(system_wait(child), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    close(plan.ends[0]);
    close(plan.ends[1]);
    (void)state;
}

static void keep(em_connection *connection)
{
    system_recorder.post_init(connection);
}

/* Waits until back-offs are long, and one of them has just begun. */
static void await_long_back_off(em_loop *loop)
{
    while (system_stats(loop).accept_back_offs < 5)
        system_turn(loop);
    uint64_t back_offs = system_stats(loop).accept_back_offs;
    while (system_stats(loop).accept_back_offs == back_offs)
        system_turn(loop);
}

static void a_descriptor_that_becomes_free_ends_the_back_off_at_once(void **state)
{
    enum { WAITING_CLIENTS = 200 };
    static const em_handler keeping = {.post_init = keep};
    struct rlimit before;
    int clients[WAITING_CLIENTS];
    system_record *served = system_new_record(SYSTEM_NONE);
    int port = system_serve(*state, &keeping, served);
    for (unsigned i = 0; i < WAITING_CLIENTS; i++)
        clients[i] = system_connect(port);
    limit_descriptors(SPARE_DESCRIPTORS, &before);
    await_long_back_off(*state);
    unsigned present = served->post_init;
    unsigned turns = 0;
    em_connection_close(served->connection);
    for (; served->post_init == present; turns++)
        system_turn(*state);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_in_range(turns, 1, 20); /* each waits for 2 ms at most, the back-off lasts much longer */
    for (unsigned i = 0; i < WAITING_CLIENTS; i++)
        close(clients[i]);
}

static void with_no_descriptors_left_everything_new_fails_at_once(void **state)
{
    struct rlimit before;
    em_loop *second;
    em_loop_options options = {.size = sizeof options, .backend = system_backend()};
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connect_options connecting = {.size = sizeof connecting, .user = record};
    limit_descriptors(0, &before);
    em_status connected = em_loop_connect(*state, "127.0.0.1", 80, &system_recorder, &connecting, NULL);
    em_status served = em_loop_start_server(*state, "127.0.0.1", 0, &system_recorder, NULL, NULL);
    em_status created = em_loop_create(&options, &second);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(connected, EM_NO_DESCRIPTORS);
    assert_int_equal(served, EM_NO_DESCRIPTORS);
    assert_int_equal(created, EM_NO_DESCRIPTORS);
    assert_null(second);
    system_turn(*state);
    assert_int_equal(record->post_init + record->unbind, 0);
    assert_int_equal(system_stats(*state).connections_open + system_stats(*state).servers_open, 0);
}

static size_t allocated_bytes;

/* Keeps the size in front of the memory. */
static void *counting_reallocate(void *user, void *pointer, size_t bytes)
{
    (void)user;
    max_align_t *block = pointer ? (max_align_t *)pointer - 1 : NULL;
    size_t before = block ? *(size_t *)(void *)block : 0;
    if (bytes == 0) {
        allocated_bytes -= before;
        free(block);
        return NULL;
    }
    block = realloc(block, sizeof *block + bytes);
    if (!block)
        return NULL;
    *(size_t *)(void *)block = bytes;
    allocated_bytes += bytes - before;
    return block + 1;
}

static void connect_and_leave(em_loop *loop, int port, unsigned count, system_record *served)
{
    unsigned goal = served->unbind + count;
    for (unsigned i = 0; i < count; i++)
        close(system_connect(port));
    while (served->unbind < goal)
        system_turn(loop);
}

static void ten_thousand_connections_leave_neither_memory_nor_descriptors_behind(void **state)
{
    static const em_allocator counting = {.reallocate = counting_reallocate};
    em_loop *loop = system_create_loop((em_loop_options){.allocator = &counting});
    system_record *served = system_new_record(SYSTEM_NONE);
    int port = system_serve(loop, &system_recorder, served);
    connect_and_leave(loop, port, 2 * CYCLES_AT_ONCE, served);
    size_t bytes_before = allocated_bytes;
    unsigned descriptors_before = system_descriptors();
    for (unsigned i = 0; i < CYCLES / CYCLES_AT_ONCE; i++)
        connect_and_leave(loop, port, CYCLES_AT_ONCE, served);
    assert_int_equal(system_stats(loop).connections_closed, CYCLES + 2 * CYCLES_AT_ONCE);
    assert_int_equal(system_descriptors(), descriptors_before);
    assert_in_range(allocated_bytes, 0, bytes_before + TOLERATED_BYTES);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    assert_int_equal(allocated_bytes, 0);
    (void)state;
}

static void descriptors_are_not_inherited_by_programs_that_are_started(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *record = system_new_record(SYSTEM_COMPLETED);
    em_server *server;
    int port = system_serve_with(*state, &system_recorder, (em_server_options){.user = served}, &server);
    em_connection *client = system_dial(*state, port, &system_recorder, record);
    while (!served->connection || !record->completed)
        system_turn(*state);
    const int ours[] = {em_server_get_descriptor(server), em_connection_get_descriptor(client),
                        em_connection_get_descriptor(served->connection)};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        assert_true(fcntl(ours[i], F_GETFD) & FD_CLOEXEC);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(with_no_descriptors_left_nothing_spins_and_service_resumes),
        SYSTEM_TEST(a_descriptor_that_becomes_free_ends_the_back_off_at_once),
        SYSTEM_TEST(with_no_descriptors_left_everything_new_fails_at_once),
        SYSTEM_TEST(ten_thousand_connections_leave_neither_memory_nor_descriptors_behind),
        SYSTEM_TEST(descriptors_are_not_inherited_by_programs_that_are_started),
    };
    return SYSTEM_RUN(tests);
}
