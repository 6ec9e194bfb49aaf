/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Channels over pipes, files and other descriptors.
 */
#include "support/contract_descriptors.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void open_other(contract_fixture *contract, test_channel *channel, char name, int descriptor, emi_ownership ownership)
{
    emi_descriptor found;
    test_channel_init(channel, contract, name);
    assert_int_equal(emi_descriptor_examine(descriptor, &found), EM_OK);
    emi_channel_set_descriptor(&channel->channel, &found);
    assert_int_equal(test_channel_attach(channel, EMI_STREAM, descriptor, ownership), EM_OK);
}

void open_receiving(contract_fixture *contract, test_channel *channel, char name, int descriptor)
{
    open_other(contract, channel, name, descriptor, EMI_GIVEN);
    assert_int_equal(emi_channel_start_receiving(&channel->channel), EM_OK);
}

void open_pipe(int ends[2])
{
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
}

void write_text(int descriptor, const char *text)
{
    assert_int_equal(write(descriptor, text, strlen(text)), strlen(text));
}

void expect_received(const test_channel *channel, const char *text)
{
    assert_true(bytes_equal_text(&channel->received, text));
}

void expect_quiet(contract_fixture *contract)
{
    const emi_backend_operations *operations = contract->backend->operations;
    settle(contract);
    assert_false(operations->has_work(contract->backend));
    assert_false(operations->wait(contract->backend, 1000000));
}

int open_file(void)
{
    char path[] = "/tmp/em-descriptor-XXXXXX";
    int file = mkostemp(path, O_CLOEXEC);
    assert_true(file >= 0);
    unlink(path);
    return file;
}

void fill_file(int file, size_t length)
{
    unsigned char *bytes = malloc(length);
    pattern_fill(bytes, length, 0);
    assert_int_equal(write(file, bytes, length), length);
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    free(bytes);
}
