/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Slots, and the pages they live in. A page is a Ruby object with write barriers, so a minor collection marks it only
 * if one of its slots has changed: many idle connections cost it nothing. Pages never move and are kept for reuse.
 * GC.compact may move what their slots refer to.
 */
#include "rb_page.h"

#include "rb_define.h"

enum { SLOTS_PER_PAGE = 100 };

typedef struct page {
    VALUE self;
    struct page *next;
    rb_em_slot slots[SLOTS_PER_PAGE];
} page;

/* The root of all pages is an object, too, which is always reachable. */
static struct {
    VALUE self;
    page *first;
    rb_em_slot *free;
} pages;

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

/* rb_gc_mark pins the pages' own objects, so that page.self stays valid. */
static void mark_pages(void *data)
{
    for (page *page = pages.first; page; page = page->next)
        rb_gc_mark(page->self);
}

static const rb_data_type_t pages_type = {
    .wrap_struct_name = "eventmachine/pages",
    .function = {.dmark = mark_pages},
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
        slot->native.next = pages.free;
        pages.free = slot;
    }
    page->next = pages.first;
    pages.first = page;
    RB_OBJ_WRITTEN(pages.self, Qundef, self);
}

static page *page_of(rb_em_slot *slot)
{
    return (page *)((char *)(slot - slot->index) - offsetof(page, slots));
}

rb_em_slot *rb_em_slot_take(rb_em_kind kind, VALUE value)
{
    if (!pages.free)
        add_page();
    rb_em_slot *slot = pages.free;
    pages.free = slot->native.next;
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
    slot->native.next = pages.free;
    pages.free = slot;
}

void rb_em_slot_each(bool (*visit)(rb_em_slot *slot, void *data), void *data)
{
    for (page *page = pages.first; page; page = page->next)
        for (unsigned i = 0; i < SLOTS_PER_PAGE; i++)
            if (page->slots[i].kind != RB_EM_FREE && !visit(&page->slots[i], data))
                return;
}

void rb_em_define_pages(void)
{
    pages.self = TypedData_Wrap_Struct(rb_cObject, &pages_type, &pages);
    rb_gc_register_mark_object(pages.self);
}
