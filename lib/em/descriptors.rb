# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  class << self
    # Takes over a descriptor that is open already: the reactor reads and writes it, and the object gets `receive_data`
    # and `unbind` as for a TCP connection. It may be a connected socket, a pipe, a terminal, a device, a regular file;
    # or a datagram socket, which then is as one of {open_datagram_socket}, and sends to its fixed peer, if it has one.
    # It is made non-blocking. After `unbind` an IO object is closed, by its own `close`; an Integer and the standard
    # streams 0 to 2 stay open.
    #
    # @param io [#fileno, Integer]
    # @param handler [Class, Module, nil] see {klass_from_handler}
    # @param args passed to the handler's `initialize`
    # @yieldparam connection [Connection] the new object, after its `post_init`
    # @return [Connection]
    # @raise [RuntimeError] if the descriptor is not open, is attached or watched already, or cannot be read and written
    #   as a stream
    # @raise [ArgumentError] if the handler has a public `notify_readable` or `notify_writable`; or as {connect}
    def attach(io, handler = nil, *args, &block)
      attach_io(io, false, handler, *args, &block)
    end
    ruby2_keywords :attach

    # Watches a descriptor, which the program reads and writes itself. Nothing is reported until
    # {Connection#notify_readable=} or {Connection#notify_writable=} is set to true. Then `notify_readable` or
    # `notify_writable` is called in each turn as long as the descriptor can be read, or written; its end, an error and
    # a hang-up count as both. The descriptor's flags are not changed, and it is never closed. {Connection#detach} ends
    # the watch; do that before the descriptor is closed.
    #
    # @param io [#fileno, Integer] a regular file is always ready
    # @param handler [Class, Module, nil] see {klass_from_handler}
    # @param args passed to the handler's `initialize`
    # @yieldparam connection [Connection] the new object, after its `post_init`
    # @return [Connection]
    # @raise [RuntimeError] if the descriptor is not open, or is attached or watched already
    def watch(io, handler = nil, *args, &block)
      attach_io(io, true, handler, *args, &block)
    end
    ruby2_keywords :watch

    # What {attach} and {watch} have in common.
    # @param watch_mode [Boolean] true for {watch}
    def attach_io(io, watch_mode, handler = nil, *args, &block)
      klass = klass_from_handler(Connection, handler, *args)
      refuse_notifications(klass) unless watch_mode
      descriptor = io.respond_to?(:fileno) ? io.fileno : io
      by_other_thread = !reactor_thread?
      signature = attach_fd(descriptor, watch_mode)
      variables = { "@io": io, "@watch_mode": watch_mode, "@fd": descriptor }
      connection = make_connection(klass, signature, args, variables)
      finish_connection(connection, signature, by_other_thread, &block)
    end
    ruby2_keywords :attach_io

    # Reads standard input, one byte for each `receive_data`, and ends with it. Neither the terminal's settings nor the
    # blocking mode of descriptor 0 is changed, and it is never closed.
    #
    # @param handler [Class, Module, nil] see {klass_from_handler}
    # @param args passed to the handler's `initialize`
    # @yieldparam connection [Connection] the new object, after its `post_init`
    # @return [Connection] nothing can be sent: `send_data` returns -1
    # @raise [RuntimeError] "no keyboard reader" if standard input is closed, or is read already
    def open_keyboard(handler = nil, *args, &block)
      klass = klass_from_handler(Connection, handler, *args)
      by_other_thread = !reactor_thread?
      signature = read_keyboard
      connection = make_connection(klass, signature, args)
      finish_connection(connection, signature, by_other_thread, &block)
    end
    ruby2_keywords :open_keyboard

    private

    def refuse_notifications(klass)
      return unless klass.public_method_defined?(:notify_readable) || klass.public_method_defined?(:notify_writable)

      raise ArgumentError, "notify_readable/writable with EM.attach is not supported. " \
                           "Use EM.watch(io){ |c| c.notify_readable = true }"
    end

    # Called after `unbind` of what was attached.
    def close_attached_io(connection)
      descriptor = connection.instance_variable_get(:@fd)
      close_attached_sockets([connection.instance_variable_get(:@io)]) if descriptor && descriptor > 2
    end
  end
end
