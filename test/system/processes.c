/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Child processes: starting them, their streams, and how they end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_process.h"
#include "support/system_test.h"

static const char *const *words(const char *const *list)
{
    return list;
}
#define WORDS(...) words((const char *const[]){__VA_ARGS__, NULL})

static void a_process_reads_its_input_and_writes_output_and_error_apart(void **state)
{
    system_process *process =
        system_start_shell(*state, "read line; echo \"out $line\"; echo \"err $line\" >&2; exit 7");
    assert_true(em_process_get_pid(process->process) > 0);
    assert_ptr_equal(em_process_get_stream(process->process, EM_PROCESS_INPUT), process->input->connection);
    assert_ptr_equal(em_process_get_stream(process->process, EM_PROCESS_ERROR), process->error->connection);
    assert_int_equal(process->output->post_init, 1);
    em_connection_send_text(process->input->connection, "hello\n");
    system_await_process_unbind(*state, process);
    assert_string_equal(process->output->text, "out hello\n");
    assert_string_equal(process->error->text, "err hello\n");
    assert_int_equal(process->exited, 1);
    assert_int_equal(process->status.end, EM_PROCESS_EXITED);
    assert_int_equal(process->status.exit_status, 7);
    assert_true(WIFEXITED(process->status.wait_status));
    assert_int_equal(WEXITSTATUS(process->status.wait_status), 7);
    assert_int_equal(process->input->unbind + process->output->unbind + process->error->unbind, 3);
    assert_int_equal(process->output->reason, EM_OK);
}

static void closing_the_input_alone_is_the_end_for_the_program(void **state)
{
    system_process *process = system_start_shell(*state, "cat; echo done");
    em_connection_send_text(process->input->connection, "text ");
    em_connection_close_write(process->input->connection);
    system_await_process_unbind(*state, process);
    assert_string_equal(process->output->text, "text done\n");
    assert_int_equal(process->status.exit_status, 0);
}

static void closing_the_input_after_writing_is_the_end_for_the_program(void **state)
{
    system_process *process = system_start_shell(*state, "cat; echo done");
    em_connection_send_text(process->input->connection, "text ");
    em_connection_close_after_writing(process->input->connection);
    system_await_process_unbind(*state, process);
    assert_string_equal(process->output->text, "text done\n");
}

static void the_tail_of_the_output_arrives_whole_before_unbind(void **state)
{
    enum { CHILDREN = 12, BYTES = 70000 };
    system_process *processes[CHILDREN];
    for (unsigned i = 0; i < CHILDREN; i++)
        processes[i] = system_start_shell(*state, "head -c 70000 /dev/zero");
    for (unsigned i = 0; i < CHILDREN; i++) {
        system_await_process_unbind(*state, processes[i]);
        assert_int_equal(processes[i]->output->bytes, BYTES);
        assert_int_equal(processes[i]->status.exit_status, 0);
    }
}

static void both_ways_at_once_neither_side_blocks(void **state)
{
    enum { BYTES = 3 * 1024 * 1024 };
    static const char block[BYTES];
    system_process *process = system_start_shell(*state, "cat");
    em_connection_send_borrowed(process->input->connection, block, BYTES, NULL, NULL);
    em_connection_close_after_writing(process->input->connection);
    system_await_process_unbind(*state, process);
    assert_int_equal(process->output->bytes, BYTES);
}

static void one_socket_is_input_and_output(void **state)
{
    em_process_stream_options socket = {.size = sizeof socket, .kind = EM_PROCESS_SOCKET, .handler = &system_recorder};
    system_record *both = system_new_record(SYSTEM_NONE);
    socket.user = both;
    system_process *process = system_start_shell_with(*state, "cat; exit 3", (em_process_options){.input = &socket});
    assert_ptr_equal(em_process_get_stream(process->process, EM_PROCESS_INPUT), both->connection);
    assert_ptr_equal(em_process_get_stream(process->process, EM_PROCESS_OUTPUT), both->connection);
    em_connection_send_text(both->connection, "there and back");
    while (both->bytes < 14)
        system_turn(*state);
    em_connection_close_write(both->connection);
    system_await_process_unbind(*state, process);
    assert_string_equal(both->text, "there and back");
    assert_int_equal(process->status.exit_status, 3);
}

static void the_error_can_be_merged_into_the_output(void **state)
{
    em_process_stream_options error = {.size = sizeof error, .kind = EM_PROCESS_TO_OUTPUT};
    system_process *process =
        system_start_shell_with(*state, "echo one; echo two >&2; echo three", (em_process_options){.error = &error});
    system_await_process_unbind(*state, process);
    assert_string_equal(process->output->text, "one\ntwo\nthree\n");
}

