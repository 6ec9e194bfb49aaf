/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The bare proxy for messages: read(2) and write(2), with a buffer for each direction that has something waiting. */
#include "proxy_bare.h"

static unsigned char shared[ECHO_BUFFER_BYTES];

static bool keep(struct side *side, const unsigned char *bytes, size_t length)
{
    side->buffer = side->buffer ? side->buffer : malloc(ECHO_BUFFER_BYTES);
    if (!side->buffer)
        echo_fail("malloc");
    memcpy(side->buffer, bytes, length);
    side->begin = 0;
    side->waiting = length;
    return true;
}

static bool flush(struct side *side)
{
    while (side->waiting > 0) {
        ssize_t n = write(side->other, side->buffer + side->begin, side->waiting);

        if (n < 0)
            return errno == EAGAIN;
        side->begin += (size_t)n;
        side->waiting -= (size_t)n;
    }
    return true;
}

static bool relay(struct side *side)
{
    if (!flush(side))
        return false;
    while (side->waiting == 0 && !side->has_ended) {
        ssize_t length = read(side->fd, shared, sizeof shared);

        if (length < 0)
            return errno == EAGAIN;
        side->has_ended = length == 0;
        if (length == 0)
            return true;

        ssize_t n = write(side->other, shared, (size_t)length);

        if (n < 0 && errno != EAGAIN)
            return false;
        if (n < length)
            keep(side, shared + (n > 0 ? n : 0), (size_t)(length - (n > 0 ? n : 0)));
        if (length < (ssize_t)sizeof shared)
            return true; /* nothing is left to read; the end is reported by another event */
    }
    return true;
}

int main(int argc, char **argv)
{
    proxy_run(argc, argv, relay);
}
