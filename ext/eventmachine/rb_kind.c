/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The table of each kind.
 */
#include "rb_kind.h"

const rb_em_operations *rb_em_operations_of(const rb_em_slot *slot)
{
    static const rb_em_operations *const tables[] = {
        [RB_EM_CONNECTION] = &rb_em_stream_operations,
        [RB_EM_DATAGRAM_SOCKET] = &rb_em_datagram_operations,
        [RB_EM_FILE_WATCH] = &rb_em_file_watch_operations,
        [RB_EM_PROCESS] = &rb_em_process_operations,
        [RB_EM_PROCESS_WATCH] = &rb_em_process_watch_operations,
        [RB_EM_SERVER] = &rb_em_server_operations,
        [RB_EM_DESCRIPTOR_WATCH] = &rb_em_descriptor_watch_operations,
        [RB_EM_KEYBOARD] = &rb_em_keyboard_operations,
    };
    return tables[slot->kind];
}
