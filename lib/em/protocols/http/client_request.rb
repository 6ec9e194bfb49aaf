# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/http/request_text"

module EventMachine
  module Protocols
    # The request that {HttpClient} builds from its arguments.
    # @private
    class HttpClientRequest
      VERBS = %w[GET POST PUT DELETE HEAD].freeze
      VERBS_WITH_CONTENT = %w[POST PUT].freeze
      private_constant :VERBS, :VERBS_WITH_CONTENT

      # @return [String] in capitals
      attr_reader :verb
      # @return [String] the request as sent
      attr_reader :text

      # @param args [Hash] see {HttpClient.request}
      # @param max_content_bytes [Integer]
      # @raise [ArgumentError]
      def initialize(args, max_content_bytes)
        @args = args
        @verb = HttpRequestText.token(args[:verb] || args[:method] || :get, "verb").upcase
        @content = with_content? ? args[:content].to_s.b : ""
        raise ArgumentError, "content larger than #{max_content_bytes} bytes" if @content.bytesize > max_content_bytes

        @text = HttpRequestText.compose(@verb, target, args[:version] || "1.1", fields, @content)
      end

      # @return [Boolean] whether {HttpClient} sends requests with this verb
      def supported?
        VERBS.include?(@verb)
      end

      private

      def with_content?
        VERBS_WITH_CONTENT.include?(@verb)
      end

      def target
        path = @args[:request].to_s.b
        query = @args[:query_string].to_s.b
        path = "/#{path}" unless path.start_with?("/")
        query = "?#{query}" unless query.empty? || query.start_with?("?")
        "#{path}#{query}"
      end

      def fields
        field("Host", authority) + field("User-agent", "Ruby EventMachine") + content_fields +
          field("Cookie", @args[:cookie]) + custom_fields + field("Authorization", basic_auth)
      end

      def field(name, value)
        HttpRequestText.field(name, value)
      end

      def authority
        HttpRequestText.authority(@args[:host_header] || @args[:host] || "_", @args[:port].to_i, 80)
      end

      def content_fields
        return "" unless with_content?

        type = @args[:contenttype] || "application/octet-stream"
        field("Content-type", type) + field("Content-length", @content.bytesize)
      end

      def custom_fields
        (@args[:custom_headers] || {}).map { |name, value| field(HttpRequestText.token(name, "header name"), value.to_s) }.join
      end

      def basic_auth
        auth = @args[:basic_auth] or return
        user = WireText.line(auth[:username], "user name")
        password = WireText.line(auth[:password], "password")
        "Basic #{["#{user}:#{password}"].pack('m0')}"
      end
    end
  end
end
