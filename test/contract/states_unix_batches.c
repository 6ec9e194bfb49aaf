/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Awkward states over Unix-domain sockets, eight connections at a time: their peers move together, and the first
 * callback of one of them acts on all the others, whose input may have been read already. The rules are those of a
 * single connection.
 */
#include "support/states_run.h"

int main(void)
{
    return states_run_batches(STATES_UNIX);
}
