/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * File watches: watch_filename and unwatch_filename. What happens to a file arrives as one of three words in
 * receive_data; lib/em/file_watch.rb calls the callbacks.
 *
 * As in 1.x only the first watch of a file is served. A further one has a signature and an object, but nothing native:
 * it reports nothing and gets no unbind, and is forgotten when it is stopped or the reactor is released.
 */
#include <errno.h>
#include <string.h>

#include "rb_define.h"
#include "rb_handler.h"
#include "rb_hold.h"
#include "rb_kind.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_open.h"
#include "rb_state.h"
#include "rb_status.h"
#include "rb_table.h"
#include "rb_unbind.h"

static VALUE receive_word(VALUE argument)
{
    const rb_em_message *message = (void *)argument;
    VALUE object = rb_em_receiver(message);
    return rb_em_call_receive_data(object, rb_usascii_str_new(message->data, (long)message->length));
}

static void deliver(rb_em_slot *slot, const char *word)
{
    rb_em_message message = {slot, word, strlen(word)};
    rb_em_deliver(receive_word, &message);
}

/* The words, and the flags that note them while the watch is held. */
static const struct {
    const char *word;
    uint16_t flag;
} changes[] = {{"modified", RB_EM_MODIFIED}, {"moved", RB_EM_MOVED}, {"deleted", RB_EM_DELETED}};

enum { MODIFIED, MOVED, DELETED, CHANGES };

/* A callback may stop the watch. */
static void report_held(rb_em_slot *slot)
{
    uint64_t signature = slot->signature;
    for (unsigned i = 0; i < CHANGES && rb_em_table_find(signature) == slot; i++)
        if (slot->flags & changes[i].flag)
            deliver(slot, changes[i].word);
}

/* The native watch may outlive the slot until its own unbind, see unwatch_filename. */
static void on_event(em_file_watch *watch, unsigned change)
{
    rb_em_slot *slot = em_file_watch_get_user(watch);
    if (!slot)
        return;
    if (rb_em_note_completed(slot))
        slot->flags |= changes[change].flag;
    else
        deliver(slot, changes[change].word);
}

static void on_modified(em_file_watch *watch, em_file_change change, const char *name)
{
    on_event(watch, MODIFIED);
}

static void on_moved(em_file_watch *watch)
{
    on_event(watch, MOVED);
}

static void on_deleted(em_file_watch *watch)
{
    on_event(watch, DELETED);
}

/* Anything may have happened. */
static void on_lost(em_file_watch *watch)
{
    on_event(watch, MODIFIED);
}

/* "deleted" has reported that the file is gone. */
static void on_unbind(em_file_watch *watch, em_status reason)
{
    rb_em_slot *slot = em_file_watch_get_user(watch);
    if (slot)
        rb_em_ended(slot, reason == EM_NO_SUCH_FILE ? EM_OK : reason);
}

static const em_file_watch_handler handler = {
    .file_modified = on_modified,
    .file_moved = on_moved,
    .file_deleted = on_deleted,
    .events_lost = on_lost,
    .unbind = on_unbind,
};

/* What the methods of Connection do. */

static void end_watch(rb_em_slot *slot)
{
    em_file_watch_stop(slot->native.object);
}

static int get_descriptor(const rb_em_slot *slot)
{
    return -1;
}

/* A further watch of a file has nothing native whose end would free it. */
static bool is_further(const rb_em_slot *slot)
{
    return !slot->native.object && !(slot->flags & (RB_EM_HELD | RB_EM_NEVER_OPENED));
}

static void discard(rb_em_slot *slot)
{
    if (is_further(slot))
        rb_em_table_delete(slot);
}

const rb_em_operations rb_em_file_watch_operations = {
    .end = end_watch,
    .get_descriptor = get_descriptor,
    .report_completed = report_held,
    .discard = discard,
};

/* Beginning and ending */

/* The name of a limit of inotify is only in the details. */
NORETURN(static void refuse(const char *path, em_status status));
static void refuse(const char *path, em_status status)
{
    rb_em_check_memory(status);
    int error = *path == '\0' ? ENOENT : rb_em_status_errno(status);
    const char *detail = em_status_get_detail(status);
    bool has_detail = strcmp(detail, em_status_get_text(status)) != 0;
    rb_em_raise("Unsupported", "error registering file %s for watching: %s", path,
                has_detail || error == 0 ? detail : strerror(error));
}

static bool is_first(const em_file_watch *watch)
{
    return em_file_watch_get_first(watch) == watch;
}

static VALUE make_silent(rb_em_slot *slot)
{
    em_file_watch *watch = slot->native.object;
    em_file_watch_set_user(watch, NULL);
    em_file_watch_stop(watch);
    slot->native.object = NULL;
    slot->flags |= RB_EM_SILENT | RB_EM_CLOSING; /* nothing is counted */
    return ULL2NUM(slot->signature);
}

static VALUE watch_filename(VALUE self, VALUE name)
{
    FilePathValue(name);
    const char *path = StringValueCStr(name);
    em_loop *loop = rb_em_loop_to_open("watch_filename");
    rb_em_slot *slot = rb_em_table_add(RB_EM_FILE_WATCH, Qnil);
    em_file_watch_options options = {.size = sizeof options, .user = slot};
    if (rb_em_is_too_late(slot))
        return rb_em_opened(slot);
    em_file_watch *watch;
    em_status status = em_loop_watch_file(loop, path, &handler, &options, &watch);
    if (status < 0) {
        rb_em_table_delete(slot);
        refuse(path, status);
    }
    slot->native.object = watch;
    RB_GC_GUARD(name);
    return is_first(watch) ? rb_em_opened(slot) : make_silent(slot);
}

/*
 * unbind is called within this method. The native watch, which ends later, does not report to the slot any more. Other
 * threads only end the native watch, because callbacks run on the reactor's.
 */
static VALUE unwatch_filename(VALUE self, VALUE signature)
{
    rb_em_loop("unwatch_filename");
    rb_em_slot *slot = rb_em_find(signature, RB_EM_FILE_WATCH);
    em_file_watch *watch = slot && !(slot->flags & RB_EM_CLOSING) ? slot->native.object : NULL;
    if (slot && is_further(slot))
        rb_em_table_delete(slot);
    if (!watch)
        rb_em_raise("InvalidSignature", "attempted to remove invalid watch signature");
    if (rb_em_is_reactor_thread())
        em_file_watch_set_user(watch, NULL);
    em_file_watch_stop(watch);
    rb_em_watch_stopped(slot);
    return Qnil;
}

void rb_em_define_file_watch(void)
{
    RB_EM_FUNCTION("watch_filename", watch_filename, 1);
    RB_EM_FUNCTION("unwatch_filename", unwatch_filename, 1);
}
