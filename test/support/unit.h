/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What every unit test includes: cmocka and the headers that it wants before it.
 */
#ifndef TEST_UNIT_H
#define TEST_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/bytes.h"
#include "support/deadline.h"
#include "support/failing_allocator.h"

/** The number of elements of an array. */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
