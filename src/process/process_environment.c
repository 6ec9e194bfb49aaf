/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Environments of child processes, environ(7): arrays of strings "NAME=value".
 */
#include <string.h>

#include "process/process_private.h"
#include "system/program.h"

static size_t count_of(const char *const *strings)
{
    size_t count = 0;
    while (strings && strings[count])
        count++;
    return count;
}

static size_t name_length(const char *string)
{
    return strcspn(string, "=");
}

static bool is_same_name(const char *string, const char *other)
{
    size_t length = name_length(string);
    return length == name_length(other) && memcmp(string, other, length) == 0;
}

static size_t without(char **strings, size_t count, const char *name)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_same_name(strings[i], name))
            strings[left++] = strings[i];
    return left;
}

/* The array's type is that of posix_spawn(3), which changes none of the strings. */
static char *unconst(const char *string)
{
    union {
        const char *given;
        char *expected;
    } pointer = {.given = string};
    return pointer.expected;
}

static void apply(char **strings, size_t count, const char *const *changes)
{
    for (; *changes; changes++) {
        count = without(strings, count, *changes);
        if (strchr(*changes, '='))
            strings[count++] = unconst(*changes);
    }
    strings[count] = NULL;
}

char *const *emi_process_environment(const emi_memory *memory, const em_process_options *options, void **allocation)
{
    const char *const *changes = options->environment_changes;
    const char *const *given = options->environment ? options->environment : emi_own_environment();
    size_t count = count_of(given);
    char **strings = emi_allocate(memory, (count + count_of(changes) + 1) * sizeof *strings);
    *allocation = strings;
    if (!strings)
        return NULL;
    for (size_t i = 0; i < count; i++)
        strings[i] = unconst(given[i]);
    strings[count] = NULL;
    if (changes)
        apply(strings, count, changes);
    return strings;
}

const char *emi_environment_get(char *const *environment, const char *name)
{
    for (; *environment; environment++)
        if (is_same_name(*environment, name) && strchr(*environment, '='))
            return strchr(*environment, '=') + 1;
    return NULL;
}
