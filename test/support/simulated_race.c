/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Beginning races over the simulated backend.
 */
#include "support/simulated_race.h"

#include <stdio.h>

em_address simulated_race_address(int number)
{
    em_address address;
    char text[64];
    snprintf(text, sizeof text, number < 0 ? "2001:db8::%d" : "192.0.2.%d", number < 0 ? -number : number);
    assert_int_equal(em_address_from_text(text, 80, &address), EM_OK);
    return address;
}

em_status simulated_race_begin(recorder *told, const int *numbers, size_t count, const em_connect_options *given)
{
    em_connect_options options = given ? *given : (em_connect_options){.size = sizeof options};
    em_address addresses[SIMULATED_RACE_MOST];
    options.user = told;
    for (size_t i = 0; i < count; i++)
        addresses[i] = simulated_race_address(numbers[i]);
    em_connection *connection;
    return em_loop_connect_addresses(told->fixture->loop, addresses, count, &recording, &options, &connection);
}
