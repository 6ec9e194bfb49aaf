# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # The kinds of events, as {EventMachine.event_callback} knows them.
  TimerFired = 100
  ConnectionData = 101
  ConnectionUnbound = 102
  ConnectionAccepted = 103
  ConnectionCompleted = 104
  LoopbreakSignalled = 105
  ConnectionNotifyReadable = 106
  ConnectionNotifyWritable = 107
  SslHandshakeCompleted = 108
  SslVerify = 109

  # The bits that stand for versions of SSL and TLS.
  EM_PROTO_SSLv2 = 2
  EM_PROTO_SSLv3 = 4
  EM_PROTO_TLSv1 = 8
  EM_PROTO_TLSv1_1 = 16
  EM_PROTO_TLSv1_2 = 32

  # What the reactor does in Ruby for some kinds of events, for tools that do it by hand.
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
