/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Servers at names: one server listens on all addresses of its name, at one port.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { NOT_ALLOWED = 77, SERVERS = 30, FIRST_PORT = 40000 };

/* A socket connected to the address; -1 if that is refused. Or bound to it; -1 if it is not available. */
static int with_address(const char *text, int port, int (*call)(int, const struct sockaddr *, socklen_t))
{
    em_address address;
    if (em_address_from_text(text, port, &address) != EM_OK)
        return -1;
    int family = em_address_get_family(&address) == EM_ADDRESS_IPV6 ? AF_INET6 : AF_INET;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (call(fd, (struct sockaddr *)address.storage.bytes, address.length) == 0)
        return fd;
    close(fd);
    return -1;
}

static int connect_to(const char *text, int port)
{
    return with_address(text, port, connect);
}

static int hold(const char *text, int port)
{
    int fd = with_address(text, port, bind);
    if (fd >= 0)
        listen(fd, 1);
    return fd;
}

static bool is_served(const char *text, int port)
{
    int fd = connect_to(text, port);
    close(fd);
    return fd >= 0;
}

static void need_ipv6(void)
{
    int fd = hold("::1", 0);
    close(fd);
    if (fd < 0)
        system_skip("no IPv6 on this machine");
}

static void a_server_at_localhost_serves_both_addresses_until_it_stops(void **state)
{
    need_ipv6();
    em_server *server;
    em_address address;
    system_record *served = system_new_record(SYSTEM_NONE);
    em_server_options options = {.size = sizeof options, .user = served};
    assert_int_equal(em_loop_start_server(*state, "localhost", 0, &system_recorder, &options, &server), EM_OK);
    assert_int_equal(system_stats(*state).servers_open, 1);
    assert_int_equal(em_server_get_local_address(server, &address), EM_OK);
    assert_int_equal(em_address_get_family(&address), EM_ADDRESS_IPV4);
    int port = em_address_get_port(&address);
    int clients[] = {connect_to("127.0.0.1", port), connect_to("::1", port)};
    while (served->post_init < 2)
        system_turn(*state);
    assert_int_equal(em_server_stop(server), EM_OK);
    assert_false(is_served("127.0.0.1", port)); /* before the next turn */
    assert_false(is_served("::1", port));
    assert_int_equal(em_loop_start_server(*state, "localhost", port, &system_recorder, &options, &server), EM_OK);
    assert_int_equal(system_port_of(server), port);
    for (unsigned i = 0; i < 2; i++)
        close(clients[i]);
}

static void if_one_address_is_in_use_nothing_is_started(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "::1"};
    need_ipv6();
    for (unsigned i = 0; i < 2; i++) {
        em_address address = {.length = 0};
        socklen_t length = sizeof address.storage.bytes;
        int held = hold(addresses[i], 0);
        getsockname(held, (struct sockaddr *)address.storage.bytes, &length);
        address.length = length;
        int port = em_address_get_port(&address);
        unsigned descriptors = system_descriptors();
        assert_int_equal(em_loop_start_server(*state, "localhost", port, &system_recorder, NULL, NULL),
                         EM_ADDRESS_IN_USE);
        assert_int_equal(system_descriptors(), descriptors);
        assert_int_equal(system_stats(*state).servers_open, 0);
        assert_false(is_served(addresses[1 - i], port));
        close(held);
    }
}

/* The rest in children, which have surroundings of their own. */

static em_loop *child_loop(void)
{
    em_loop_options options = {.size = sizeof options, .backend = system_backend()};
    em_loop *loop;
    system_child_check(em_loop_create(&options, &loop) == EM_OK, "a loop");
    return loop;
}

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return written;
}

/* A network with nothing but a loopback interface. */
static void leave_for_a_network_of_ones_own(const char *setting, const char *value)
{
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (unshare(CLONE_NEWNET) != 0)
        _exit(NOT_ALLOWED);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (ioctl(fd, SIOCSIFFLAGS, &loopback) != 0 || !write_file(setting, value))
        _exit(NOT_ALLOWED);
    close(fd);
}

/* Of the ports that the system chooses first (the odd ones of the lower half), a quarter is taken at the second
 * address. */
