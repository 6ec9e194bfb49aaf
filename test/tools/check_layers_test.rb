# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "fileutils"
require "minitest/autorun"
require "open3"
require "rbconfig"
require "tmpdir"

# Builds small trees and reads what tools/check_layers says about them.
class CheckLayersTest < Minitest::Test
  TOOL = File.expand_path("../../tools/check_layers", __dir__)

  def setup
    @root = Dir.mktmpdir
  end

  def teardown
    FileUtils.remove_entry(@root)
  end

  def write(file, text)
    path = File.join(@root, file)
    FileUtils.mkdir_p(File.dirname(path))
    File.write(path, text)
  end

  def check
    output, status = Open3.capture2e(RbConfig.ruby, TOOL, @root)
    assert_equal output.empty?, status.success?, output
    output
  end

  # The tree has one file that includes another one of ours.
  def include_verdict(from, to)
    write(to, "")
    write(from, "\n#include \"#{to.sub(%r{\A(src|include)/}, '')}\"\n")
    check
  end

  def test_layers_include_what_lies_below
    [%w[src/net/sending.c src/loop/loop.h], %w[src/net/connection.c src/tls/tls.h],
     %w[src/net/connector.c src/dns/resolver.h], %w[src/tls/tickets.c src/system/random.h],
     %w[src/dns/resolver_system.c src/pool/pool.h],
     %w[src/loop/turn.c src/io/channel.h], %w[src/loop/turn.c src/system/clock.h], %w[src/io/readiness.c src/system/socket.h],
     %w[src/system/clock.c src/base/list.h], %w[src/base/list.c include/eventmachine/status.h],
     %w[src/tls/openssl.c src/base/outbox.h], %w[ext/eventmachine/rb_loop.c include/eventmachine.h]].each do |from, to|
      assert_empty include_verdict(from, to)
    end
  end

  def test_layers_do_not_include_what_lies_above_or_beside
    [%w[src/base/list.c src/system/clock.h], %w[src/system/clock.c src/io/channel.h],
     %w[src/io/channel.c src/loop/loop.h], %w[src/loop/turn.c src/net/connection.h],
     %w[src/loop/turn.c src/dns/resolver.h], %w[src/tls/openssl.c src/loop/loop.h],
     %w[src/tls/openssl.c src/net/connection.h], %w[src/net/connector.c src/dns/cache.h],
     %w[src/net/connection.c src/tls/openssl.h], %w[src/dns/cache.c src/pool/pool.h],
     %w[src/watch/signal.c src/process/child.h], %w[src/newlayer/thing.c src/base/list.h],
     %w[include/eventmachine/loop.h src/base/list.h], %w[src/base/list.c ext/eventmachine/rb_loop.h],
     %w[ext/eventmachine/rb_loop.c src/base/list.h], %w[examples/c/echo.c src/base/list.h],
     %w[bench/echo.c src/io/channel.h]].each do |from, to|
      FileUtils.rm_rf(Dir.children(@root).map { |child| File.join(@root, child) })
      assert_match(/\A#{from}:2: #{to} is out of reach/, include_verdict(from, to), "#{from} includes #{to}")
    end
  end

  def test_outsiders_find_no_way_around_by_a_relative_path
    write("src/base/list.h", "")
    write("ext/eventmachine/rb_loop.c", "#include \"../../src/base/list.h\"\n")
    assert_match(%r{\Aext/eventmachine/rb_loop\.c:1: src/base/list\.h is out of reach}, check)
  end

  def test_tests_may_include_everything
    write("src/base/list.h", "")
    write("test/unit/list_test.c", "#include \"base/list.h\"\n")
    assert_empty check
  end

  def test_quoted_includes_must_exist
    write("src/base/list.c", "#include \"base/lits.h\"\n")
    assert_match(%r{\Asrc/base/list\.c:1: no such file}, check)
  end

  def test_headers_of_other_projects_stay_in_their_layer
    write("src/net/connection.c", "#include <openssl/ssl.h>\n")
    write("src/tls/openssl.c", "#include <openssl/ssl.h>\n")
    write("src/base/list.c", "#include <stddef.h>\n#include <ruby.h>\n")
    assert_equal ["src/base/list.c:2: <ruby.h> belongs into ext",
                  "src/net/connection.c:1: <openssl/ssl.h> belongs into src/tls"], check.lines(chomp: true)
  end

  def test_names_of_files_are_unique
    write("src/base/timer.c", "")
    write("src/loop/timer.c", "")
    write("include/eventmachine/timer.h", "")
    assert_equal "src/loop/timer.c:1: has the same name as src/base/timer.c\n", check
  end

  def test_names_of_the_extension_begin_with_rb
    write("ext/eventmachine/loop.c", "")
    write("ext/eventmachine/rb_timer.c", "")
    assert_equal "ext/eventmachine/loop.c:1: files of the extension begin with rb_\n", check
  end

  PRIVATE_HEADER = <<~HEADER
    #ifndef EMI_NET_PRIVATE_H
    #define EMI_NET_PRIVATE_H

    /** Before the first heading, of any file. */
    void emi_net_anywhere(void);

    typedef void (*emi_net_callback)(void *user);

    /* connection.c */

    /** Closes; see emi_net_gone(). */
    void emi_connection_close(int connection,
                              int reason);
    extern const int emi_connection_events;

    static inline int emi_connection_is_open(int connection)
    {
        return connection > 0;
    }

    int *emi_connection_list(void);

    /* linger_posix.c, linger_other.c: after the close */
    void emi_linger(void);

    #endif
  HEADER

  def write_private_header(connection:, linger: "void emi_linger(void)\n{\n}\n")
    write("src/net/net_private.h", PRIVATE_HEADER)
    write("src/net/connection.c", connection)
    write("src/net/linger_posix.c", linger)
    write("src/net/linger_other.c", "")
  end

  CONNECTION = "void emi_connection_close(int connection,\n                          int reason)\n{\n}\n\n" \
               "int *emi_connection_list(void)\n{\n}\n"

  def test_a_heading_in_a_header_names_the_file_that_defines_what_is_below_it
    write_private_header(connection: CONNECTION)
    assert_empty check
  end

  def test_a_function_below_the_heading_of_another_file_is_found
    called = "static void f(void)\n{\n    emi_connection_close(1, 2);\n}\n\n" \
             "static int *emi_connection_list(void)\n{\n}\n"
    write_private_header(connection: called, linger: "void emi_linger(void);\n")
    assert_equal ["src/net/net_private.h:9: connection.c does not define emi_connection_close",
                  "src/net/net_private.h:9: connection.c does not define emi_connection_list",
                  "src/net/net_private.h:23: linger_posix.c, linger_other.c does not define emi_linger"],
                 check.lines(chomp: true)
  end

  def test_a_heading_names_files_that_exist
    write_private_header(connection: CONNECTION)
    FileUtils.rm(File.join(@root, "src/net/linger_other.c"))
    FileUtils.mv(File.join(@root, "src/net/connection.c"), File.join(@root, "src/connection.c"))
    assert_equal ["src/net/net_private.h:9: no such file beside the header: connection.c",
                  "src/net/net_private.h:23: no such file beside the header: linger_other.c"], check.lines(chomp: true)
  end

  def test_lines_of_c_keep_within_120_columns_which_are_characters
    write("src/base/list.c", "/* #{'é' * 114} */\n/* #{'x' * 115} */\nint #{'y' * 116};\n")
    write("test/unit/list_test.c", "/* #{'x' * 115} */\n")
    assert_equal ["src/base/list.c:2: 121 columns; lines have at most 120",
                  "src/base/list.c:3: 121 columns; lines have at most 120",
                  "test/unit/list_test.c:1: 121 columns; lines have at most 120"], check.lines(chomp: true)
  end

  def test_comments_in_ruby_keep_within_120_columns_and_code_need_not
    write("lib/em/pool.rb", "# #{'é' * 118}\n  # #{'x' * 117}\nx = 1 # #{'x' * 113}\ny = \"\#{x} # #{'y' * 120}\"\n")
    write("tools/count", "#!/usr/bin/env ruby\n# #{'x' * 119}\n")
    write("tools/list", "#!/bin/sh\n# #{'x' * 119}\n")
    assert_equal ["lib/em/pool.rb:2: 121 columns; comments have at most 120",
                  "lib/em/pool.rb:3: 121 columns; comments have at most 120",
                  "tools/count:2: 121 columns; comments have at most 120"], check.lines(chomp: true)
  end

  def test_files_of_the_extension_do_not_include_each_other_in_a_circle
    write("ext/eventmachine/rb_loop.c", "#include \"rb_loop.h\"\n#include \"rb_fork.h\"\n")
    write("ext/eventmachine/rb_loop.h", "#include \"rb_slot.h\"\n")
    write("ext/eventmachine/rb_slot.h", "")
    write("ext/eventmachine/rb_fork.h", "#include \"rb_slot.h\"\n")
    write("ext/eventmachine/rb_fork.c", "#include \"rb_fork.h\"\n")
    assert_empty check
    write("ext/eventmachine/rb_fork.c", "#include \"rb_state.h\"\n")
    write("ext/eventmachine/rb_state.h", "")
    write("ext/eventmachine/rb_state.c", "#include \"rb_loop.h\"\n")
    assert_equal "ext/eventmachine/rb_fork.c:1: includes form a circle: rb_fork, rb_loop, rb_state\n", check
  end

  def test_files_of_the_library_do_not_include_each_other_in_a_circle
    write("src/base/heap.h", "#include \"base/queue.h\"\n")
    write("src/base/heap.c", "#include \"base/heap.h\"\n")
    write("src/base/queue.h", "")
    write("src/base/queue.c", "#include \"base/queue.h\"\n")
    assert_empty check
    write("src/base/queue.c", "#include \"base/queue.h\"\n#include \"base/heap.h\"\n")
    assert_equal "src/base/heap.c:1: includes form a circle: heap, queue\n", check
  end

  def test_features_are_asked_for_in_one_file
    write("src/base/features.h", "#ifndef X_H\n#define X_H\n#if defined(__linux__)\n#endif\n#endif\n")
    assert_empty check
  end

  def test_a_file_may_guard_itself_as_a_whole
    write("src/io/poller_epoll.c", "/* Why */\n#include <errno.h>\n#if EMI_HAVE_EPOLL\n\nint x;\n\n#endif\n")
    write("src/io/poller.h", "/* Why */\n#ifndef EMI_POLLER_H\n#define EMI_POLLER_H\nint emi_x;\n#endif\n")
    assert_empty check
  end

  def test_a_part_of_a_file_may_not
    write("src/io/poller_epoll.c", "int y;\n#ifdef __linux__\nint x;\n#endif\n")
    write("src/io/poller_poll.c", "#if EMI_HAVE_POLL\n#if 0\nint x;\n#endif\n#endif\n")
    write("src/io/poller_afd.c", "#if EMI_HAVE_AFD\nint x;\n#else\nint z;\n#endif\n")
    write("src/io/poller.h", "#ifndef EMI_POLLER_H\n#define EMI_POLLER_H\n#if X\nint emi_x;\n#endif\n#endif\n")
    assert_equal %w[src/io/poller.h:3 src/io/poller_afd.c:1 src/io/poller_epoll.c:2 src/io/poller_poll.c:2],
                 check.scan(/^\S+:\d+(?=: conditional)/)
  end

  def test_public_headers_know_cplusplus_and_visibility_and_no_platform
    write("include/eventmachine/export.h", <<~HEADER)
      #ifndef EVENTMACHINE_EXPORT_H
      #define EVENTMACHINE_EXPORT_H
      #if defined(_WIN32)
      #define EM_API __declspec(dllexport)
      #elif defined(__GNUC__)
      #define EM_API __attribute__((visibility("default")))
      #endif
      #ifdef __cplusplus
      extern "C" {
      #else
      #endif
      #ifdef __linux__
      int em_linux(void);
      #endif
      #endif
    HEADER
    assert_equal %w[include/eventmachine/export.h:12], check.scan(/^\S+:\d+(?=: conditional)/)
  end

  def test_functions_have_at_most_60_lines
    write("src/base/long.c", "static void fits(void)\n{\n#{"    x();\n" * 57}}\n\n" \
                             "static void too_long(int a,\n                     int b)\n{\n#{"    x();\n" * 57}}\n")
    assert_match(%r{\Asrc/base/long\.c:62: too_long has 61 lines}, check)
  end

  def test_files_have_at_most_500_lines_and_examples_80
    write("src/base/list.c", "\n" * 501)
    write("lib/em/pool.rb", "\n" * 501)
    write("src/base/error.c", "\n" * 500)
    write("examples/c/echo.c", "\n" * 81)
    assert_equal %w[examples/c/echo.c:81 lib/em/pool.rb:501 src/base/list.c:501], check.scan(/^\S+:\d+/).sort
  end

  def test_a_reason_excuses_size
    write("src/base/list.c", "static void f(void)\n{\n#{"    x();\n" * 500}}\n")
    write("tools/size_reasons", "# comment\nsrc/base/list.c one table\nsrc/base/list.c:f one switch\n")
    assert_empty check
  end

  def test_a_reason_must_be_given_and_needed
    write("src/base/list.c", "\n" * 501)
    write("tools/size_reasons", "src/base/list.c\nsrc/base/gone.c was long once\n")
    assert_equal ["tools/size_reasons:1: src/base/list.c comes without a reason",
                  "tools/size_reasons:2: src/base/gone.c needs no reason"], check.lines(chomp: true)
  end
end
