/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Awkward states, the course of one scenario: the moves, the stages after them, the end of the peers; and whether the
 * model was right.
 */
#ifndef TEST_STATES_PLAY_H
#define TEST_STATES_PLAY_H

#include <stdbool.h>

#include "support/states_subject.h"

enum { STATES_FAULT_BYTES = 512 };

/**
 * Plays a scenario. Returns whether all was as the model says; otherwise `fault` says what was not. Either way the
 * subjects' logs are complete, and their connections and sockets are gone, or else `fault` says so.
 */
bool states_play(states_scene *scene, const states_scenario *scenario, unsigned count, char fault[STATES_FAULT_BYTES]);

#endif
