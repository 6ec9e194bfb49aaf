/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The memory into which the kernel receives, io_uring_register_buf_ring(3): a ring of buffers, from which the kernel takes one
 * whenever something arrives. They are given back as soon as the owner has seen them, so there is one set per loop and none per
 * connection.
 */
#include "base/features.h"

#if EMI_HAVE_URING

#include <string.h>
#include <sys/mman.h>

#include "io/uring_private.h"
#include "system/system_error.h"

enum { GROUP = 0, FIRST_BUFFERS = 2 };

/* Of Linux 6.12, and younger than some liburing: IOU_PBUF_RING_INC, which goes where older headers have `pad`. */
enum { REGISTER_INCREMENTAL = 2 };
/* IORING_CQE_F_BUF_MORE: the kernel goes on filling this buffer. */
enum { BUFFER_STAYS = 16 };

static unsigned buffer_number(const emi_uring_completion *completion)
{
    return completion->flags >> IORING_CQE_BUFFER_SHIFT;
}

static void lend(emi_uring_buffers *buffers, unsigned number)
{
    buffers->used[number] = 0;
    io_uring_buf_ring_add(buffers->ring, buffers->memory + (size_t)number * buffers->bytes, buffers->bytes,
                          (unsigned short)number, io_uring_buf_ring_mask(buffers->count), 0);
    io_uring_buf_ring_advance(buffers->ring, 1);
}

static em_status map(size_t bytes, void **memory)
{
    *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (*memory != MAP_FAILED)
        return EM_OK;
    *memory = NULL;
    return EM_NO_MEMORY;
}

static em_status register_ring(emi_uring *uring)
{
    emi_uring_buffers *buffers = &uring->buffers;
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)buffers->ring,
        .ring_entries = buffers->count,
        .bgid = GROUP,
        .pad = buffers->incremental ? REGISTER_INCREMENTAL : 0,
    };
    int result = io_uring_register_buf_ring(&uring->ring, &registration, 0);
    return result < 0 ? emi_status_from_errno(-result) : EM_OK;
}

em_status emi_uring_open_buffers(emi_uring *uring, unsigned count, uint32_t bytes, bool incremental)
{
    emi_uring_buffers *buffers = &uring->buffers;
    *buffers = (emi_uring_buffers){
        .ring_bytes = count * sizeof(struct io_uring_buf),
        .memory_bytes = (size_t)count * bytes,
        .count = count,
        .bytes = bytes,
        .incremental = incremental,
    };
    void *ring = NULL;
    void *memory = NULL;
    em_status status = map(buffers->ring_bytes, &ring);
    buffers->ring = ring;
    if (status == EM_OK)
        status = map(buffers->memory_bytes, &memory);
    buffers->memory = memory;
    if (status == EM_OK && !(buffers->used = emi_allocate_zeroed(uring->memory, count * sizeof *buffers->used)))
        status = EM_NO_MEMORY;
    /* The kernel holds on to these pages: after a fork, the first write must not leave the parent with a copy of them. */
    if (status == EM_OK && madvise(ring, buffers->ring_bytes, MADV_DONTFORK) < 0)
        status = emi_last_status();
    if (status == EM_OK)
        status = register_ring(uring);
    if (status != EM_OK) {
        emi_uring_close_buffers(uring);
        return status;
    }
    emi_uring_lend_more(uring);
    return EM_OK;
}

/* Few at first, so that a loop with little to do touches little memory. */
void emi_uring_lend_more(emi_uring *uring)
{
    emi_uring_buffers *buffers = &uring->buffers;
    unsigned more = buffers->lent > 0 ? buffers->lent : FIRST_BUFFERS;
    for (; more > 0 && buffers->lent < buffers->count; more--)
        lend(buffers, buffers->lent++);
}

void emi_uring_close_buffers(emi_uring *uring)
{
    emi_uring_buffers *buffers = &uring->buffers;
    if (buffers->memory)
        munmap(buffers->memory, buffers->memory_bytes);
    /* A forked child never had it, and may have something else there by now. */
    if (buffers->ring && !emi_uring_is_forked(uring))
        munmap(buffers->ring, buffers->ring_bytes);
    emi_release(uring->memory, buffers->used);
    *buffers = (emi_uring_buffers){.count = 0};
}

unsigned char *emi_uring_received(const emi_uring *uring, const emi_uring_completion *completion)
{
    const emi_uring_buffers *buffers = &uring->buffers;
    unsigned number = buffer_number(completion);
    return buffers->memory + (size_t)number * buffers->bytes + buffers->used[number];
}

void emi_uring_give_back(emi_uring *uring, const emi_uring_completion *completion)
{
    emi_uring_buffers *buffers = &uring->buffers;
    unsigned number = buffer_number(completion);
    if (buffers->incremental && (completion->flags & BUFFER_STAYS))
        buffers->used[number] += completion->result > 0 ? (uint32_t)completion->result : 0;
    else
        lend(buffers, number);
}

bool emi_uring_is_cut(const emi_uring *uring, const emi_uring_completion *completion)
{
    if (!(completion->flags & IORING_CQE_F_SOCK_NONEMPTY) || completion->result <= 0)
        return false;
    const emi_uring_buffers *buffers = &uring->buffers;
    return buffers->used[buffer_number(completion)] + (uint32_t)completion->result == buffers->bytes;
}

#endif
