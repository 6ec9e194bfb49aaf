# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# HTTP servers that follow a script, and clients without their deprecation warning.

module HttpPeer
  # Records the requests, which have no body, and calls the block for each.
  class Server < EM::Connection
    # @return [Array<String>] complete requests
    attr_reader :requests
    attr_reader :reason

    def initialize(servers, script)
      super()
      @script = script
      @requests = []
      @received = +""
      servers << self
    end

    def receive_data(data)
      @received << data
      while (request = @received.slice!(/\A.*?\r\n\r\n/m))
        @requests << request
        @script&.call(self, request)
      end
    end

    def unbind(reason)
      @reason = reason
      @gone = true
    end

    def gone?
      @gone
    end
  end

  # @yieldparam server [Server]
  # @yieldparam request [String]
  # @return [Integer] the port of a server that calls the block for each request
  def http_server(&script)
    port_of(EM.start_server("127.0.0.1", 0, Server, servers, script))
  end

  # @return [Array<Server>] one for each connection
  def servers
    @servers ||= []
  end

  # A server that sends this response to the first request, and nothing more.
  # @param close [Boolean] whether it closes the connection afterwards
  def answering(text, close: false)
    http_server do |server, _|
      next if server.requests.size > 1

      server.send_data(text)
      server.close_connection_after_writing if close
    end
  end

  # @return [String] a response
  def ok(content)
    "HTTP/1.1 200 OK\r\nContent-Length: #{content.bytesize}\r\n\r\n#{content}"
  end

  # @return [EM::P::HttpClient]
  def fetch(port, klass = EM::P::HttpClient, **args)
    quietly { klass.request({ host: "127.0.0.1", port: port }.merge(args)) }
  end

  # @return [EM::P::HttpClient2]
  def connect(port, klass = EM::P::HttpClient2, **options)
    quietly { klass.connect({ host: "127.0.0.1", port: port }.merge(options)) }
  end

  # @return [Array] receives [:callback or :errback, arguments] when one of them is called
  def outcome_of(deferrable, outcomes = [], &done)
    deferrable.callback { |*result| (outcomes << [:callback, *result]) && done&.call }
    deferrable.errback { |*result| (outcomes << [:errback, *result]) && done&.call }
    outcomes
  end

  def quietly
    verbose = $VERBOSE
    $VERBOSE = nil
    yield
  ensure
    $VERBOSE = verbose
  end
end
