# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Socks
      # Negotiates with the proxy until it has granted the connection. Until then, singleton methods hide the user's
      # `post_init` and `receive_data`; afterwards they are removed.
      #
      # A class that includes this module defines `socks_request`, which sends the first bytes, and the steps of the
      # negotiation: methods that take the bytes of one reply by `socks_take` and return nil if there are too few.
      module Negotiation
        # @return [Integer, nil] the code with which the proxy refused
        attr_reader :socks_error_code
        # @return [Symbol, nil] why the connection failed; also nil if the proxy closed the connection without a reply
        attr_reader :socks_error

        # Reconnects to the proxy and requests the same target. As the first time, `post_init` is called when the proxy
        # has granted the connection.
        # @see Connection#reconnect
        def reconnect(server, port)
          super.tap do
            @socks_error = @socks_error_code = nil
            socks_suspend(@socks_first_step)
            socks_request
          end
        end

        private

        # @param first_step [Symbol] the method that reads the first reply
        def socks_suspend(first_step)
          suspended = @socks_buffer
          @socks_step = @socks_first_step = first_step
          @socks_buffer = "".b
          return if suspended

          define_singleton_method(:post_init) { socks_request }
          define_singleton_method(:receive_data) { |data| socks_receive(data) }
        end

        def socks_receive(data)
          return if @socks_error

          @socks_buffer << data
          nil while @socks_step && __send__(@socks_step)
        end

        # @return [String, nil] the next bytes; nil if there are fewer
        def socks_take(bytes)
          @socks_buffer.slice!(0, bytes) if @socks_buffer.bytesize >= bytes
        end

        # Hands the connection over to the user's callbacks, with the bytes that followed the reply.
        def socks_grant
          @socks_step = nil
          surplus = @socks_buffer
          @socks_buffer = nil
          singleton_class.send(:remove_method, :post_init, :receive_data)
          begin
            post_init
          ensure
            receive_data(surplus) unless surplus.empty?
          end
        end

        # @return [nil]
        def socks_refuse(error, code = nil)
          @socks_error = error
          @socks_error_code = code
          @socks_step = nil
          @socks_buffer.clear
          close_connection
          nil
        end
      end
    end
  end
end
