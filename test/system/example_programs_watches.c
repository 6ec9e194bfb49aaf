/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The programs of examples/c with watches and jobs, run as child processes.
 */
#include <stdio.h>
#include <string.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/example_program.h"
#include "support/system_peer.h"
#include "support/system_test.h"
#include "support/watched_directory.h"

/* A program is found relative to the test's working directory, so these tests do not change it. */
static char directory[64];

static int set_up(void **state)
{
    strcpy(directory, "/tmp/followed.XXXXXX");
    return mkdtemp(directory) ? system_set_up(state) : -1;
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static int tear_down(void **state)
{
    unlink(path_of("log"));
    unlink(path_of("log.1"));
    rmdir(directory);
    return system_tear_down(state);
}

static void follow_prints_what_is_appended_also_after_the_file_was_replaced(void **state)
{
    (void)state;
    char rotated[128];
    write_file(path_of("log"), "before\n");
    example_program follow = example_start("follow", directory, "log", NULL);
    example_expect(follow.output, "before\n");
    write_file(path_of("log"), "appended\n");
    example_expect(follow.output, "appended\n");
    snprintf(rotated, sizeof rotated, "%s", path_of("log.1"));
    assert_int_equal(rename(path_of("log"), rotated), 0);
    write_file(path_of("log"), "of the next file\n");
    example_expect(follow.output, "of the next file\n");
    kill(follow.child, SIGTERM);
    assert_int_equal(example_finish(&follow), 0);
}

static void follow_says_why_it_cannot(void **state)
{
    (void)state;
    example_program follow = example_start("follow", path_of("missing"), "log", NULL);
    example_expect(follow.output, "eventmachine: no such file or directory (EM_NO_SUCH_FILE)\n");
    assert_int_equal(example_finish(&follow), 1);
}

static void jobs_count_the_lines_of_files(void **state)
{
    (void)state;
    write_file(path_of("log"), "one\ntwo\n");
    char expected[256];
    snprintf(expected, sizeof expected, "       2 %s\n", path_of("log"));
    example_program jobs = example_start("jobs", path_of("log"), NULL, NULL);
    example_expect(jobs.output, expected);
    assert_int_equal(example_finish(&jobs), 0);
    jobs = example_start("jobs", path_of("missing"), NULL, NULL);
    example_expect(jobs.output, "-1 ");
    assert_int_equal(example_finish(&jobs), 0);
    jobs = example_start("jobs", NULL, NULL, NULL);
    assert_int_equal(example_finish(&jobs), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(follow_prints_what_is_appended_also_after_the_file_was_replaced, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(follow_says_why_it_cannot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(jobs_count_the_lines_of_files, set_up, tear_down),
    };
    return SYSTEM_RUN(tests);
}
