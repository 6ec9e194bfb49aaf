/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The file of a Unix-domain server: its mode and its owners, which decide who may connect, and that a call that fails
 * leaves none.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { NOBODY = 65534, SOMEBODY = 12345 };

static const char *fresh_path(void)
{
    static unsigned count;
    char *path = system_memory(64);
    snprintf(path, 64, "/tmp/em_file_%d_%u", (int)getpid(), count++);
    return path;
}

static struct stat file_at(const char *path)
{
    struct stat file;
    assert_return_code(lstat(path, &file), errno);
    assert_true(S_ISSOCK(file.st_mode));
    return file;
}

static unsigned mode_of(const char *path)
{
    return (unsigned)file_at(path).st_mode & 07777U;
}

static em_status serve(em_loop *loop, const char *path, em_server_options options)
{
    options.size = sizeof options;
    em_server *server;
    em_status status = em_loop_start_unix_domain_server(loop, path, &system_recorder, &options, &server);
    if (status != EM_OK)
        assert_null(server);
    return status;
}

static void the_file_has_the_mode_that_is_asked_for_whatever_the_umask(void **state)
{
    static const unsigned modes[] = {0600, 0660, 0666, 0777, 0001};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        const char *path = fresh_path();
        mode_t before = umask(0027);
        em_status status = serve(*state, path, (em_server_options){.socket_file_mode = modes[i]});
        umask(before);
        assert_int_equal(status, EM_OK);
        assert_int_equal(mode_of(path), modes[i]);
        unlink(path);
    }
}

static void without_a_mode_the_umask_decides(void **state)
{
    const char *path = fresh_path();
    mode_t before = umask(0027);
    em_status status = serve(*state, path, (em_server_options){.backlog = 5});
    umask(before);
    assert_int_equal(status, EM_OK);
    assert_int_equal(mode_of(path), 0750);
    unlink(path);
}

static void a_stale_socket_file_gets_the_new_mode(void **state)
{
    const char *path = fresh_path();
    assert_int_equal(serve(*state, path, (em_server_options){.socket_file_mode = 0600}), EM_OK);
    em_loop *other = system_create_loop((em_loop_options){.size = 0});
    assert_int_equal(serve(other, path, (em_server_options){.socket_file_mode = 0666}), EM_ADDRESS_IN_USE);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(em_loop_destroy(other), EM_OK);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = system_create_loop((em_loop_options){.size = 0});
    assert_int_equal(serve(*state, path, (em_server_options){.socket_file_mode = 0640}), EM_OK);
    assert_int_equal(mode_of(path), 0640);
    unlink(path);
}

static void the_file_can_belong_to_another_user_and_group(void **state)
{
    if (geteuid() != 0)
        system_skip("only the superuser may give files away");
    const char *path = fresh_path();
    em_server_options options = {.socket_file_mode = 0660, .socket_file_owner = "12345", .socket_file_group = "54321"};
    assert_int_equal(serve(*state, path, options), EM_OK);
    assert_int_equal(file_at(path).st_uid, 12345);
    assert_int_equal(file_at(path).st_gid, 54321);
    assert_int_equal(mode_of(path), 0660);
    unlink(path);
}

static void owner_and_group_are_set_each_by_itself(void **state)
{
    if (geteuid() != 0)
        system_skip("only the superuser may give files away");
    const char *paths[] = {fresh_path(), fresh_path()};
    assert_int_equal(serve(*state, paths[0], (em_server_options){.socket_file_owner = "12345"}), EM_OK);
    assert_int_equal(file_at(paths[0]).st_uid, 12345);
    assert_int_equal(file_at(paths[0]).st_gid, getegid());
    assert_int_equal(serve(*state, paths[1], (em_server_options){.socket_file_group = "54321"}), EM_OK);
    assert_int_equal(file_at(paths[1]).st_uid, geteuid());
    assert_int_equal(file_at(paths[1]).st_gid, 54321);
    unlink(paths[0]);
    unlink(paths[1]);
}

static void a_group_can_be_named(void **state)
{
    const char *path = fresh_path();
    const struct group *own = getgrgid(getegid());
    if (!own)
        system_skip("the group of this process has no name");
    assert_int_equal(serve(*state, path, (em_server_options){.socket_file_group = own->gr_name}), EM_OK);
    assert_int_equal(file_at(path).st_gid, getegid());
    unlink(path);
}

static em_status connect_as(uid_t user, gid_t group, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    system_child_check(setgroups(0, NULL) == 0 && setgid(group) == 0 && setuid(user) == 0, "setuid works");
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = connect(client, (const struct sockaddr *)&address, sizeof address);
    return result == 0 ? EM_OK : errno == EACCES ? EM_PERMISSION_DENIED : EM_SYSTEM_ERROR;
}

static void connect_as_a_member(void *path)
{
    system_child_check(connect_as(NOBODY, SOMEBODY, path) == EM_OK, "a member of the group may connect");
}

static void connect_as_a_stranger(void *path)
{
    system_child_check(connect_as(NOBODY, NOBODY, path) == EM_PERMISSION_DENIED, "nobody else may");
}

