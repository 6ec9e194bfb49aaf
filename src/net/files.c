/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The queue of the files that a connection sends. A file is finished when the system has taken its last byte, however
 * that byte got there: the connection counts all bytes that it sends, and each file knows its place among them.
 */
#include "net/files_private.h"

#include "base/invariant.h"
#include "net/net_private.h"
#include "system/file.h"
#include "system/socket.h"

static emi_files *files_of(const em_connection *connection)
{
    return connection->extras ? connection->extras->files : NULL;
}

static emi_outgoing_file *file_at(emi_list *link)
{
    return EMI_CONTAINER(link, emi_outgoing_file, link);
}

static emi_outgoing_file *first_queued(const emi_files *files)
{
    return file_at(files->queued.next);
}

static uint64_t sent_of(const emi_outgoing_file *file)
{
    uint64_t sent = file->connection->bytes_sent;
    if (sent <= file->begin)
        return 0;
    return sent - file->begin < file->length ? sent - file->begin : file->length;
}

bool emi_files_are_waiting(const em_connection *connection)
{
    const emi_files *files = files_of(connection);
    return files && !emi_list_is_empty(&files->queued);
}

bool emi_files_await_disk(const em_connection *connection)
{
    const emi_outgoing_file *file = emi_outbox_first_mark(&connection->outbox);
    return file && file->fetch && file->offset >= file->cached_until;
}

uint64_t emi_files_unsent_bytes(const em_connection *connection)
{
    const emi_files *files = files_of(connection);
    return emi_files_are_waiting(connection) ? files->queued_bytes - sent_of(first_queued(files)) : 0;
}

size_t emi_files_bytes_in_memory(const em_connection *connection)
{
    const emi_files *files = files_of(connection);
    return files ? (size_t)(emi_files_unsent_bytes(connection) - files->unread_bytes) : 0;
}

/* Appending */

static em_status make_files(em_connection *connection)
{
    emi_connection_extras *extras = emi_connection_extras_of(connection);
    if (extras && !extras->files) {
        extras->files = emi_allocate_zeroed(&connection->object.loop->memory, sizeof *extras->files);
        if (extras->files) {
            emi_list_init(&extras->files->queued);
            emi_list_init(&extras->files->finished);
        }
    }
    return extras && extras->files ? EM_OK : EM_NO_MEMORY;
}

static uint64_t position_of_end(const em_connection *connection)
{
    return connection->bytes_sent + emi_connection_outbound_bytes(connection) + emi_files_unsent_bytes(connection);
}

static void queue(em_connection *connection, emi_outgoing_file *file)
{
    emi_files *files = connection->extras->files;
    file->connection = connection;
    file->begin = position_of_end(connection);
    emi_list_init(&file->link);
    emi_list_append(&files->queued, &file->link);
    files->queued_bytes += file->length;
    files->unread_bytes += file->length;
    connection->channel.events = emi_connection_choose_events(connection);
    emi_files_note_sent(connection); /* an empty one may be finished already */
}

em_status emi_files_append(em_connection *connection, const emi_outgoing_file *given)
{
    em_loop *loop = connection->object.loop;
    em_status status = make_files(connection);
    if (status != EM_OK)
        return status;
    emi_outgoing_file *file = emi_allocate(&loop->memory, sizeof *file);
    if (!file)
        return EM_NO_MEMORY;
    *file = *given;
    bool was_empty = !connection->outbox.first;
    if (file->length > 0)
        status = emi_outbox_append_mark(&connection->outbox, &loop->outboxes, file);
    if (status != EM_OK) {
        emi_release(&loop->memory, file);
        return status;
    }
    queue(connection, file);
    emi_connection_note_added(connection, was_empty);
    return EM_OK;
}

/* Sending */

/* The next `length` bytes of the file are sent, or in memory. */
static void advance(emi_outgoing_file *file, size_t length)
{
    em_connection *connection = file->connection;
    EMI_INVARIANT(length <= file->unread_bytes);
    file->offset += length;
    file->unread_bytes -= length;
    connection->extras->files->unread_bytes -= length;
    if (file->unread_bytes == 0)
        emi_outbox_remove_mark(&connection->outbox, &connection->object.loop->outboxes);
}

void emi_files_note_taken(em_connection *connection, size_t length)
{
    advance(emi_outbox_first_mark(&connection->outbox), length);
}

static size_t least_of(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t least = a < b ? a : b;
    return (size_t)(least < c ? least : c);
}

/* Reads up to *length bytes, and sets *length. */
static em_status read_into(const emi_outgoing_file *file, void *room, size_t *length)
{
    size_t capacity = *length;
    em_status status;
    do
        status = emi_file_read(file->descriptor, file->offset, room, capacity, length);
    while (status == EM_INTERRUPTED);
    return status == EM_OK && *length == 0 ? EM_FILE_TRUNCATED : status;
}

/* Returns false if the connection has ended. */
static bool read_piece(emi_outgoing_file *file)
{
    em_connection *connection = file->connection;
    emi_outbox_pool *pool = &connection->object.loop->outboxes;
    size_t length = least_of(file->unread_bytes, file->cached_until - file->offset, EMI_FILE_PIECE_BYTES);
    size_t room_bytes = length;
    void *room;
    emi_outbox_block *block = emi_outbox_make_block(pool, &room_bytes, &room);
    em_status status = block ? read_into(file, room, &length) : EM_NO_MEMORY;
    if (status == EM_OK)
        advance(file, length);
    else
        emi_files_fail(connection, status);
    if (block)
        emi_outbox_put_first(&connection->outbox, pool, block, status == EM_OK ? length : 0);
    return status == EM_OK;
}

