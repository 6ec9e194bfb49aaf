/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Entering a network namespace. An interface without ARP looks for no neighbours. What is sent by a dummy interface is
 * dropped, and so is what arrives at the other end of a veth(4) pair for somebody else.
 */
#include "support/network_namespace.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

bool run_command(const char *command)
{
    return system(command) == 0;
}

bool network_namespace_enter(void)
{
    if (!run_command("PATH=$PATH:/sbin:/usr/sbin ip -V >/dev/null 2>&1"))
        return false;
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return false;
    return run_command("PATH=$PATH:/sbin:/usr/sbin; exec 2>/dev/null; ip link set lo up &&"
                       "{ ip link add silent type dummy ||"
                       "  { ip link add silent type veth peer name sink && ip link set sink up; }; } &&"
                       "ip link set silent arp off up &&"
                       "ip addr add 192.0.2.1/24 dev silent && ip addr add 2001:db8::1/64 dev silent nodad");
}