static void a_stream_can_be_nothing(void **state)
{
    em_process_stream_options null = {.size = sizeof null, .kind = EM_PROCESS_NULL};
    system_process *process =
        system_start_shell_with(*state, "cat; echo lost; cat <&2; exit 4",
                                (em_process_options){.input = &null, .output = &null, .error = &null});
    assert_null(em_process_get_stream(process->process, EM_PROCESS_INPUT));
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.exit_status, 4);
}

static void a_stream_can_be_a_descriptor_of_the_program(void **state)
{
    int ends[2];
    char text[16] = "";
    assert_return_code(pipe(ends), errno);
    em_process_stream_options given = {.size = sizeof given, .kind = EM_PROCESS_DESCRIPTOR, .descriptor = ends[1]};
    system_process *process = system_start_shell_with(*state, "echo written", (em_process_options){.output = &given});
    close(ends[1]);
    system_await_process_unbind(*state, process);
    assert_int_equal(read(ends[0], text, sizeof text), 8);
    assert_string_equal(text, "written\n");
    close(ends[0]);
}

static void further_descriptors_are_passed_under_their_numbers(void **state)
{
    int ends[2];
    char text[16] = "";
    assert_return_code(pipe2(ends, O_CLOEXEC), errno);
    int given = fcntl(ends[1], F_DUPFD_CLOEXEC, 10);
    close(ends[1]);
    ends[1] = given;
    /* One number is that of the other descriptor here. */
    em_process_descriptor passed[] = {{.descriptor = ends[1], .number = 50},
                                      {.descriptor = ends[0], .number = ends[1]}};
    system_process *process = system_start_shell_with(
        *state, "echo fifty > /proc/self/fd/50", (em_process_options){.descriptors = passed, .descriptor_count = 2});
    system_await_process_unbind(*state, process);
    assert_int_equal(read(ends[0], text, sizeof text), 6);
    assert_string_equal(text, "fifty\n");
    assert_int_equal(fcntl(ends[1], F_GETFD), FD_CLOEXEC);
    close(ends[0]);
    close(ends[1]);
}

/* The numbers that ls sees, without that of the folder that it reads. */
static const char list_descriptors[] = "exec 9</dev/null; exec 9<&-; for n in /proc/self/fd/*; do test -e $n && echo "
                                       "${n##*/}; done | tr '\\n' ' '";

static void a_process_inherits_no_descriptor_unless_it_is_to(void **state)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int leaked = dup2(null, 200); /* not close-on-exec */
    close(null);
    assert_int_equal(leaked, 200);
    system_process *tidy = system_start_shell(*state, "test ! -e /proc/self/fd/200");
    system_process *open = system_start_shell_with(*state, "test -e /proc/self/fd/200",
                                                   (em_process_options){.inherit_descriptors = EM_ON});
    em_process_descriptor passed = {.descriptor = 200, .number = 210};
    system_process *between =
        system_start_shell_with(*state, "test ! -e /proc/self/fd/200 && test -e /proc/self/fd/210",
                                (em_process_options){.descriptors = &passed, .descriptor_count = 1});
    system_await_process_unbind(*state, tidy);
    system_await_process_unbind(*state, open);
    system_await_process_unbind(*state, between);
    close(leaked);
    assert_int_equal(tidy->status.exit_status, 0);
    assert_int_equal(open->status.exit_status, 0);
    assert_int_equal(between->status.exit_status, 0);
    system_process *listed = system_start_shell(*state, list_descriptors);
    system_await_process_unbind(*state, listed);
    assert_string_equal(listed->output->text, "0 1 2 ");
}

static void the_process_starts_with_default_signals_and_blocking_streams(void **state)
{
    sigset_t blocked, saved;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGALRM);
    struct sigaction ignored = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGPIPE, &ignored, &before);
    sigprocmask(SIG_BLOCK, &blocked, &saved);
    const char *command =
        "grep -E 'SigBlk|SigIgn' /proc/self/status; grep flags /proc/self/fdinfo/0 /proc/self/fdinfo/1";
    system_process *process = system_start_shell(*state, command);
    sigprocmask(SIG_SETMASK, &saved, NULL);
    sigaction(SIGPIPE, &before, NULL);
    system_await_process_unbind(*state, process);
    assert_non_null(strstr(process->output->text, "SigBlk:\t0000000000000000"));
    const char *line = strstr(process->output->text, "SigIgn:\t");
    assert_non_null(line);
    assert_int_equal(strtoull(line + 8, NULL, 16) & 0x7FFFFFFF, 0); /* those of 32 and 33 are glibc's */
    for (const char *flags = process->output->text; (flags = strstr(flags, "flags:\t")) != NULL; flags++)
        assert_int_equal(strtol(flags + 7, NULL, 8) & O_NONBLOCK, 0);
}

