/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Names and texts of statuses, from the one list in the public header; and the library's version.
 */
#include <eventmachine/status.h>
#include <eventmachine/version.h>

#include <stdio.h>

const char *em_status_text(em_status status)
{
    switch (status) {
#define EMI_STATUS_TEXT(name, number, text)                                                                            \
    case name:                                                                                                         \
        return text;
        EM_STATUS_LIST(EMI_STATUS_TEXT)
#undef EMI_STATUS_TEXT
    }
    return "unknown status";
}

const char *em_status_name(em_status status)
{
    switch (status) {
#define EMI_STATUS_NAME(name, number, text)                                                                            \
    case name:                                                                                                         \
        return #name;
        EM_STATUS_LIST(EMI_STATUS_NAME)
#undef EMI_STATUS_NAME
    }
    return "unknown";
}

int em_report(em_status status)
{
    if (status >= EM_OK)
        return 0;
    fprintf(stderr, "eventmachine: %s (%s)\n", em_status_text(status), em_status_name(status));
    return 1;
}

const char *em_version(void)
{
    return EM_VERSION;
}