static void start_where_ports_are_scarce(void *ignored)
{
    (void)ignored;
    leave_for_a_network_of_ones_own("/proc/sys/net/ipv4/ip_local_port_range", "40000 40031");
    if (hold("::1", FIRST_PORT + 1) < 0 || hold("::1", FIRST_PORT + 3) < 0)
        _exit(NOT_ALLOWED);
    em_loop *loop = child_loop();
    for (unsigned i = 0; i < SERVERS; i++) {
        em_server *server;
        em_status status = em_loop_start_server(loop, "localhost", 0, &system_recorder, NULL, &server);
        system_child_check(status == EM_OK, "a port that is free at both addresses is found");
        int port = system_port_of(server);
        system_child_check(hold("127.0.0.1", port) < 0 && hold("::1", port) < 0, "both addresses have the port");
        em_server_stop(server);
    }
    em_loop_destroy(loop);
}

static void start_without_ipv6(void *ignored)
{
    (void)ignored;
    leave_for_a_network_of_ones_own("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    em_loop *loop = child_loop();
    em_server *server;
    em_status status = em_loop_start_server(loop, "localhost", 0, &system_recorder, NULL, &server);
    system_child_check(status == EM_OK, "a server at localhost");
    system_child_check(is_served("127.0.0.1", system_port_of(server)), "it serves the address that there is");
    status = em_loop_start_server(loop, "::1", 0, &system_recorder, NULL, NULL);
    system_child_check(status == EM_ADDRESS_NOT_AVAILABLE || status == EM_ADDRESS_FAMILY, "::1 is not available");
    em_loop_destroy(loop);
}

/* A hosts file of its own. */
static void start_at_names_of_the_hosts_file(void *ignored)
{
    (void)ignored;
    static const char hosts[] = "127.0.0.2 twice\n127.0.0.2 twice\n127.0.0.3 twice\n203.0.113.1 elsewhere\n";
    char path[] = "/tmp/em_hosts_XXXXXX";
    int fd = mkstemp(path);
    system_child_check(fd >= 0 && write(fd, hosts, sizeof hosts - 1) == sizeof hosts - 1, "a file");
    bool mounted = unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                   mount(path, "/etc/hosts", NULL, MS_BIND, NULL) == 0;
    close(fd);
    unlink(path);
    if (!mounted)
        _exit(NOT_ALLOWED);
    em_loop *loop = child_loop();
    em_server *server;
    em_status status = em_loop_start_server(loop, "twice", 0, &system_recorder, NULL, &server);
    system_child_check(status == EM_OK, "an address that is named twice is listened on once");
    int port = system_port_of(server);
    system_child_check(is_served("127.0.0.2", port) && is_served("127.0.0.3", port), "all addresses are served");
    status = em_loop_start_server(loop, "elsewhere", 0, &system_recorder, NULL, NULL);
    system_child_check(status == EM_ADDRESS_NOT_AVAILABLE, "an address of another machine is not available");
    em_loop_destroy(loop);
}

static void run_in_child(void (*run)(void *))
{
    int status = system_wait(system_fork(run, NULL));
    if (status == NOT_ALLOWED)
        system_skip("only root may have a network or a hosts file of its own");
    assert_int_equal(status, 0);
}

static void a_port_chosen_by_the_system_is_free_at_all_addresses(void **state)
{
    (void)state;
    need_ipv6();
    run_in_child(start_where_ports_are_scarce);
}

static void a_family_that_the_machine_does_not_have_is_left_out(void **state)
{
    (void)state;
    run_in_child(start_without_ipv6);
}

static void a_server_listens_on_each_address_of_its_name_once(void **state)
{
    (void)state;
    run_in_child(start_at_names_of_the_hosts_file);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_server_at_localhost_serves_both_addresses_until_it_stops),
        SYSTEM_TEST(if_one_address_is_in_use_nothing_is_started),
        SYSTEM_TEST(a_port_chosen_by_the_system_is_free_at_all_addresses),
        SYSTEM_TEST(a_family_that_the_machine_does_not_have_is_left_out),
        SYSTEM_TEST(a_server_listens_on_each_address_of_its_name_once),
    };
    return SYSTEM_RUN(tests);
}
