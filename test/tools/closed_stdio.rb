# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Required before a Ruby test. It closes the descriptors 0, 1 and 2, so that sockets get these numbers, and sends output
# to the file named by EM_TEST_LOG. For tools/check_environments.

require "fcntl"

File.open(ENV.fetch("EM_TEST_LOG"), "a") do |file|
  $stdout = $stderr = IO.for_fd(file.fcntl(Fcntl::F_DUPFD, 500), "a").tap { |log| log.sync = log.close_on_exec = true }
end
# The objects STDIN, STDOUT and STDERR stay, because Ruby uses them before it runs the program.
3.times { |descriptor| IO.for_fd(descriptor).close }
