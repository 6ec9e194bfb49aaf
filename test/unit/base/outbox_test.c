/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The outbox: copied and borrowed bytes, in order, to the byte; limits; no memory; a random comparison with a flat
 * buffer.
 */
#include "base/outbox.h"
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

typedef struct outbox_fixture {
    failing_allocator allocator;
    emi_outbox_pool pool;
    emi_outbox outbox;
    byte_buffer model; /* what should be in the outbox */
    uint64_t appended; /* the pattern's offset */
    unsigned released; /* borrowed pieces */
} outbox_fixture;

static int set_up(void **state)
{
    static outbox_fixture fixture;
    fixture = (outbox_fixture){.released = 0};
    failing_allocator_init(&fixture.allocator);
    emi_outbox_pool_init(&fixture.pool, &fixture.allocator.allocator, 0);
    *state = &fixture;
    deadline_start(60);
    return 0;
}

static int tear_down(void **state)
{
    outbox_fixture *fixture = *state;
    emi_outbox_clear(&fixture->outbox, &fixture->pool);
    emi_outbox_pool_clear(&fixture->pool);
    bytes_free(&fixture->model);
    deadline_stop();
    return atomic_load(&fixture->allocator.live) == 0 && fixture->pool.bytes == 0 ? 0 : -1;
}

static em_status append(outbox_fixture *fixture, size_t length)
{
    unsigned char *piece = malloc(length);
    assert_non_null(piece);
    pattern_fill(piece, length, fixture->appended);
    em_status status = emi_outbox_append(&fixture->outbox, &fixture->pool, piece, length);
    if (status == EM_OK) {
        bytes_append(&fixture->model, piece, length);
        fixture->appended += length;
    }
    free(piece);
    return status;
}

static void release(void *user, const void *data)
{
    outbox_fixture *fixture = user;
    union {
        const void *constant;
        void *memory;
    } borrowed = {.constant = data};
    fixture->released++;
    free(borrowed.memory);
}

static em_status borrow(outbox_fixture *fixture, size_t length)
{
    unsigned char *piece = malloc(length);
    assert_non_null(piece);
    pattern_fill(piece, length, fixture->appended);
    em_status status = emi_outbox_append_borrowed(&fixture->outbox, &fixture->pool, piece, length, release, fixture);
    if (status == EM_OK) {
        bytes_append(&fixture->model, piece, length);
        fixture->appended += length;
    } else {
        free(piece);
    }
    return status;
}

static void consume(outbox_fixture *fixture, size_t length)
{
    emi_outbox_consume(&fixture->outbox, &fixture->pool, length);
    bytes_take(&fixture->model, NULL, length);
}

/* What is gathered is what the model begins with; with spans for everything, it is all of it. */
static void check(outbox_fixture *fixture, unsigned capacity)
{
    emi_span spans[EMI_MAX_SPANS];
    size_t at = 0;
    unsigned count = emi_outbox_gather(&fixture->outbox, spans, capacity);
    assert_true(count <= capacity);
    assert_int_equal(fixture->outbox.bytes, bytes_length(&fixture->model));
    assert_int_equal(fixture->pool.bytes, fixture->outbox.bytes);
    for (unsigned i = 0; i < count; i++) {
        assert_true(spans[i].length > 0);
        assert_true(at + spans[i].length <= bytes_length(&fixture->model));
        assert_memory_equal(spans[i].data, bytes_at(&fixture->model) + at, spans[i].length);
        at += spans[i].length;
    }
    if (count < capacity)
        assert_int_equal(at, fixture->outbox.bytes);
}

static void an_empty_outbox_gathers_nothing_and_owns_nothing(void **state)
{
    outbox_fixture *fixture = *state;
    check(fixture, EMI_MAX_SPANS);
    consume(fixture, 100);
    assert_int_equal(append(fixture, 10), EM_OK);
    consume(fixture, 10);
    check(fixture, EMI_MAX_SPANS);
    assert_null(fixture->outbox.first);
    emi_outbox_pool_clear(&fixture->pool);
    assert_int_equal(atomic_load(&fixture->allocator.live), 0);
}

static void pieces_of_every_size_come_out_as_they_went_in(void **state)
{
    outbox_fixture *fixture = *state;
    static const size_t sizes[] = {1, 2, 4031, 4032, 4033, 4095, 4096, 8192, 65536, 262143, 262144, 262145, 1000000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        assert_int_equal(append(fixture, sizes[i]), EM_OK);
        check(fixture, EMI_MAX_SPANS);
        consume(fixture, sizes[i] - 1);
        check(fixture, EMI_MAX_SPANS);
        consume(fixture, 1);
        check(fixture, EMI_MAX_SPANS);
    }
}

static void many_small_pieces_are_packed_together(void **state)
{
    outbox_fixture *fixture = *state;
    emi_span spans[EMI_MAX_SPANS];
    for (unsigned i = 0; i < 400; i++)
        assert_int_equal(append(fixture, 10), EM_OK);
    assert_int_equal(emi_outbox_gather(&fixture->outbox, spans, EMI_MAX_SPANS), 1);
    check(fixture, EMI_MAX_SPANS);
}

