/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A list of addresses without duplicates, in the order in which they are added.
 */
#include "dns/dns_addresses.h"

#include <string.h>

#include "system/socket.h"

bool emi_addresses_have(const emi_addresses *addresses, const em_address *address)
{
    for (unsigned i = 0; i < addresses->count; i++)
        if (emi_addresses_are_equal(&addresses->list[i], address))
            return true;
    return false;
}

static unsigned count_family(const emi_addresses *addresses, em_address_family family)
{
    unsigned count = 0;
    for (unsigned i = 0; i < addresses->count; i++)
        count += em_address_get_family(&addresses->list[i]) == family;
    return count;
}

/* Takes the last address of another family off a full list, so that a name with many IPv6 addresses keeps its IPv4
 * addresses. */
static void make_room(emi_addresses *addresses, em_address_family family)
{
    if (count_family(addresses, family) >= EMI_MOST_ADDRESSES / 2)
        return;
    unsigned last = addresses->count - 1;
    while (em_address_get_family(&addresses->list[last]) == family)
        last--;
    addresses->count--;
    memmove(&addresses->list[last], &addresses->list[last + 1], (addresses->count - last) * sizeof *addresses->list);
}

void emi_addresses_add(emi_addresses *addresses, const em_address *address)
{
    if (emi_addresses_have(addresses, address))
        return;
    if (addresses->count == EMI_MOST_ADDRESSES)
        make_room(addresses, em_address_get_family(address));
    if (addresses->count < EMI_MOST_ADDRESSES)
        addresses->list[addresses->count++] = *address;
}
