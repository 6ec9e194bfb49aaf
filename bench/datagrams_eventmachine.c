/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The echo server for datagrams on our library. */
#include "datagrams_eventmachine.h"

int main(int argc, char **argv)
{
    return datagrams_run(echo_prepare(argc, argv), NULL);
}
