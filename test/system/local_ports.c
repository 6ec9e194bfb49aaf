/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Clients that are bound to a local address but to no port: where the system has few ports, peers share them. In a
 * child with a network of its own.
 */
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { NOT_ALLOWED = 77, PEERS = 3, CLIENTS_EACH = 24, FIRST_PORT = 3001 };

static void have_32_local_ports(void)
{
    static const char range[] = "41000 41031";
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (unshare(CLONE_NEWNET) != 0)
        _exit(NOT_ALLOWED);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool up = ioctl(fd, SIOCSIFFLAGS, &loopback) == 0;
    close(fd);
    fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC);
    if (!up || write(fd, range, sizeof range - 1) != sizeof range - 1)
        _exit(NOT_ALLOWED);
    close(fd);
}

/* CLIENTS_EACH from one address to each of several servers: more than there are ports, but not more than there are for
 * one peer. */
static void connect_from(void *host)
{
    have_32_local_ports();
    em_loop_options options = {.size = sizeof options, .backend = system_backend()};
    em_loop *loop;
    system_record *record = system_new_record(SYSTEM_NONE);
    em_server_options serving = {.size = sizeof serving, .user = system_new_record(SYSTEM_NONE)};
    em_connect_options connecting = {.size = sizeof connecting, .user = record, .bind_host = host};
    system_child_check(em_loop_create(&options, &loop) == EM_OK, "a loop");
    for (int peer = 0; peer < PEERS; peer++) {
        em_status status = em_loop_start_server(loop, host, FIRST_PORT + peer, &system_recorder, &serving, NULL);
        system_child_check(status == EM_OK, "a server");
    }
    for (int i = 0; i < PEERS * CLIENTS_EACH; i++) {
        em_status status = em_loop_connect(loop, host, FIRST_PORT + i % PEERS, &system_recorder, &connecting, NULL);
        system_child_check(status == EM_OK, "a port for each client");
    }
    while (record->completed + record->unbind < PEERS * CLIENTS_EACH)
        em_loop_run_once(loop, 10 * EM_MILLISECONDS);
    system_child_check(record->unbind == 0, "all clients are established");
    em_loop_destroy(loop);
}

static void use_ports_of(const char *host)
{
    char copy[16];
    snprintf(copy, sizeof copy, "%s", host);
    int status = system_wait(system_fork(connect_from, copy));
    if (status == NOT_ALLOWED)
        system_skip("only root may have a network of its own");
    assert_int_equal(status, 0);
}

static void ports_of_a_fixed_ipv4_address_are_shared_by_peers(void **state)
{
    (void)state;
    use_ports_of("127.0.0.1");
}

static void ports_of_a_fixed_ipv6_address_are_shared_by_peers(void **state)
{
    (void)state;
    em_address address;
    assert_int_equal(em_address_from_text("::1", 0, &address), EM_OK);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool available = bind(fd, (struct sockaddr *)address.storage.bytes, address.length) == 0;
    close(fd);
    if (!available)
        system_skip("no IPv6 on this machine");
    use_ports_of("::1");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(ports_of_a_fixed_ipv4_address_are_shared_by_peers),
        SYSTEM_TEST(ports_of_a_fixed_ipv6_address_are_shared_by_peers),
    };
    return SYSTEM_RUN(tests);
}
