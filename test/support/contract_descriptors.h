/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the tests of streams over descriptors that are not sockets share.
 */
#ifndef TEST_CONTRACT_DESCRIPTORS_H
#define TEST_CONTRACT_DESCRIPTORS_H

#include "support/contract.h"

/** Attaches a stream over a descriptor of any kind; it is not receiving yet. */
void open_other(contract_fixture *contract, test_channel *channel, char name, int descriptor, emi_ownership ownership);

/** The same for a descriptor that is given, and receiving. */
void open_receiving(contract_fixture *contract, test_channel *channel, char name, int descriptor);

void open_pipe(int ends[2]);
void write_text(int descriptor, const char *text);
void expect_received(const test_channel *channel, const char *text);

/** Expects that the backend waits, because nothing is left to be done. */
void expect_quiet(contract_fixture *contract);

/** A file without a name. */
int open_file(void);

/** Fills a file with so many bytes of the pattern, and returns to its beginning. */
void fill_file(int file, size_t length);

#endif