static bool must_be_read(const emi_outgoing_file *file)
{
    const emi_channel *channel = &file->connection->channel;
    return file->must_be_read || emi_gate_of(file->connection) || channel->descriptor_kind != EMI_SOCKET ||
           !channel->backend->operations->sends_files;
}

bool emi_files_provide(em_connection *connection)
{
    emi_outgoing_file *file = emi_outbox_first_mark(&connection->outbox);
    if (!file)
        return connection->outbox.first != NULL;
    return !emi_connection_has_ended(connection) && must_be_read(file) && emi_file_is_ready(file) && read_piece(file);
}

bool emi_files_gather(em_connection *connection, emi_file_span *piece)
{
    emi_outgoing_file *file = emi_outbox_first_mark(&connection->outbox);
    if (!file || must_be_read(file) || !emi_file_is_ready(file))
        return false;
    *piece = (emi_file_span){
        .descriptor = file->descriptor,
        .offset = file->offset,
        .length = least_of(file->unread_bytes, file->cached_until - file->offset, EMI_FILE_WINDOW_BYTES),
    };
    return true;
}

void emi_files_refuse(em_connection *connection, em_status reason)
{
    emi_outgoing_file *file = emi_outbox_first_mark(&connection->outbox);
    if (reason == EM_UNSUPPORTED)
        file->must_be_read = true;
    else
        emi_files_fail(connection, reason);
}

/* Finishing */

void emi_files_note_sent(em_connection *connection)
{
    emi_files *files = connection->extras->files;
    while (!emi_list_is_empty(&files->queued)) {
        emi_outgoing_file *file = first_queued(files);
        if (connection->bytes_sent < file->begin + file->length)
            return;
        files->queued_bytes -= file->length;
        emi_list_remove(&file->link);
        emi_list_append(&files->finished, &file->link);
        emi_object_list(&connection->object);
    }
    if (connection->channel.events == &emi_connection_events_with_extras)
        connection->channel.events = emi_connection_choose_events(connection);
}

/* The file is in no list any more. */
static void finish(emi_outgoing_file *file, em_status status)
{
    em_connection *connection = file->connection;
    em_loop *loop = connection->object.loop;
    emi_outgoing_file own = *file;
    uint64_t sent_bytes = sent_of(file);
    emi_file_leave(file);
    emi_release(&loop->memory, file);
    if (own.done)
        own.done(connection, own.user, status, sent_bytes);
}

/* In a child that one of them has forked, the others wait for em_loop_take_over. */
static void put_back(em_connection *connection, emi_list *rest)
{
    emi_files *files = connection->extras->files;
    emi_list_move_all(rest, &files->finished);
    emi_list_move_all(&files->finished, rest);
    if (!emi_list_is_empty(&files->finished))
        emi_object_list(&connection->object);
}

void emi_files_finish(em_connection *connection)
{
    emi_files *files = files_of(connection);
    emi_list finished;
    if (!files || emi_list_is_empty(&files->finished))
        return;
    emi_list_init(&finished);
    emi_list_move_all(&finished, &files->finished);
    bool was_forked = emi_loop_is_forked(connection->object.loop);
    for (emi_list *link; (link = emi_list_take_first(&finished));) {
        finish(file_at(link), EM_OK);
        if (emi_loop_is_forked(connection->object.loop) != was_forked) {
            put_back(connection, &finished);
            return;
        }
    }
    emi_connection_act_if_sent(connection);
}

void emi_files_fail(em_connection *connection, em_status reason)
{
    if (emi_connection_has_ended(connection))
        return;
    if (emi_gate_of(connection))
        connection->extras->gate->has_failed = true;
    if (connection->channel.backend && !connection->channel.released)
        emi_socket_reset(connection->channel.descriptor);
    emi_connection_end(connection, reason);
}

void emi_files_give_up(em_connection *connection)
{
    emi_files *files = files_of(connection);
    if (!files)
        return;
    emi_list finished, waiting;
    emi_list_init(&finished);
    emi_list_init(&waiting);
    emi_list_move_all(&finished, &files->finished);
    emi_list_move_all(&waiting, &files->queued);
    emi_outbox_cut(&connection->outbox, &connection->object.loop->outboxes);
    files->queued_bytes = 0;
    files->unread_bytes = 0;
    for (emi_list *link; (link = emi_list_take_first(&finished));)
        finish(file_at(link), EM_OK);
    em_status reason = (em_status)connection->object.reason;
    for (emi_list *link; (link = emi_list_take_first(&waiting));)
        finish(file_at(link), reason == EM_OK ? EM_CLOSED : reason);
}

void emi_files_free(em_connection *connection)
{
    emi_files *files = files_of(connection);
    if (!files)
        return;
    EMI_INVARIANT(emi_list_is_empty(&files->queued) && emi_list_is_empty(&files->finished));
    emi_release(&connection->object.loop->memory, files);
}
