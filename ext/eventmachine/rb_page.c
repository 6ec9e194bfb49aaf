/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Slots, and the pages they live in. A page is an object of Ruby's own with write barriers, so the collector looks at
 * it again only after one of its slots has changed: many idle connections cost a minor collection nothing. Pages stay
 * where they are and are kept for reuse; what their slots refer to may be moved by GC.compact.
 */
#include "rb_eventmachine.h"

enum { SLOTS_PER_PAGE = 100 };

typedef struct page {
    VALUE self;
    struct page *next;
    rb_em_slot slots[SLOTS_PER_PAGE];
} page;

/* The root of all pages, an object, too: one that is always reachable. */
static struct {
    VALUE self;
    page *first;
    rb_em_slot *free;
} book;

static void mark_page(void *data)
{
    page *page = data;
    for (unsigned i = 0; i < SLOTS_PER_PAGE; i++)
        if (page->slots[i].kind != RB_EM_FREE)
            rb_gc_mark_movable(page->slots[i].value);
}

static void update_page(void *data)
{
    page *page = data;
    for (unsigned i = 0; i < SLOTS_PER_PAGE; i++)
        if (page->slots[i].kind != RB_EM_FREE)
            page->slots[i].value = rb_gc_location(page->slots[i].value);
}

static size_t page_size(const void *data)
{
    return data ? sizeof(page) : 0;
}

static const rb_data_type_t page_type = {
    .wrap_struct_name = "eventmachine/page",
    .function = {.dmark = mark_page, .dsize = page_size, .dcompact = update_page},
    .flags = RUBY_TYPED_WB_PROTECTED,
};

/* Marking without leave to move keeps the pages' own objects in place, so that page.self stays true. */
static void mark_book(void *data)
{
    for (page *page = book.first; page; page = page->next)
        rb_gc_mark(page->self);
}

static const rb_data_type_t book_type = {
    .wrap_struct_name = "eventmachine/pages",
    .function = {.dmark = mark_book},
    .flags = RUBY_TYPED_WB_PROTECTED,
};

static void add_page(void)
{
    page *page;
    VALUE self = TypedData_Make_Struct(rb_cObject, struct page, &page_type, page);
    page->self = self;
    for (unsigned i = SLOTS_PER_PAGE; i-- > 0;) {
        rb_em_slot *slot = &page->slots[i];
        slot->index = (uint8_t)i;
        slot->native.next = book.free;
        book.free = slot;
    }
    page->next = book.first;
    book.first = page;
    RB_OBJ_WRITTEN(book.self, Qundef, self);
}

static page *page_of(rb_em_slot *slot)
{
    return (page *)((char *)(slot - slot->index) - offsetof(page, slots));
}

rb_em_slot *rb_em_slot_take(rb_em_kind kind, VALUE value)
{
    if (!book.free)
        add_page();
    rb_em_slot *slot = book.free;
    book.free = slot->native.next;
    slot->native.next = NULL;
    slot->signature = 0;
    slot->flags = 0;
    slot->kind = (uint8_t)kind;
    rb_em_slot_set(slot, value);
    return slot;
}

void rb_em_slot_set(rb_em_slot *slot, VALUE value)
{
    RB_OBJ_WRITE(page_of(slot)->self, &slot->value, value);
}

void rb_em_slot_give_back(rb_em_slot *slot)
{
    slot->kind = RB_EM_FREE;
    slot->value = Qnil;
    slot->native.next = book.free;
    book.free = slot;
}

void rb_em_slot_each(bool (*visit)(rb_em_slot *slot, void *data), void *data)
{
    for (page *page = book.first; page; page = page->next)
        for (unsigned i = 0; i < SLOTS_PER_PAGE; i++)
            if (page->slots[i].kind != RB_EM_FREE && !visit(&page->slots[i], data))
                return;
}

void rb_em_define_pages(void)
{
    book.self = TypedData_Wrap_Struct(rb_cObject, &book_type, &book);
    rb_gc_register_mark_object(book.self);
}
