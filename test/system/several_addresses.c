/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A name with several addresses, of which only one answers. It stands in a hosts file that only a child process sees.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { NOT_ALLOWED = 77 };

/* In a child: a hosts file of its own, where one name has two addresses. A server listens at one of them. */
static void connect_to_two_addresses(void *address)
{
    static const char hosts[] = "127.0.0.2 two-addresses\n127.0.0.3 two-addresses\n";
    char path[] = "/tmp/em_hosts_XXXXXX";
    int fd = mkstemp(path);
    system_child_check(fd >= 0 && write(fd, hosts, sizeof hosts - 1) == sizeof hosts - 1, "a file");
    bool mounted = unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                   mount(path, "/etc/hosts", NULL, MS_BIND, NULL) == 0;
    unlink(path);
    if (!mounted)
        _exit(NOT_ALLOWED);
    em_loop_options options = {.size = sizeof options, .backend = system_backend()};
    em_loop *loop;
    em_server *server;
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *record = system_new_record(SYSTEM_COMPLETED | SYSTEM_UNBIND);
    em_server_options serving = {.size = sizeof serving, .user = served};
    em_connect_options connecting = {.size = sizeof connecting, .user = record};
    system_child_check(em_loop_create(&options, &loop) == EM_OK, "a loop");
    em_status status = em_loop_start_server(loop, address, 0, &system_recorder, &serving, &server);
    system_child_check(status == EM_OK, "a server at one of the addresses");
    status = em_loop_connect(loop, "two-addresses", system_port_of(server), &system_recorder, &connecting, NULL);
    system_child_check(status == EM_OK, "the name is looked up");
    system_child_check(em_loop_run(loop) == EM_OK, "the loop runs");
    system_child_check(record->completed == 1, "the connection is established, whichever address it is");
    em_loop_destroy(loop);
}

static void the_addresses_of_a_name_are_tried_until_one_answers(void **state)
{
    static const char *const listening[] = {"127.0.0.2", "127.0.0.3"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char address[16];
        snprintf(address, sizeof address, "%s", listening[i]);
        int status = system_wait(system_fork(connect_to_two_addresses, address));
        if (status == NOT_ALLOWED)
            system_skip("only root may have a hosts file of its own");
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(the_addresses_of_a_name_are_tried_until_one_answers),
    };
    return SYSTEM_RUN(tests);
}