static void mode_and_group_decide_who_may_connect(void **state)
{
    if (geteuid() != 0)
        system_skip("only the superuser may give files away");
    char *path = system_memory(64);
    snprintf(path, 64, "%s", fresh_path());
    em_server_options options = {.socket_file_mode = 0660, .socket_file_group = "12345"};
    assert_int_equal(serve(*state, path, options), EM_OK);
    assert_int_equal(system_wait(system_fork(connect_as_a_member, path)), 0);
    assert_int_equal(system_wait(system_fork(connect_as_a_stranger, path)), 0);
    unlink(path);
}

static void expect_refusal(em_loop *loop, em_server_options options, em_status expected)
{
    const char *path = fresh_path();
    unsigned descriptors = system_descriptors();
    assert_int_equal(serve(loop, path, options), expected);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(system_descriptors(), descriptors);
    assert_int_equal(system_stats(loop).servers_open, 0);
}

static void owners_that_do_not_exist_are_not_found_and_nothing_is_started(void **state)
{
    expect_refusal(*state, (em_server_options){.socket_file_owner = "no such user"}, EM_NOT_FOUND);
    expect_refusal(*state, (em_server_options){.socket_file_group = "no such group"}, EM_NOT_FOUND);
    expect_refusal(*state, (em_server_options){.socket_file_owner = "4294967295"}, EM_NOT_FOUND);
    expect_refusal(*state, (em_server_options){.socket_file_owner = ""}, EM_INVALID_ARGUMENT);
    expect_refusal(*state, (em_server_options){.socket_file_group = ""}, EM_INVALID_ARGUMENT);
}

static void modes_beyond_permission_bits_are_refused(void **state)
{
    expect_refusal(*state, (em_server_options){.socket_file_mode = 01000}, EM_INVALID_ARGUMENT);
    expect_refusal(*state, (em_server_options){.socket_file_mode = 04755}, EM_INVALID_ARGUMENT);
    expect_refusal(*state, (em_server_options){.socket_file_mode = 0140666}, EM_INVALID_ARGUMENT);
}

static void servers_without_a_file_refuse_its_options(void **state)
{
    static const em_server_options given[] = {
        {.size = sizeof *given, .socket_file_mode = 0600},
        {.size = sizeof *given, .socket_file_owner = "0"},
        {.size = sizeof *given, .socket_file_group = "0"},
    };
    em_address internet;
    int port;
    int listener = system_listen(1, &port);
    assert_int_equal(em_address_from_text("127.0.0.1", 0, &internet), EM_OK);
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        const em_server_options *options = &given[i];
        assert_int_equal(em_loop_start_server(*state, "127.0.0.1", 0, &system_recorder, options, NULL),
                         EM_INVALID_ARGUMENT);
        assert_int_equal(em_loop_start_server_at(*state, &internet, &system_recorder, options, NULL),
                         EM_INVALID_ARGUMENT);
        assert_int_equal(em_loop_start_unix_domain_server(*state, "@em_no_file", &system_recorder, options, NULL),
                         EM_INVALID_ARGUMENT);
        assert_int_equal(em_loop_attach_server(*state, listener, &system_recorder, options, NULL), EM_INVALID_ARGUMENT);
    }
    assert_int_equal(system_stats(*state).servers_open, 0);
    close(listener);
}

static void give_away_without_permission(void *folder)
{
    em_loop *loop;
    char path[96];
    system_child_check(geteuid() != 0 || setuid(NOBODY) == 0, "setuid works");
    em_loop_options options = {.size = sizeof options, .backend = system_backend()};
    system_child_check(em_loop_create(&options, &loop) == EM_OK, "a loop");
    snprintf(path, sizeof path, "%s/socket", (const char *)folder);
    em_server_options serving = {.size = sizeof serving, .socket_file_owner = "0", .socket_file_mode = 0600};
    em_status status = em_loop_start_unix_domain_server(loop, path, &system_recorder, &serving, NULL);
    system_child_check(status == EM_PERMISSION_DENIED, "giving the file away is denied");
    system_child_check(access(path, F_OK) < 0, "the file is removed again");
    system_child_check(em_loop_start_unix_domain_server(loop, path, &system_recorder, NULL, NULL) == EM_OK,
                       "the path can be served all the same");
    unlink(path);
    em_loop_destroy(loop);
}

static void without_permission_for_the_owner_nothing_is_started_and_no_file_stays(void **state)
{
    (void)state;
    char folder[] = "/tmp/em_owner_XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_return_code(chmod(folder, 0777), errno);
    assert_int_equal(system_wait(system_fork(give_away_without_permission, folder)), 0);
    assert_return_code(rmdir(folder), errno);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(the_file_has_the_mode_that_is_asked_for_whatever_the_umask),
        SYSTEM_TEST(without_a_mode_the_umask_decides),
        SYSTEM_TEST(a_stale_socket_file_gets_the_new_mode),
        SYSTEM_TEST(the_file_can_belong_to_another_user_and_group),
        SYSTEM_TEST(owner_and_group_are_set_each_by_itself),
        SYSTEM_TEST(a_group_can_be_named),
        SYSTEM_TEST(mode_and_group_decide_who_may_connect),
        SYSTEM_TEST(owners_that_do_not_exist_are_not_found_and_nothing_is_started),
        SYSTEM_TEST(modes_beyond_permission_bits_are_refused),
        SYSTEM_TEST(servers_without_a_file_refuse_its_options),
        SYSTEM_TEST(without_permission_for_the_owner_nothing_is_started_and_no_file_stays),
    };
    return SYSTEM_RUN(tests);
}
