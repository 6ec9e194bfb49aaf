/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The echo server for datagrams on our library, with segmentation in both directions. */
#include "datagrams_eventmachine.h"

int main(int argc, char **argv)
{
    em_datagram_options options = {.size = sizeof options, .segmentation = EM_ON, .receive_offload = EM_ON};

    return datagrams_run(echo_prepare(argc, argv), &options);
}
