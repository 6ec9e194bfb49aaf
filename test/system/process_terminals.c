/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Child processes whose streams are a terminal.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/system_process.h"
#include "support/system_test.h"

/* What arrives is in the record's text, with the line ends of terminals. */
static system_process *start_in_terminal(em_loop *loop, const char *command, em_process_options options,
                                         system_record *record)
{
    em_process_stream_options terminal = {
        .size = sizeof terminal, .kind = EM_PROCESS_TERMINAL, .handler = &system_recorder, .user = record};
    em_process_stream_options inherit = {.size = sizeof inherit};
    options.input = &terminal;
    options.error = options.error ? options.error : &inherit;
    return system_start_shell_with(loop, command, options);
}

static void await_text(em_loop *loop, const system_record *record, const char *text)
{
    while (!strstr(record->text, text))
        system_turn(loop);
}

static void all_streams_are_the_terminal_that_controls_the_session(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    system_process *process =
        start_in_terminal(*state, "test -t 0 && test -t 1 && test -t 2 && echo to-tty > /dev/tty && exit 3",
                          (em_process_options){0}, record);
    assert_ptr_equal(em_process_get_stream(process->process, EM_PROCESS_INPUT), record->connection);
    assert_ptr_equal(em_process_get_stream(process->process, EM_PROCESS_OUTPUT), record->connection);
    assert_null(em_process_get_stream(process->process, EM_PROCESS_ERROR));
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.exit_status, 3);
    assert_string_equal(record->text, "to-tty\r\n");
    assert_int_equal(record->reason, EM_OK);
}

static void what_is_typed_is_read_and_echoed(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    system_process *process =
        start_in_terminal(*state, "read line; echo \"read $line\"", (em_process_options){0}, record);
    em_connection_send_text(record->connection, "typed\r");
    system_await_process_unbind(*state, process);
    assert_string_equal(record->text, "typed\r\nread typed\r\n");
}

static void the_interrupt_character_is_a_signal(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    system_process *process = start_in_terminal(*state, "echo ready; exec sleep 1000", (em_process_options){0}, record);
    await_text(*state, record, "ready");
    em_connection_send_text(record->connection, "\003");
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.signal, SIGINT);
}

static void the_terminal_has_a_size_which_can_change(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    system_process *process =
        start_in_terminal(*state, "stty size; trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.01; done",
                          (em_process_options){.terminal_rows = 30, .terminal_columns = 100}, record);
    await_text(*state, record, "30 100\r\nready\r\n");
    assert_int_equal(em_process_set_terminal_size(process->process, 0, 80), EM_INVALID_ARGUMENT);
    assert_int_equal(em_process_set_terminal_size(process->process, 40, 65536), EM_INVALID_ARGUMENT);
    assert_int_equal(em_process_set_terminal_size(process->process, 40, 132), EM_OK);
    system_await_process_unbind(*state, process);
    assert_non_null(strstr(record->text, "40 132"));
    system_record *default_size = system_new_record(SYSTEM_NONE);
    process = start_in_terminal(*state, "stty size", (em_process_options){0}, default_size);
    system_await_process_unbind(*state, process);
    assert_string_equal(default_size->text, "24 80\r\n");
}

static void the_error_can_be_apart_from_the_terminal(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    system_record *error = system_new_record(SYSTEM_NONE);
    em_process_stream_options pipe = {
        .size = sizeof pipe, .kind = EM_PROCESS_PIPE, .handler = &system_recorder, .user = error};
    system_process *process =
        start_in_terminal(*state, "echo out; echo err >&2", (em_process_options){.error = &pipe}, record);
    system_await_process_unbind(*state, process);
    assert_string_equal(record->text, "out\r\n");
    assert_string_equal(error->text, "err\n");
}

static void closing_the_connection_hangs_up(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    system_process *process = start_in_terminal(*state, "echo ready; exec sleep 1000", (em_process_options){0}, record);
    await_text(*state, record, "ready");
    em_connection_close(record->connection);
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.signal, SIGHUP);
}

static void a_process_in_a_terminal_can_be_terminated(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    system_process *process = start_in_terminal(
        *state, "echo ready; exec sleep 1000",
        (em_process_options){.terminate_after_ns = EM_MILLISECONDS, .kill_after_ns = 100 * EM_SECONDS}, record);
    await_text(*state, record, "ready");
    em_process_terminate(process->process);
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.signal, SIGTERM);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(all_streams_are_the_terminal_that_controls_the_session),
        SYSTEM_TEST(what_is_typed_is_read_and_echoed),
        SYSTEM_TEST(the_interrupt_character_is_a_signal),
        SYSTEM_TEST(the_terminal_has_a_size_which_can_change),
        SYSTEM_TEST(the_error_can_be_apart_from_the_terminal),
        SYSTEM_TEST(closing_the_connection_hangs_up),
        SYSTEM_TEST(a_process_in_a_terminal_can_be_terminated),
    };
    return SYSTEM_RUN(tests);
}