static void the_environment_is_given_whole_or_changed(void **state)
{
    setenv("EM_TEST_KEPT", "kept", 1);
    setenv("EM_TEST_REMOVED", "still there", 1);
    const char *command = "/bin/echo \"$EM_TEST_KEPT $EM_TEST_REMOVED $EM_TEST_NEW\"";
    system_process *changed = system_start_shell_with(
        *state, command,
        (em_process_options){.environment_changes = WORDS("EM_TEST_NEW=old", "EM_TEST_REMOVED", "EM_TEST_NEW=new")});
    system_process *whole =
        system_start_shell_with(*state, command, (em_process_options){.environment = WORDS("EM_TEST_NEW=only")});
    system_process *both =
        system_start_shell_with(*state, command,
                                (em_process_options){.environment = WORDS("EM_TEST_NEW=a", "EM_TEST_KEPT=b"),
                                                     .environment_changes = WORDS("EM_TEST_NEW=c")});
    system_await_process_unbind(*state, changed);
    system_await_process_unbind(*state, whole);
    system_await_process_unbind(*state, both);
    assert_string_equal(changed->output->text, "kept  new\n");
    assert_string_equal(whole->output->text, "  only\n");
    assert_string_equal(both->output->text, "b  c\n");
    unsetenv("EM_TEST_KEPT");
    unsetenv("EM_TEST_REMOVED");
}

static void the_directory_is_the_processs_alone(void **state)
{
    char before[4096], after[4096];
    assert_non_null(getcwd(before, sizeof before));
    system_process *process = system_start_shell_with(*state, "pwd", (em_process_options){.directory = "/usr"});
    system_await_process_unbind(*state, process);
    assert_string_equal(process->output->text, "/usr\n");
    assert_non_null(getcwd(after, sizeof after));
    assert_string_equal(before, after);
}

static void a_process_leads_a_group_or_a_session_if_asked(void **state)
{
    const char *command = "ps -o pid=,pgid=,sid= -p $$";
    em_process_options options[] = {{0}, {.new_group = EM_ON}, {.new_session = EM_ON}};
    for (unsigned i = 0; i < 3; i++) {
        int pid, group, session;
        system_process *process = system_start_shell_with(*state, command, options[i]);
        int expected = em_process_get_pid(process->process);
        system_await_process_unbind(*state, process);
        assert_int_equal(sscanf(process->output->text, "%d %d %d", &pid, &group, &session), 3);
        assert_int_equal(pid, expected);
        assert_int_equal(group == pid, i > 0);
        assert_int_equal(session == pid, i == 2);
    }
}

/* Failing to start */

static void expect_refusal(em_loop *loop, const em_process_options *options, em_status expected, const char *detail)
{
    unsigned descriptors[2];
    for (unsigned i = 0; i < 2; i++) {            /* after the first connection a loop keeps a descriptor in reserve */
        em_process *process = (em_process *)loop; /* to be overwritten */
        em_status status = em_loop_start_process(loop, options, &system_process_recorder, &process);
        assert_int_equal(status, expected);
        assert_null(process);
        if (detail && !strstr(em_status_get_detail(status), detail))
            fail_msg("\"%s\" is not in the details", detail);
        system_turn(loop);
        system_turn(loop);
        descriptors[i] = system_descriptors();
    }
    assert_int_equal(descriptors[0], descriptors[1]);
    assert_int_equal(system_stats(loop).connections_open, 0);
}

static em_process_options piped(system_process *record, const char *const *arguments)
{
    static em_process_stream_options input, output;
    input = (em_process_stream_options){
        .size = sizeof input, .kind = EM_PROCESS_PIPE, .handler = &system_recorder, .user = record->input};
    output = input;
    output.user = record->output;
    return (em_process_options){.size = sizeof(em_process_options),
                                .user = record,
                                .arguments = arguments,
                                .input = &input,
                                .output = &output,
                                .error = &output};
}

