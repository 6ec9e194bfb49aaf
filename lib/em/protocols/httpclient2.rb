# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "eventmachine"
require "em/protocols/http/connection"
require "em/protocols/http/request_text"

module EventMachine
  module Protocols
    # A connection to an HTTP server (RFC 9112) with pipelined requests: each is sent at once, without waiting for the
    # responses to earlier ones. Deprecated: it is kept for programs that use it; new programs should use the gem
    # em-http-request. It follows no redirects.
    #
    #   http = EM::P::HttpClient2.connect("example.org", 80)
    #   request = http.get("/index.html")
    #   request.callback { puts request.status, request.content }
    #   request.errback { puts "no response" }
    #
    # When the connection ends, for whatever reason, all unanswered requests fail, the newest first, and later requests
    # fail at once. No request is ever sent again. The connection is closed when a response is malformed or exceeds a
    # limit (see {HttpConnection}), when a response says that it is the last one, when a request is given up, and when
    # more arrives than was requested.
    class HttpClient2 < Connection
      require "em/protocols/http/client2_request"

      include LineText2
      include HttpConnection

      class << self
        # @overload connect(host, port)
        #   @param host [String] a name or an address
        #   @param port [Integer, String]
        # @overload connect(options)
        #   @option options [String] :host
        #   @option options [Integer, String] :port
        #   @option options [Boolean, Hash, TLS] :tls whether to use TLS, or options for {Connection#start_tls}; also
        #     called `:ssl`. With `{ verify: true }`, the server's certificate must be valid for the host
        #   @option options [Numeric] :timeout seconds for each request that has no `:timeout` itself
        # @return [HttpClient2]
        # @raise [ArgumentError, TypeError] for a port that is not a number, or a line end or NUL in the host; nothing
        #   has been opened then
        # @raise [Unsupported] if TLS is not available; nothing has been opened then
        # @raise [ConnectionError] see {EventMachine.connect}
        def connect(host, port = nil)
          options = host.is_a?(Hash) ? host.dup : { host: host, port: port }
          options[:port] = Integer(options[:port])
          options[:tls] ||= options[:ssl]
          options[:timeout] = HttpRequestText.timeout(options[:timeout])
          WireText.line(options[:host], "host")
          raise Unsupported, "TLS is not available" if options[:tls] && !EventMachine.ssl?

          EventMachine.connect(options[:host], options[:port], self) { |client| client.prepare(options) }
        end
      end

      def initialize(*)
        super
        warn "HttpClient2 is deprecated; use the gem em-http-request instead."
      end

      # @param options [Hash] see {HttpClient2.connect}
      # @private
      def prepare(options)
        @tls = options[:tls] && tls_options(options[:tls], options[:host])
        @timeout = options[:timeout]
        authority = HttpRequestText.authority(options[:host], options[:port], @tls ? 443 : 80)
        @host_field = HttpRequestText.field("Host", authority)
        begin_tls
      end

      # Sends a GET request.
      # @param args [Hash, String] a String is the URI
      # @option args [String] :uri path and query
      # @option args [String] :version ("1.1")
      # @option args [String] :host_header sent as it is; by default, the host given to {HttpClient2.connect}
      # @option args [String] :authorization the header's value
      # @option args [String] :content a body
      # @option args [String] :contenttype of that body
      # @option args [Numeric] :timeout seconds until the response must be complete; after that, the request fails and
      #   the connection is closed
      # @return [Request]
      # @raise [ArgumentError] for a line end or NUL in anything that would be sent, or a timeout that is not positive
      def get(args)
        request(with_verb(args, "GET"))
      end

      # Sends a POST request.
      # @see #get
      def post(args)
        request(with_verb(args, "POST"))
      end

      # Sends a request with any verb.
      # @param args [Hash] as for {#get}, with a `:verb`
      # @see #get
      def request(args)
        request = Request.new(self, args[:verb])
        text = request.text(args, @host_field || "Host: _\r\n")
        timeout = HttpRequestText.timeout(args[:timeout]) || @timeout
        return request.tap(&:fail) if @closing

        request.timeout(timeout) if timeout
        requests << request
        send_data(text)
        request
      end

      # Reconnects with an empty input buffer, and starts TLS again if the old connection used it.
      # @see Connection#reconnect
      def reconnect(server, port)
        super.tap do
          @parser = nil
          @closing = false
          begin_tls
        end
      end

      # Shows no keys.
      alias inspect to_s

      # @private
      def receive_data(data)
        return if @closing

        parser << data
        read_responses
      end

      # @private
      def unbind(reason = nil)
        last = parser.finish if requests.any? && ended_by_peer?(reason)
        unanswered = requests
        explain(unanswered, reason)
        @closing = true
        @requests = []
        unanswered.shift.complete(last) if last
      ensure
        fail_all(unanswered)
      end

      # Closes the connection, since a response that still arrives must not be taken for that of another request.
      # @param request [Request]
      # @private
      def give_up(request)
        return if @closing || !requests.delete(request)

        close_connection
      end

      private

      # Errors of a response have been noted already.
      def explain(requests, reason)
        kind = :tls_failed if @tls && tls_failed?(reason)
        text = get_reason_text
        requests.each do |request|
          request.internal_error ||= kind
          request.error_text ||= text
        end
      end

      # Also if the peer is silent or goes away during the handshake, unless this side has closed the connection.
      def tls_failed?(reason)
        reason == Errno::EPROTO || (!@closing && get_peername && get_cipher_protocol == "(NONE)")
      end

      def begin_tls
        start_tls(@tls) if @tls
      end

      # Servers with several names need to know which one is meant.
      def tls_options(given, host)
        given.is_a?(TLS) ? given.for_host(host) : { sni_hostname: host }.merge(given.is_a?(Hash) ? given : {})
      end

      def with_verb(args, verb)
        return { uri: args, verb: verb } unless args.is_a?(Hash)

        args = args.dup if args.frozen?
        args[:verb] = verb
        args
      end

      # The unanswered requests, in the order in which they were sent.
      def requests
        @requests ||= []
      end

      # If a callback raises, the responses that follow are read in the next turn.
      def read_responses
        while (response = next_response)
          complete(response)
        end
        done = true
      ensure
        EventMachine.next_tick { read_responses } unless done
      end

      def next_response
        return if @closing

        request = requests.first
        request ? parser.shift(request.verb) : close_after_surplus
      rescue HttpError => e
        request.internal_error = e.kind
        request.error_text = e.message
        close_connection
        nil
      end

      # Bytes that arrived before a request was sent are not its response.
      def close_after_surplus
        close_connection if parser.surplus?
        nil
      end

      def complete(response)
        request = requests.shift
        close_connection unless response.persistent?
        close_after_surplus if requests.empty?
        request.complete(response)
      end

      # If an errback raises, the others are still called.
      def fail_all(requests)
        requests.pop.fail until requests.empty?
      ensure
        EventMachine.next_tick { fail_all(requests) } unless requests.empty?
      end
    end
  end
end
