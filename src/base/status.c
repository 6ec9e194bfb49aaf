/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Names and texts of statuses, from the list in the public header, and the version of the library.
 */
#include <eventmachine/status.h>
#include <eventmachine/version.h>

#include <stdio.h>

#include "base/status_detail.h"

const char *em_status_get_text(em_status status)
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

const char *em_status_get_name(em_status status)
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

static _Thread_local em_status detailed_status;
static _Thread_local char detail[400];

void emi_set_status_detail(em_status status, const char *text)
{
    detailed_status = status;
    snprintf(detail, sizeof detail, "%s", text);
}

em_status emi_status_with_detail(em_status status, const char *text)
{
    emi_set_status_detail(status, text);
    return status;
}

em_status emi_status_without_detail(em_status status)
{
    if (status == detailed_status)
        detailed_status = EM_OK;
    return status;
}

const char *em_status_get_detail(em_status status)
{
    if (status >= EM_OK || status != detailed_status)
        return em_status_get_text(status);
    detailed_status = EM_OK;
    return detail;
}

int em_status_report(em_status status)
{
    if (status >= EM_OK)
        return 0;
    fprintf(stderr, "eventmachine: %s (%s)\n", em_status_get_detail(status), em_status_get_name(status));
    return 1;
}

const char *em_get_version(void)
{
    return EM_VERSION;
}
