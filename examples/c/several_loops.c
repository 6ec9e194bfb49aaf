/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Four loops in four threads share one port; the system deals out the connections. The end of the input stops them all.
 * Try it: several_loops 8083, and in another terminal, several times: echo hello | nc -N localhost 8083
 */
#include <eventmachine.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOOPS = 4 };

typedef struct worker {
    pthread_t thread;
    em_loop *loop;
    em_status status;
    char name[24];
} worker;

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    const worker *mine = em_connection_get_user(connection);
    em_connection_send_text(connection, mine->name);
    em_connection_send(connection, data, length);
}

static const em_handler echo = {.receive_data = receive_data};

/* A loop of its own that listens on the port, which is the system's choice if it is 0. */
static em_status prepare(worker *mine, int *port)
{
    em_server *server;
    em_server_options options = {.size = sizeof options, .user = mine, .reuse_port = EM_ON};
    em_status status = em_loop_create(NULL, &mine->loop);
    if (status == EM_OK)
        status = em_loop_start_server(mine->loop, "127.0.0.1", *port, &echo, &options, &server);
    if (status == EM_OK)
        *port = em_server_get_port(server);
    return status;
}

static void *work(void *argument)
{
    worker *mine = argument;
    mine->status = em_loop_run(mine->loop);
    return NULL;
}

int main(int count, char **arguments)
{
    static worker workers[LOOPS];
    int port = count > 1 ? atoi(arguments[1]) : 8083;
    em_status status = EM_OK;
    for (int i = 0; i < LOOPS && status == EM_OK; i++) {
        snprintf(workers[i].name, sizeof workers[i].name, "loop %d: ", i);
        status = prepare(&workers[i], &port);
    }
    for (int i = 0; i < LOOPS && status == EM_OK; i++)
        status = pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0 ? EM_OK : EM_LIMIT;
    if (status != EM_OK)
        return em_status_report(status);
    printf("listening on 127.0.0.1:%d\n", port);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    for (int i = 0; i < LOOPS; i++) {
        em_loop_stop(workers[i].loop);
        pthread_join(workers[i].thread, NULL);
        em_loop_destroy(workers[i].loop);
        status = status == EM_OK ? workers[i].status : status;
    }
    return em_status_report(status);
}
