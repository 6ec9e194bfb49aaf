/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The backends that this system may have, and creating one of them.
 */
#ifndef EMI_BACKENDS_H
#define EMI_BACKENDS_H

#include "io/backend.h"

/**
 * Creates the backend of this name, or the best one that works if the name is NULL. Returns EM_UNKNOWN_BACKEND if this
 * system has none of this name or refuses it, else the status of its creation. *reason is set to why the best one, or
 * the one named, is unavailable; it is left as it was if that one is available.
 */
em_status emi_backend_create(const char *name, const emi_backend_settings *settings, emi_backend **backend,
                             const char **reason);

/** Writes the names of this system's backends, best first, separated by commas. */
void emi_backend_list_names(char *text, size_t capacity);

#endif