static void make_file(char *path, const char *text, int mode)
{
    int file = mkstemp(path);
    assert_return_code(file, errno);
    system_write(file, text, 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    fchmod(file, (mode_t)mode);
    close(file);
}

static void a_program_that_cannot_be_executed_is_told_by_the_call(void **state)
{
    char script[] = "/tmp/em_script_XXXXXX", text[] = "/tmp/em_text_XXXXXX", plain[] = "/tmp/em_plain_XXXXXX";
    make_file(script, "#!/nowhere/interpreter\n", 0755);
    make_file(text, "text", 0755);
    make_file(plain, "text", 0644);
    system_process *record = system_new_process();
    em_process_options options = piped(record, WORDS("em-no-such-program"));
    expect_refusal(*state, &options, EM_NO_SUCH_FILE, "\"em-no-such-program\": No such file");
    options = piped(record, WORDS("/nowhere/program"));
    expect_refusal(*state, &options, EM_NO_SUCH_FILE, "\"/nowhere/program\": No such file");
    options = piped(record, WORDS(script));
    expect_refusal(*state, &options, EM_NO_SUCH_FILE, "interpreter");
    options = piped(record, WORDS(text));
    expect_refusal(*state, &options, EM_SYSTEM_ERROR, "Exec format error");
    options = piped(record, WORDS("/tmp"));
    expect_refusal(*state, &options, EM_PERMISSION_DENIED, "\"/tmp\"");
    options = piped(record, WORDS(plain));
    expect_refusal(*state, &options, EM_PERMISSION_DENIED, plain);
    options = piped(record, WORDS(""));
    expect_refusal(*state, &options, EM_NO_SUCH_FILE, NULL);
    options = piped(record, WORDS("true"));
    options.directory = "/nowhere";
    expect_refusal(*state, &options, EM_NO_SUCH_FILE, "directory \"/nowhere\"");
    options.directory = plain;
    expect_refusal(*state, &options, EM_NO_SUCH_FILE, "directory");
    assert_int_equal(record->input->post_init + record->output->post_init + record->input->unbind, 0);
    assert_int_equal(record->exited + record->unbind, 0);
    unlink(script);
    unlink(text);
    unlink(plain);
}

static void path_is_searched_as_the_process_sees_it(void **state)
{
    char folder[] = "/tmp/em_path_XXXXXX", file[64], path[256];
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/em-program", folder);
    FILE *program = fopen(file, "w");
    assert_non_null(program);
    fprintf(program, "#!/bin/sh\nexit 5\n");
    fclose(program);
    chmod(file, 0755);
    /* A file, a folder that is not there, and one where the name is a folder do not stop the search. */
    snprintf(path, sizeof path, "PATH=/etc/passwd:/nowhere:%s/..:%s", folder, folder);
    system_process *record = system_new_process();
    em_process_options options = piped(record, WORDS("em-program"));
    expect_refusal(*state, &options, EM_NO_SUCH_FILE, "em-program");
    options.environment_changes = WORDS(path);
    assert_int_equal(em_loop_start_process(*state, &options, &system_process_recorder, &record->process), EM_OK);
    system_await_process_unbind(*state, record);
    assert_int_equal(record->status.exit_status, 5);
    record->unbind = 0;
    options.directory = folder; /* relative folders begin there */
    options.environment_changes = WORDS("PATH=.");
    assert_int_equal(em_loop_start_process(*state, &options, &system_process_recorder, &record->process), EM_OK);
    system_await_process_unbind(*state, record);
    assert_int_equal(record->status.exit_status, 5);
    unlink(file);
    rmdir(folder);
}

static void arguments_that_are_too_long_are_a_status(void **state)
{
    size_t bytes = 8 * 1024 * 1024;
    char *argument = malloc(bytes);
    assert_non_null(argument);
    memset(argument, 'x', bytes);
    argument[bytes - 1] = '\0';
    system_process *record = system_new_process();
    em_process_options options = piped(record, WORDS("true", argument));
    expect_refusal(*state, &options, EM_ARGUMENTS_TOO_LONG, "\"/");
    free(argument);
}

static void bad_options_are_refused(void **state)
{
    system_process *record = system_new_process();
    em_process_options good = piped(record, WORDS("true"));
    em_process_options options = good;
    em_process_stream_options stream = {.size = sizeof stream, .kind = EM_PROCESS_TO_OUTPUT};
    em_process_descriptor descriptors[] = {{.descriptor = 0, .number = 3}, {.descriptor = 1, .number = 3}};
    expect_refusal(*state, NULL, EM_INVALID_ARGUMENT, "required");
    options.arguments = NULL;
    expect_refusal(*state, &options, EM_INVALID_ARGUMENT, "neither");
    options.arguments = good.arguments;
    options.command = "true";
    expect_refusal(*state, &options, EM_INVALID_ARGUMENT, "both");
    options = good;
    options.input = &stream;
    expect_refusal(*state, &options, EM_INVALID_ARGUMENT, "only the error");
    stream.kind = EM_PROCESS_SOCKET;
    expect_refusal(*state, &options, EM_INVALID_ARGUMENT, "includes the output");
    options.input = good.input;
    options.output = &stream;
    expect_refusal(*state, &options, EM_INVALID_ARGUMENT, "must be that of the input");
    stream = (em_process_stream_options){.size = sizeof stream, .kind = EM_PROCESS_NULL, .handler = &system_recorder};
    expect_refusal(*state, &options, EM_INVALID_ARGUMENT, "without a connection");
    stream = (em_process_stream_options){.size = sizeof stream, .kind = EM_PROCESS_NULL, .descriptor = 4};
    expect_refusal(*state, &options, EM_INVALID_ARGUMENT, "not that kind");
    stream = (em_process_stream_options){.size = sizeof stream, .kind = EM_PROCESS_DESCRIPTOR, .descriptor = 12345};
    expect_refusal(*state, &options, EM_BAD_DESCRIPTOR, "descriptor 12345");
    options = good;
    options.descriptors = descriptors;
    options.descriptor_count = 2;
    expect_refusal(*state, &options, EM_INVALID_ARGUMENT, "two descriptors");
    descriptors[1].number = 2;
    expect_refusal(*state, &options, EM_INVALID_ARGUMENT, "3 to 255");
    options = good;
    options.terminal_rows = 10;
    expect_refusal(*state, &options, EM_INVALID_ARGUMENT, "no terminal");
    em_process_handler unknown = {.reserved = {(void (*)(void))abort}};
    assert_int_equal(em_loop_start_process(*state, &good, &unknown, NULL), EM_INVALID_ARGUMENT);
    em_handler unknown_stream = {.reserved = {(void (*)(void))abort}};
    stream = (em_process_stream_options){.size = sizeof stream, .kind = EM_PROCESS_PIPE, .handler = &unknown_stream};
    options = good;
    options.output = &stream;
    expect_refusal(*state, &options, EM_INVALID_ARGUMENT, NULL);
    assert_int_equal(em_loop_start_process(NULL, &good, NULL, NULL), EM_INVALID_ARGUMENT);
}

static void numbers_find_a_process_until_its_unbind_returns(void **state)
{
    system_process *process = system_start_shell(*state, "true");
    em_signature number = em_process_get_signature(process->process);
    assert_ptr_equal(em_loop_find_process(*state, number), process->process);
    assert_null(em_loop_find_connection(*state, number));
    assert_ptr_equal(em_process_get_loop(process->process), *state);
    system_await_process_unbind(*state, process);
    assert_null(em_loop_find_process(*state, number));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_process_reads_its_input_and_writes_output_and_error_apart),
        SYSTEM_TEST(closing_the_input_alone_is_the_end_for_the_program),
        SYSTEM_TEST(closing_the_input_after_writing_is_the_end_for_the_program),
        SYSTEM_TEST(the_tail_of_the_output_arrives_whole_before_unbind),
        SYSTEM_TEST(both_ways_at_once_neither_side_blocks),
        SYSTEM_TEST(one_socket_is_input_and_output),
        SYSTEM_TEST(the_error_can_be_merged_into_the_output),
        SYSTEM_TEST(a_stream_can_be_nothing),
        SYSTEM_TEST(a_stream_can_be_a_descriptor_of_the_program),
        SYSTEM_TEST(further_descriptors_are_passed_under_their_numbers),
        SYSTEM_TEST(a_process_inherits_no_descriptor_unless_it_is_to),
        SYSTEM_TEST(the_process_starts_with_default_signals_and_blocking_streams),
        SYSTEM_TEST(the_environment_is_given_whole_or_changed),
        SYSTEM_TEST(the_directory_is_the_processs_alone),
        SYSTEM_TEST(a_process_leads_a_group_or_a_session_if_asked),
        SYSTEM_TEST(a_program_that_cannot_be_executed_is_told_by_the_call),
        SYSTEM_TEST(path_is_searched_as_the_process_sees_it),
        SYSTEM_TEST(arguments_that_are_too_long_are_a_status),
        SYSTEM_TEST(bad_options_are_refused),
        SYSTEM_TEST(numbers_find_a_process_until_its_unbind_returns),
    };
    return SYSTEM_RUN(tests);
}