static void bytes_once_gathered_stay_where_they_are_while_more_is_appended(void **state)
{
    outbox_fixture *fixture = *state;
    emi_span before[EMI_MAX_SPANS];
    assert_int_equal(append(fixture, 100), EM_OK);
    assert_int_equal(borrow(fixture, 100), EM_OK);
    assert_int_equal(append(fixture, 100), EM_OK);
    unsigned count = emi_outbox_gather(&fixture->outbox, before, EMI_MAX_SPANS);
    byte_buffer copy = {.data = NULL};
    for (unsigned i = 0; i < count; i++)
        bytes_append(&copy, before[i].data, before[i].length);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(i % 3 ? append(fixture, 50 + i) : borrow(fixture, 50 + i), EM_OK);
    for (unsigned i = 0; i < count; i++) {
        assert_memory_equal(before[i].data, bytes_at(&copy), before[i].length);
        bytes_take(&copy, NULL, before[i].length);
    }
    bytes_free(&copy);
}

static void consuming_byte_by_byte_crosses_every_boundary(void **state)
{
    outbox_fixture *fixture = *state;
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(append(fixture, 2000 + i), EM_OK);
        assert_int_equal(borrow(fixture, 1 + i * 10), EM_OK);
    }
    while (bytes_length(&fixture->model) > 0) {
        consume(fixture, 1);
        check(fixture, 3);
    }
    assert_int_equal(fixture->released, 6);
}

static void borrowed_bytes_are_released_when_their_last_byte_is_consumed(void **state)
{
    outbox_fixture *fixture = *state;
    assert_int_equal(borrow(fixture, 10), EM_OK);
    assert_int_equal(borrow(fixture, 10), EM_OK);
    consume(fixture, 9);
    assert_int_equal(fixture->released, 0);
    consume(fixture, 1);
    assert_int_equal(fixture->released, 1);
    emi_outbox_clear(&fixture->outbox, &fixture->pool);
    assert_int_equal(fixture->released, 2);
    fixture->model.begin = fixture->model.end;
}

static void borrowing_without_a_release_function_is_allowed(void **state)
{
    outbox_fixture *fixture = *state;
    static const char text[] = "static";
    assert_int_equal(emi_outbox_append_borrowed(&fixture->outbox, &fixture->pool, text, 6, NULL, NULL), EM_OK);
    bytes_append(&fixture->model, text, 6);
    check(fixture, EMI_MAX_SPANS);
    consume(fixture, 6);
}

static void the_limit_of_all_outboxes_holds_to_the_byte(void **state)
{
    outbox_fixture *fixture = *state;
    emi_outbox other = {.first = NULL};
    fixture->pool.limit_bytes = 1000;
    assert_int_equal(emi_outbox_append(&other, &fixture->pool, "0123456789", 10), EM_OK);
    assert_int_equal(append(fixture, 991), EM_LOOP_OUTBOX_LIMIT);
    assert_int_equal(borrow(fixture, 991), EM_LOOP_OUTBOX_LIMIT);
    assert_int_equal(append(fixture, 990), EM_OK);
    assert_int_equal(append(fixture, 1), EM_LOOP_OUTBOX_LIMIT);
    assert_int_equal(fixture->pool.bytes, 1000);
    emi_outbox_clear(&other, &fixture->pool);
    assert_int_equal(append(fixture, 10), EM_OK);
    assert_int_equal(emi_outbox_append(&other, &fixture->pool, "", SIZE_MAX), EM_LOOP_OUTBOX_LIMIT);
}

static void without_memory_all_or_nothing_is_appended(void **state)
{
    outbox_fixture *fixture = *state;
    for (unsigned long n = 1; n <= 8; n++) {
        assert_int_equal(append(fixture, 100), EM_OK);
        size_t before = fixture->outbox.bytes;
        emi_outbox_pool_clear(&fixture->pool);
        failing_allocator_fail(&fixture->allocator, n, EM_ON);
        em_status status = append(fixture, 2000000 - 4000);
        assert_int_equal(fixture->outbox.bytes, status == EM_OK ? before + 2000000 - 4000 : before);
        assert_int_equal(status, n <= 8 ? EM_NO_MEMORY : EM_OK);
        failing_allocator_fail(&fixture->allocator, 1, EM_ON);
        assert_int_equal(borrow(fixture, 10), EM_NO_MEMORY);
        failing_allocator_fail(&fixture->allocator, 0, EM_DEFAULT);
        check(fixture, EMI_MAX_SPANS);
    }
    assert_int_equal(fixture->released, 0);
}

static void random_steps_agree_with_a_flat_buffer(void **state)
{
    outbox_fixture *fixture = *state;
    uint64_t seed = 7;
    for (unsigned step = 0; step < 25000; step++) {
        size_t length = 1 + random_below(&seed, random_below(&seed, 20) == 0 ? 300000 : 3000);
        if (random_below(&seed, 30) == 0)
            failing_allocator_fail(&fixture->allocator, 1 + random_below(&seed, 2), EM_OFF);
        switch (random_below(&seed, 4)) {
        case 0:
            append(fixture, length);
            break;
        case 1:
            borrow(fixture, length);
            break;
        case 2:
            consume(fixture, random_below(&seed, 2 * length));
            break;
        default:
            if (fixture->outbox.bytes > 500000)
                consume(fixture, random_below(&seed, (uint64_t)fixture->outbox.bytes + 1));
        }
        check(fixture, 1 + (unsigned)random_below(&seed, EMI_MAX_SPANS));
    }
    assert_true(atomic_load(&fixture->allocator.failures) > 50);
}

