# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# What testssl.sh, which looks for weak servers, finds in ours with its defaults: `start_tls` without any option.

require "json"
require "programs_helper"
require_relative "support/tls_service"

class TLSScanTest < TLSTest
  include TLSService

  self.time_limit = 240

  # With all of its checks it takes minutes.
  CHECKS = %w[--protocols --vulnerable].freeze
  OPTIONS = %w[--quiet --color 0 --warnings off --nodns none --openssl-timeout 5].freeze
  SERIOUS = %w[MEDIUM HIGH CRITICAL FATAL].freeze

  ANSWER = lambda do |it, _|
    it.send_data("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    it.close_connection_after_writing
  end

  def test_the_defaults_of_a_server
    need "testssl"
    findings = scan
    assert_includes findings.map { |it| it["id"] }, "heartbleed"
    serious = findings.select { |it| SERIOUS.include?(it["severity"]) }
    # The certificate is self-signed, and for nobody.
    assert_empty(serious.reject { |it| it["id"].start_with?("cert_") })
  end

  # @return [Array<Hash>]
  def scan
    Dir.mktmpdir do |directory|
      report = File.join(directory, "report.json")
      output, = with_server({}, receive_data: ANSWER) do |port|
        ["testssl", *OPTIONS, *CHECKS, "--jsonfile", report, "127.0.0.1:#{port}"]
      end
      assert_path_exists report, output
      return JSON.parse(File.read(report))
    end
  end
end
