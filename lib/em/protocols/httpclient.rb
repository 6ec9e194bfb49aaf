# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "eventmachine"
require "em/protocols/http/client_request"
require "em/protocols/http/connection"

module EventMachine
  module Protocols
    # Sends one HTTP request (RFC 9112) and is the {Deferrable} of its outcome. Deprecated: it is kept for programs that
    # use it; new programs should use the gem em-http-request. It supports neither TLS nor redirects, and uses each
    # connection for one request only.
    #
    #   http = EM::P::HttpClient.request(host: "example.org", request: "/index.html", timeout: 10)
    #   http.callback { |response| puts response[:status], response[:content] }
    #   http.errback { puts "no response" }
    #
    # Callbacks get a Hash: `:status` (Integer; any HTTP status is a success), `:headers` (Array of the status line and
    # the header lines) and `:content` (String). All texts are binary. Errbacks get `{ status: 0 }` if there is no
    # connection, the connection is lost before the response is complete, the response is malformed or exceeds a limit
    # (see {HttpConnection}), the verb is unsupported, or the timeout expires. The first outcome is final and closes the
    # connection.
    class HttpClient < Connection
      include Deferrable
      include HttpConnection

      # The most bytes that `:content` may have.
      MaxPostContentLength = 20 * 1024 * 1024

      class << self
        # @param args [Hash] its `:port` is set if it has none
        # @option args [String] :host a name or an address
        # @option args [Integer] :port (80)
        # @option args [String, Symbol] :verb ("GET") GET, POST, PUT, DELETE or HEAD, in any case; also called `:method`
        # @option args [String] :request ("/") the path; a missing leading slash is added
        # @option args [String] :query_string a missing leading question mark is added
        # @option args [String] :version ("1.1")
        # @option args [String] :host_header used instead of the host; the port is appended unless it is 80 or already
        #   there
        # @option args [String] :content the body, sent with POST and PUT only
        # @option args [String] :contenttype ("application/octet-stream")
        # @option args [String] :cookie
        # @option args [Hash] :custom_headers
        # @option args [Hash] :basic_auth with `:username` and `:password`
        # @option args [Numeric] :timeout seconds for the whole request, including connecting; none by default
        # @return [HttpClient]
        # @raise [ArgumentError] for a line end or NUL in anything that would be sent, content that is too large, a
        #   timeout that is not positive, or `:tls` or `:ssl`; nothing has been opened then
        # @raise [ConnectionError] see {EventMachine.connect}
        def request(args = {})
          args = args.dup if args.frozen?
          args[:port] ||= 80
          raise ArgumentError, "HttpClient does not support TLS; use HttpClient2" if args[:tls] || args[:ssl]

          request = HttpClientRequest.new(args, self::MaxPostContentLength)
          timeout = HttpRequestText.timeout(args[:timeout])
          EventMachine.connect(args[:host], args[:port], self) { |client| client.prepare(request, timeout) }
        end
      end

      def initialize(*)
        super
        warn "HttpClient is deprecated; use the gem em-http-request instead."
      end

      # @param request [HttpClientRequest] sent once the connection is established
      # @param seconds [Float, nil]
      # @private
      def prepare(request, seconds)
        @request = request
        timeout(seconds, { status: 0 }) if seconds
      end

      # @private
      def connection_completed
        @request ||= HttpClientRequest.new({ port: 80 }, 0)
        @request.supported? ? send_data(@request.text) : fail({ status: 0 })
      end

      # @private
      def receive_data(data)
        return if @closing

        parser << data
        settle { parser.shift(@request.verb) }
      end

      # @private
      def unbind(reason = nil)
        settle { parser.finish } if ended_by_peer?(reason)
        fail({ status: 0 })
      end

      # Sets the outcome. The first one is final and closes the connection.
      # @see Deferrable#set_deferred_status
      def set_deferred_status(status, *args)
        return if @settled

        @settled = %i[succeeded failed].include?(status)
        close_connection if @settled
        super
      end

      private

      # @yieldreturn [HttpResponse, nil]
      def settle
        response = yield
      rescue HttpError
        fail({ status: 0 })
      else
        succeed(result_of(response)) if response
      end

      def result_of(response)
        { status: response.status, headers: response.header_lines, content: response.content }
      end
    end
  end
end