static void bytes_before_a_mark_are_gathered_and_those_behind_it_wait(void **state)
{
    outbox_fixture *fixture = *state;
    emi_outbox *outbox = &fixture->outbox;
    emi_span spans[EMI_MAX_SPANS];
    int owner;
    assert_null(emi_outbox_first_mark(outbox));
    assert_int_equal(append(fixture, 10), EM_OK);
    assert_int_equal(emi_outbox_append_mark(outbox, &fixture->pool, &owner), EM_OK);
    assert_int_equal(append(fixture, 20), EM_OK);
    assert_int_equal(emi_outbox_gather_to_mark(outbox, spans, EMI_MAX_SPANS), 1);
    assert_int_equal(spans[0].length, 10);
    assert_null(emi_outbox_first_mark(outbox));
    consume(fixture, 10);
    assert_int_equal(emi_outbox_gather_to_mark(outbox, spans, EMI_MAX_SPANS), 0);
    assert_ptr_equal(emi_outbox_first_mark(outbox), &owner);
    assert_int_equal(outbox->bytes, 20);
    emi_outbox_remove_mark(outbox, &fixture->pool);
    check(fixture, EMI_MAX_SPANS);
}

static void bytes_put_before_a_mark_leave_first(void **state)
{
    outbox_fixture *fixture = *state;
    emi_outbox *outbox = &fixture->outbox;
    emi_span spans[EMI_MAX_SPANS];
    int owner;
    void *room;
    size_t capacity = 65536;
    assert_int_equal(emi_outbox_append_mark(outbox, &fixture->pool, &owner), EM_OK);
    emi_outbox_block *block = emi_outbox_make_block(&fixture->pool, &capacity, &room);
    assert_non_null(block);
    assert_int_equal(capacity, 65536);
    memset(room, 'f', 5);
    emi_outbox_put_first(outbox, &fixture->pool, block, 5);
    assert_int_equal(outbox->bytes, 5);
    assert_int_equal(emi_outbox_gather_to_mark(outbox, spans, EMI_MAX_SPANS), 1);
    assert_memory_equal(spans[0].data, "fffff", 5);
    emi_outbox_consume(outbox, &fixture->pool, 5);
    assert_ptr_equal(emi_outbox_first_mark(outbox), &owner);
    block = emi_outbox_make_block(&fixture->pool, &capacity, &room);
    emi_outbox_put_first(outbox, &fixture->pool, block, 0);
    assert_int_equal(outbox->bytes, 0);
    assert_ptr_equal(emi_outbox_first_mark(outbox), &owner);
}

static void clearing_drops_marks_and_what_is_between_them(void **state)
{
    outbox_fixture *fixture = *state;
    int owner;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(emi_outbox_append_mark(&fixture->outbox, &fixture->pool, &owner), EM_OK);
        assert_int_equal(append(fixture, 5000), EM_OK);
        assert_int_equal(borrow(fixture, 10), EM_OK);
    }
    assert_int_equal(emi_outbox_append_mark(&fixture->outbox, &fixture->pool, &owner), EM_OK);
    emi_outbox_clear(&fixture->outbox, &fixture->pool);
    assert_int_equal(fixture->released, 3);
    assert_null(fixture->outbox.first);
    assert_int_equal(fixture->pool.bytes, 0);
}

static void without_memory_no_mark_is_appended(void **state)
{
    outbox_fixture *fixture = *state;
    int owner;
    void *room;
    size_t capacity = 65536;
    failing_allocator_fail(&fixture->allocator, 1, EM_OFF);
    assert_int_equal(emi_outbox_append_mark(&fixture->outbox, &fixture->pool, &owner), EM_NO_MEMORY);
    failing_allocator_fail(&fixture->allocator, 1, EM_OFF);
    assert_null(emi_outbox_make_block(&fixture->pool, &capacity, &room));
    assert_null(fixture->outbox.first);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_outbox_gathers_nothing_and_owns_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pieces_of_every_size_come_out_as_they_went_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_small_pieces_are_packed_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_once_gathered_stay_where_they_are_while_more_is_appended, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(consuming_byte_by_byte_crosses_every_boundary, set_up, tear_down),
        cmocka_unit_test_setup_teardown(borrowed_bytes_are_released_when_their_last_byte_is_consumed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(borrowing_without_a_release_function_is_allowed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_limit_of_all_outboxes_holds_to_the_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_all_or_nothing_is_appended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_before_a_mark_are_gathered_and_those_behind_it_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_put_before_a_mark_leave_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clearing_drops_marks_and_what_is_between_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_no_mark_is_appended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_steps_agree_with_a_flat_buffer, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
