/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Random sequences, by seed: files are written, renamed over each other and deleted while watches begin and end, also
 * in callbacks and without memory. Nothing is reported after a watch was stopped, each ends once, and each that is open
 * reports the next write.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/bytes.h"
#include "support/failing_allocator.h"
#include "support/system_test.h"
#include "support/watched_directory.h"

enum { FILES = 6, WATCHES = 400, STEPS = 1000, SEEDS = 5 };

#define WATCH_TEST(function)                                                                                           \
    cmocka_unit_test_setup_teardown(function, watched_directory_set_up, watched_directory_tear_down)

typedef struct tracked {
    em_file_watch *watch; /* NULL: it was stopped, or has ended */
    ino_t inode;
    unsigned modified;
    bool is_begun;
    bool is_over;
} tracked;

static struct {
    em_loop *loop;
    uint64_t random;
    bool acts;                    /* callbacks do something */
    tracked watches[WATCHES + 1]; /* the last one is never used */
    unsigned used;
} scene;

static unsigned pick(unsigned count)
{
    scene.random = scene.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(scene.random >> 33) % count;
}

static const char *path_of(unsigned number)
{
    static char paths[FILES][16];
    snprintf(paths[number], sizeof paths[number], "file%u", number);
    return paths[number];
}

static void act(void);

static tracked *reported(em_file_watch *watch)
{
    tracked *own = em_file_watch_get_user(watch);
    assert_ptr_equal(own->watch, watch); /* or it was stopped */
    assert_false(own->is_over);
    return own;
}

static void act_sometimes(void)
{
    if (scene.acts && pick(3) == 0)
        act();
}

static void note_modified(em_file_watch *watch, em_file_change change, const char *name)
{
    tracked *own = reported(watch);
    assert_true(change >= EM_FILE_WRITTEN && change <= EM_FILE_ENTRY_REMOVED);
    assert_true(!name || strlen(name) > 0);
    own->modified++;
    act_sometimes();
}

static void note(em_file_watch *watch)
{
    reported(watch);
    act_sometimes();
}

static void note_deleted(em_file_watch *watch)
{
    tracked *own = reported(watch);
    act_sometimes();
    own->watch = NULL; /* nothing but unbind follows */
}

static void note_unbind(em_file_watch *watch, em_status reason)
{
    tracked *own = em_file_watch_get_user(watch);
    assert_true(reason == EM_OK || reason == EM_NO_SUCH_FILE);
    assert_false(own->is_over);
    own->is_over = true;
    own->watch = NULL;
    act_sometimes();
}

static const em_file_watch_handler handler = {
    .file_modified = note_modified,
    .file_moved = note,
    .file_deleted = note_deleted,
    .events_lost = note,
    .unbind = note_unbind,
};

static void begin_watch(void)
{
    struct stat status;
    const char *path = pick(8) == 0 ? "." : path_of(pick(FILES));
    if (scene.used == WATCHES || stat(path, &status) != 0)
        return;
    tracked *own = &scene.watches[scene.used++];
    em_file_watch_options options = {.size = sizeof options, .user = own};
    em_status result = em_loop_watch_file(scene.loop, path, &handler, &options, &own->watch);
    own->inode = status.st_ino;
    own->is_begun = result == EM_OK;
    assert_true(own->is_begun ? own->watch != NULL : result == EM_NO_MEMORY && !own->watch);
}

static void stop_watch(void)
{
    tracked *own = &scene.watches[pick(scene.used + 1)];
    em_file_watch *watch = own->watch;
    own->watch = NULL;
    em_file_watch_stop(watch);
}

/* Files may be missing: then nothing happens. */
static void change_files(void)
{
    const char *path = path_of(pick(FILES));
    int ignored = 0;
    switch (pick(5)) {
    case 0:
        ignored = unlink(path);
        break;
    case 1:
        ignored = rename(path, path_of(pick(FILES)));
        break;
    case 2:
        ignored = link(path, path_of(pick(FILES)));
        break;
    case 3:
        ignored = truncate(path, pick(2));
        break;
    default:
        write_file(path, "x");
    }
    (void)ignored;
}

static void act(void)
{
    switch (pick(8)) {
    case 0:
    case 1:
        begin_watch();
        break;
    case 2:
        stop_watch();
        break;
    default:
        change_files();
    }
}

static void settle(void)
{
    bool acts = scene.acts;
    scene.acts = false;
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(em_loop_run_once(scene.loop, 0), EM_OK);
    scene.acts = acts;
}

static void expect_reports_of(ino_t inode)
{
    for (unsigned i = 0; i < scene.used; i++)
        if (scene.watches[i].watch && scene.watches[i].inode == inode)
            assert_true(scene.watches[i].modified > 0);
}

/* Each open watch is of a file that exists, and reports a write. */
static void check_all(void)
{
    unsigned found = 0;
    ino_t inodes[FILES] = {0};
    settle();
    for (unsigned i = 0; i < scene.used; i++)
        scene.watches[i].modified = 0;
    for (unsigned i = 0; i < FILES; i++) {
        struct stat status;
        if (stat(path_of(i), &status) != 0)
            continue;
        inodes[found++] = status.st_ino;
        write_file(path_of(i), "y");
        settle();
        expect_reports_of(status.st_ino);
    }
    struct stat directory;
    assert_int_equal(stat(".", &directory), 0);
    for (unsigned i = 0; i < scene.used; i++) {
        bool exists = !scene.watches[i].watch || scene.watches[i].inode == directory.st_ino;
        for (unsigned j = 0; j < found; j++)
            exists |= scene.watches[i].inode == inodes[j];
        assert_true(exists);
    }
}

static void play(em_loop *loop, uint64_t seed)
{
    print_message("seed %llu\n", (unsigned long long)seed);
    memset(&scene, 0, sizeof scene);
    scene.loop = loop;
    scene.random = seed;
    scene.acts = true;
    for (unsigned i = 0; i < STEPS; i++) {
        act();
        if (pick(3) == 0)
            assert_int_equal(em_loop_run_once(loop, 0), EM_OK);
        if (i % 100 == 99)
            check_all();
    }
    scene.acts = false;
    em_loop_destroy(loop);
    for (unsigned i = 0; i < scene.used; i++)
        assert_int_equal(scene.watches[i].is_over, scene.watches[i].is_begun);
}

static void watches_keep_their_promises(void **state)
{
    em_loop_destroy(*state);
    *state = NULL;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        play(system_create_loop((em_loop_options){.size = 0}), seed);
}

static void watches_keep_their_promises_without_memory(void **state)
{
    em_loop_destroy(*state);
    *state = NULL;
    for (uint64_t seed = 100; seed < 100 + SEEDS; seed++) {
        failing_allocator memory;
        failing_allocator_init(&memory);
        em_loop *loop = system_create_loop((em_loop_options){.allocator = &memory.allocator});
        failing_allocator_fail_every(&memory, 3 + seed % 5);
        play(loop, seed);
        assert_int_equal(atomic_load(&memory.live), 0);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WATCH_TEST(watches_keep_their_promises),
        WATCH_TEST(watches_keep_their_promises_without_memory),
    };
    return SYSTEM_RUN(tests);
}
