/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A filter: copies standard input to standard output in capitals, whatever both are: terminals, pipes, files, sockets.
 * Input is read only as fast as output is written.
 * Try it: echo hello | capitals | cat
 */
#include <ctype.h>
#include <eventmachine.h>
#include <unistd.h>

static em_connection *input, *output;

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    char piece[4096];
    const char *text = data;
    while (length > 0) {
        size_t count = length < sizeof piece ? length : sizeof piece;
        for (size_t i = 0; i < count; i++)
            piece[i] = (char)toupper((unsigned char)text[i]);
        if (em_connection_send(output, piece, count) == EM_UNDER_PRESSURE)
            em_connection_pause(connection); /* until drained; the rest of this piece is still sent */
        text += count;
        length -= count;
    }
}

static void input_unbind(em_connection *connection, em_status reason)
{
    (void)connection;
    if (reason != EM_OK)
        em_status_report(reason);
    input = NULL;
    em_connection_close_after_writing(output);
}

static void drained(em_connection *connection)
{
    (void)connection;
    em_connection_resume(input);
}

static void output_unbind(em_connection *connection, em_status reason)
{
    output = NULL;
    if (reason != EM_OK)
        em_status_report(reason);
    em_loop_stop(em_connection_get_loop(connection));
}

/* Other programs use the same terminal, so nothing is closed, and the mode of the input is left as it is. */
static em_status attach(em_loop *loop)
{
    static const em_handler reader = {.receive_data = receive_data, .unbind = input_unbind};
    static const em_handler writer = {.drained = drained, .unbind = output_unbind};
    em_attach_options options = {.size = sizeof options, .close_descriptor = EM_OFF};
    em_status status = em_loop_attach(loop, STDOUT_FILENO, &writer, &options, &output);
    options.nonblocking = EM_OFF;
    return status == EM_OK ? em_loop_attach(loop, STDIN_FILENO, &reader, &options, &input) : status;
}

int main(void)
{
    em_loop *loop;
    em_status status = em_loop_create(NULL, &loop);
    if (status == EM_OK)
        status = attach(loop);
    if (status == EM_OK)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    return em_status_report(status);
}
