/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The library on both ends: connections within one loop, or between two loops in two threads that post to each other
 * and stop each other. Both ends act at random; what arrives is compared with what was sent, to the byte.
 */
#include <pthread.h>

#include "fuzz/support/node.h"

enum { MOST_NODES = 2, STEPS = 150, CONNECTIONS = 24 };

typedef struct world {
    const fuzz_run *run;
    unsigned count;
    bool winds_up; /* else the loops are destroyed while connections are open */
    node nodes[MOST_NODES];
    pthread_barrier_t barrier;
    pthread_mutex_t mutex;
    endpoint published[MOST_NODES]; /* guarded by it */
    atomic_uint finished;
} world;

static void publish(node *changed)
{
    world *w = changed->user;
    pthread_mutex_lock(&w->mutex);
    w->published[changed->number] = changed->own;
    pthread_mutex_unlock(&w->mutex);
}

static endpoint find_other(node *asking)
{
    world *w = asking->user;
    pthread_mutex_lock(&w->mutex);
    endpoint found = w->published[asking->other->number];
    pthread_mutex_unlock(&w->mutex);
    return found;
}

static bool are_open(const world *w)
{
    for (unsigned i = 0; i < w->count; i++)
        if (!w->nodes[i].loop)
            return false;
    return true;
}

/* When one end is idle, the other may still have work because of it. */
static void wind_up(world *w, node *ending)
{
    node_wind_up(ending);
    while (ending->live > 0)
        node_turn(ending);
    w->finished++;
    while (ending->live > 0 || w->finished < w->count)
        node_turn(ending);
    pthread_barrier_wait(&w->barrier);
    node_check_idle(ending);
}

static void live(world *w, node *living)
{
    living->user = w;
    living->publish = publish;
    living->find_target = find_other;
    living->to_open = CONNECTIONS;
    living->other = &w->nodes[w->count - 1 - living->number];
    pthread_barrier_wait(&w->barrier);
    node_start_server(living);
    for (unsigned step = 0; step < STEPS; step++) {
        node_act(living);
        node_turn(living);
    }
    /* From here on nothing is posted to a loop that may have been destroyed. */
    pthread_barrier_wait(&w->barrier);
    if (w->winds_up)
        wind_up(w, living);
    pthread_barrier_wait(&w->barrier);
}

static void run_node(world *w, unsigned number)
{
    node *own = &w->nodes[number];
    node_open(own, w->run, number);
    pthread_barrier_wait(&w->barrier);
    if (are_open(w))
        live(w, own);
    if (own->loop)
        node_close(own);
    faults_use(NULL);
}

static void *run_second(void *given)
{
    run_node(given, 1);
    return NULL;
}

/* The end */

static side *find_sender(world *w, const fuzz_stream *stream)
{
    unsigned owner = stream->sender >> 16;
    unsigned number = stream->sender & 0xffff;
    FUZZ_CHECK(owner < w->count && number < w->nodes[owner].count);
    return w->nodes[owner].sides[number];
}

static bool is_reset(const side *ended)
{
    return ended->reason == EM_CONNECTION_RESET || ended->reason == EM_BROKEN_PIPE;
}

/* An end is in order unless the other one left early. */
static void check_reason(const side *ended, const side *other)
{
    bool other_left = other->aborted || other->closing || other->swept || other->reason != EM_OK;
    if (is_reset(ended) && !other_left && !ended->node->run->calls)
        fuzz_fail("connection %x ended with %s, while %x did nothing wrong", ended->number,
                  em_status_get_name(ended->reason), other->number);
}

static void check_side(world *w, const side *receiver)
{
    if (!fuzz_stream_is_known(&receiver->arrived))
        return;
    const side *sender = find_sender(w, &receiver->arrived);
    FUZZ_CHECK(sender->is_client != receiver->is_client);
    check_reason(sender, receiver);
    check_reason(receiver, sender);
    FUZZ_CHECK(receiver->arrived.bytes <= sender->accepted || sender->torn);
    if (!side_has_sent_all(sender) || side_was_cut_off(receiver))
        return;
    if (receiver->arrived.bytes != sender->accepted)
        fuzz_fail("connection %u.%u sent %lu bytes, %lu arrived at %u.%u", sender->node->number,
                  sender->number & 0xffff, (unsigned long)sender->accepted, (unsigned long)receiver->arrived.bytes,
                  receiver->node->number, receiver->number & 0xffff);
    fuzz_count.complete++;
}

static void check_all(world *w)
{
    for (unsigned i = 0; i < w->count; i++)
        for (unsigned number = 0; number < w->nodes[i].count; number++)
            check_side(w, w->nodes[i].sides[number]);
}

static world w;

static void describe(void)
{
    for (unsigned i = 0; i < w.count; i++)
        node_describe(&w.nodes[i]);
}

static void run(const fuzz_run *run)
{
    w = (world){.run = run, .count = 1 + run->seed % 2, .winds_up = run->seed % 5 != 0};
    pthread_t second = {0};
    pthread_mutex_init(&w.mutex, NULL);
    pthread_barrier_init(&w.barrier, NULL, w.count);
    if (w.count > 1)
        FUZZ_CHECK(pthread_create(&second, NULL, run_second, &w) == 0);
    run_node(&w, 0);
    if (w.count > 1)
        pthread_join(second, NULL);
    pthread_barrier_destroy(&w.barrier);
    pthread_mutex_destroy(&w.mutex);
    check_all(&w);
    for (unsigned i = 0; i < w.count; i++)
        node_free(&w.nodes[i]);
}

int main(int argc, char **argv)
{
    static const fuzz_program program = {
        .name = "both_ends", .seeds = 50, .seconds_per_run = 60, .run = run, .describe = describe};
    return fuzz_main(argc, argv, &program);
}
