# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# To be required before a Ruby test: closes the descriptors 0, 1 and 2, so that its sockets get these numbers; what it
# prints goes to the file that EM_TEST_LOG names. For tools/check_environments.

require "fcntl"

File.open(ENV.fetch("EM_TEST_LOG"), "a") do |file|
  $stdout = $stderr = IO.for_fd(file.fcntl(Fcntl::F_DUPFD, 500), "a").tap { |log| log.sync = log.close_on_exec = true }
end
# The objects STDIN, STDOUT and STDERR stay, because Ruby looks at them before it begins with the program.
3.times { |descriptor| IO.for_fd(descriptor).close }
