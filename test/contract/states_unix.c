/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Awkward states over Unix-domain sockets, one connection at a time: every state × every move of its peer × every move
 * of ours, in both orders. The tables are in support/states_table.c, the rules in support/states_model.c.
 */
#include "support/states_run.h"

int main(void)
{
    return states_run_alone(STATES_UNIX);
}
