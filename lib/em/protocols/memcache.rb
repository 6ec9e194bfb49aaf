# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/deferrable"
require "em/protocols/limits"

module EventMachine
  module Protocols
    # A client of memcached that speaks the text protocol.
    #
    #   cache = EM::P::Memcache.connect("127.0.0.1", 11211)
    #   cache.set(:greeting, "hello") { |stored| ... }
    #   cache.get(:greeting, :other) { |greeting, other| ... }
    #
    # As a deferrable, it succeeds once it is connected, and fails if the first attempt to connect fails. Commands may
    # be given at any time; they are sent in order as soon as there is a connection. If an established connection is
    # lost, the client reconnects, with a second between attempts, until it succeeds or the program closes the
    # connection.
    #
    # Every block is called exactly once, in the order of the commands: with the reply, or with nil (get) or false (all
    # others) if the server reports an error or the connection ends before the reply.
    #
    # Keys are 1 to 250 bytes. Blanks and tabs become `_`; other control characters are refused. Values are bytes.
    module Memcache
      include Deferrable
      extend Limits

      # The server violated the protocol. Users never see this error: the client reconnects.
      class ParserError < StandardError; end

      Cstored = "STORED"
      Cend = "END"
      Cdeleted = "DELETED"
      Cunknown = "NOT_FOUND"
      Cerror = "ERROR"
      Cempty = ""
      Cdelimiter = "\r\n"

      # @!attribute max_value_bytes
      #   @return [Integer] the most bytes that a received value may have; after a longer one, the client reconnects
      limit :max_value_bytes, 32 << 20

      # @!attribute reconnect_interval
      #   @return [Numeric] seconds between attempts to reconnect
      limit :reconnect_interval, 1

      # Connects to a server.
      # @param host [String]
      # @param port [Integer]
      # @return [Connection] whose class includes this module
      # @raise [ConnectionError] see {EventMachine.connect}
      def self.connect(host = "localhost", port = 11_211)
        EventMachine.connect(host, port, self, host, port)
      end

      # @param host [String] used to reconnect
      # @param port [Integer]
      def initialize(host, port = 11_211)
        super()
        @host = host
        @port = port
      end

      # Retrieves values.
      # @param keys [Array<#to_s>] at least one
      # @yieldparam values [Array<String, nil>] one for each key, binary, in the same order; nil for a missing key
      # @return [void]
      # @raise [ArgumentError] without a block or a key, or for an invalid key; nothing is sent then
      def get(*keys, &block)
        raise ArgumentError, "get needs a block" unless block

        retrieve(keys, block)
      end

      # Retrieves values as a Hash.
      # @param keys [Array<#to_s>] at least one
      # @yieldparam values [Hash{Object => String}] by the keys as given; nil for a missing key
      # @return [void]
      # @raise [ArgumentError] see {#get}
      def get_hash(*keys)
        raise ArgumentError, "get_hash needs a block" unless block_given?

        retrieve(keys, ->(*values) { yield keys.zip(values).to_h })
      end

      # Stores a value, replacing any existing one. Without a block, the server sends no reply.
      #
      # @param key [#to_s]
      # @param val [#to_s]
      # @param exptime [Integer] seconds until it expires, up to 30 days; a larger number is a Unix time; 0: never
      # @yieldparam stored [Boolean]
      # @return [void]
      # @raise [ArgumentError] for an invalid key or time; nothing is sent then
      def set(key, val, exptime = 0, &cb)
        store("set", key, val, exptime, &cb)
      end

      # Stores a value if there is none yet.
      # @see set
      def add(key, val, exptime = 0, &cb)
        store("add", key, val, exptime, &cb)
      end

      # Stores a value if there is one already.
      # @see set
      def replace(key, val, exptime = 0, &cb)
        store("replace", key, val, exptime, &cb)
      end

      # Deletes a value. Without a block, the server sends no reply.
      #
      # @param key [#to_s]
      # @param expires [Integer] current servers accept only 0, and report an error for any other number
      # @yieldparam deleted [Boolean] false if there was none
      # @return [void]
      # @raise [ArgumentError] for an invalid key; nothing is sent then
      def delete(key, expires = 0, &cb)
        command = "delete #{Key.wire(key)} #{Key.time(expires)}"
        submit(command << (cb ? Cdelimiter : " noreply\r\n"), cb && Modification.new(Modification::DELETE, cb))
      end
      alias del delete

      # Called with the text of every error that the server reports and of every violation of the protocol, before the
      # blocks of the commands concerned. Does nothing unless overridden.
      # @param text [String] such as "SERVER_ERROR object too large for cache"
      def receive_error(text)
      end

      # Closes the connection permanently: the client does not reconnect, and the pending blocks are called with nil or
      # false.
      # @see Connection#close_connection
      def close_connection(after_writing = false)
        memcache_disconnect unless @memcache_violated
        super if defined?(super)
      end

      # Closes the connection permanently once all data is sent.
      def close_connection_after_writing
        close_connection(true)
      end

      # @!group Callbacks of the connection. Overrides must call super.

      # @private
      def connection_completed
        @memcache_established = true
        @memcache_violated = @memcache_closed = false
        memcache_settle { succeed }
      end

      # @private
      def receive_data(data)
        read_replies(data) unless @memcache_violated
      end

      # @private
      def unbind(_reason = nil)
        waiting = @memcache_replies
        @memcache_replies = nil
        @memcache_established && !@memcache_closed && @host ? connect_later : memcache_settle { fail }
      ensure
        waiting&.abandon
      end

      # @!endgroup

      private

      def retrieve(keys, block)
        return retrieve_one(Key.wire(keys.first), block) if keys.size == 1
        raise ArgumentError, "at least one key is needed" if keys.empty?

        keys = keys.map { |key| Key.wire(key) }
        submit("get #{keys.join(' ')}\r\n", Retrieval.new(keys, block))
      end

      def retrieve_one(key, block)
        submit("get #{key}\r\n", Lookup.new(key, block))
      end

      def store(verb, key, value, seconds, &block)
        value = value.to_s.b
        noreply = " noreply" unless block
        command = "#{verb} #{Key.wire(key)} 0 #{Key.time(seconds)} #{value.bytesize}#{noreply}\r\n"
        submit(command << value << Cdelimiter, block && Modification.new(Modification::STORE, block))
      end

      # @param request [Lookup, Retrieval, Modification, nil] nil: no reply is expected
      def submit(command, request)
        return transmit(command, request) if @deferred_status == :succeeded

        callback { transmit(command, request) }
        errback { request.give_up } if request
        nil
      end

      def transmit(command, request)
        replies.expect(request)
        send_data(command)
        nil
      end

      def replies
        @memcache_replies ||= Replies.new(self)
      end

      # If a block raises, the replies that follow, which may have arrived already, are read in the next turn.
      def read_replies(data)
        finished = false
        replies.receive(data)
        finished = true
      rescue ParserError => error
        finished = true
        close_after_violation(error.message)
      ensure
        EventMachine.next_tick { receive_data("") } unless finished
      end

      def close_after_violation(text)
        @memcache_violated = true
        receive_error(text)
      ensure
        close_connection
      end

      def memcache_disconnect
        @memcache_closed = true
        return unless @memcache_timer

        EventMachine.cancel_timer(@memcache_timer)
        @memcache_timer = nil
        memcache_settle { fail }
      end

      # Sets the status. If a block raises, the next ones are called in the next turn, unless the status has changed.
      def memcache_settle(&outcome)
        yield
        done = true
      ensure
        status = @deferred_status
        EventMachine.next_tick { memcache_settle(&outcome) if @deferred_status == status } unless done
      end

      # Commands that are given from now on wait for the next connection.
      def connect_later
        @deferred_status = nil
        @memcache_timer = EventMachine.add_timer(reconnect_interval) { connect_again }
      end

      def connect_again
        @memcache_timer = nil
        reconnect(@host, @port)
      rescue ConnectionError
        connect_later
      end
    end
  end
end

require "em/protocols/memcache/key"
require "em/protocols/memcache/lookup"
require "em/protocols/memcache/modification"
require "em/protocols/memcache/replies"
require "em/protocols/memcache/retrieval"
