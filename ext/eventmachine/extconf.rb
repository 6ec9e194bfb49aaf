# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Builds the extension together with the C core into one rubyeventmachine.so, so that installing the gem needs neither
# CMake nor an installed libeventmachine. EM_WERROR=1 in the environment makes warnings errors.

require "mkmf"

root = File.expand_path("../..", __dir__)
core_sources = Dir["#{root}/src/**/*.c"].sort
headers = Dir["#{root}/{include,src,ext}/**/*.h"].sort

$srcs = Dir["#{__dir__}/*.c"].sort + core_sources
$VPATH.concat(core_sources.map { |source| File.dirname(source) }.uniq)
$INCFLAGS << " " << "-I#{root}/include".quote << " " << "-I#{root}/src".quote

$CFLAGS << " -std=gnu11 -O2 -fvisibility=hidden -pthread"
$CPPFLAGS << " -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64"
# Instead of Ruby's own choice, which forbids declarations between statements.
$warnflags = +"-Wall -Wextra -Wno-unused-parameter"
$warnflags << " -Werror" if ENV["EM_WERROR"] == "1"
$LDFLAGS << " -pthread"
# Uses its own core, even if the process has loaded another libeventmachine.
append_ldflags("-Wl,-Bsymbolic-functions")

# io_uring, if liburing is installed. EM_LIBURING=0 leaves it out.
if ENV["EM_LIBURING"] != "0" && have_header("liburing.h") && have_library("uring", "io_uring_queue_init")
  $defs << "-DEM_WITH_LIBURING"
else
  message "built without liburing: io_uring is not used\n"
end

# TLS, if OpenSSL 3 is installed. EM_OPENSSL=0 leaves it out.
if ENV["EM_OPENSSL"] != "0" && have_header("openssl/ssl.h") &&
   have_library("crypto", "OPENSSL_version_major", "openssl/crypto.h") && have_library("ssl", "SSL_new", "openssl/ssl.h")
  $defs << "-DEM_WITH_OPENSSL"
else
  message "built without OpenSSL: there is no TLS\n"
end

# Name servers are asked without threads, if c-ares is installed. EM_CARES=0 leaves it out.
if ENV["EM_CARES"] != "0" && have_header("ares.h") && have_library("cares", "ares_set_socket_functions", "ares.h")
  $defs << "-DEM_WITH_CARES"
else
  message "built without c-ares: names are resolved in threads\n"
end

create_makefile("rubyeventmachine")

# mkmf knows only the headers beside this file.
File.write("Makefile", "\n$(OBJS): #{headers.join(' ')}\n", mode: "a")
