# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # The kinds of events, as {EventMachine.event_callback} knows them: a timer fired,
  TimerFired = 100
  # bytes arrived,
  ConnectionData = 101
  # a connection ended,
  ConnectionUnbound = 102
  # a server accepted one,
  ConnectionAccepted = 103
  # an outgoing connection is established,
  ConnectionCompleted = 104
  # another thread woke the reactor,
  LoopbreakSignalled = 105
  # a watched descriptor can be read,
  ConnectionNotifyReadable = 106
  # or written,
  ConnectionNotifyWritable = 107
  # a TLS handshake ended,
  SslHandshakeCompleted = 108
  # a peer's certificate is to be verified.
  SslVerify = 109

  # The bits that stand for versions of SSL and TLS: SSL 2,
  EM_PROTO_SSLv2 = 2
  # SSL 3,
  EM_PROTO_SSLv3 = 4
  # TLS 1.0,
  EM_PROTO_TLSv1 = 8
  # TLS 1.1,
  EM_PROTO_TLSv1_1 = 16
  # TLS 1.2,
  EM_PROTO_TLSv1_2 = 32
  # TLS 1.3.
  EM_PROTO_TLSv1_3 = 64

  # Handles some kinds of events in Ruby, for tools that deliver them by hand.
  # @private
  def self.event_callback(signature, opcode, data)
    case opcode
    when ConnectionUnbound
      connection = @conns[signature]
      raise ConnectionNotBound, "received ConnectionUnbound for an unknown signature: #{signature}" unless connection

      @conns.delete(signature)
      connection.original_method(:unbind).arity.zero? ? connection.unbind : connection.unbind(data)
    when TimerFired
      raise UnknownTimerFired, "no such timer: #{data}" unless (callable = @timers.delete(data))

      callable.call
    when LoopbreakSignalled then run_deferred_callbacks
    end
  end
end
