/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Random numbers by getentropy(3): those of getrandom(2), without a descriptor.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <sys/random.h> /* some systems declare it there, others in the next one */
#include <unistd.h>

#include "system/random.h"
#include "system/system_error.h"

em_status emi_random_bytes(void *bytes, size_t length)
{
    return getentropy(bytes, length) == 0 ? EM_OK : emi_last_status();
}

#endif
