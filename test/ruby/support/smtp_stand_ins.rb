# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# SMTP servers and clients without a network: their output is collected, and the tests pass in their input. TLS is
# simulated, or missing.

module SmtpStandIns
  # Replaces the network.
  module Unconnected
    attr_reader :tls_options, :held_back

    def self.new_of(type)
      type.allocate.tap { |it| it.__send__(:initialize) }
    end

    def send_data(data)
      raise "sent after the close" if @closed

      sent << data
    end

    def sent
      @sent ||= +"".b
    end

    # @return [String] the output since the last call
    def taken
      sent.dup.tap { sent.clear }
    end

    def close_connection(_after_writing = false)
      @closed = true
    end

    def close_connection_after_writing
      close_connection
    end

    # As in an engine that was built without TLS.
    def smtp_tls_available?
      false
    end

    def closed?
      @closed == true
    end

    def get_outbound_data_size
      sent.bytesize
    end

    def set_comm_inactivity_timeout(_seconds)
    end

    def pause
      @held_back = true
    end

    def resume
      @held_back = false
    end

    # @return [String] the reply
    def hear(*pieces)
      pieces.each { |piece| receive_data(piece) }
      taken
    end
  end

  # A connection on which TLS can be started.
  module WithTls
    def start_tls(options)
      @tls_options = options
    end

    def smtp_tls_available?
      true
    end

    def get_reason_text
      "closed"
    end
  end

  # A server whose hooks are decided by blocks of the same names, and that records the calls of its hooks.
  class Server < EM::P::SmtpServer
    include Unconnected

    HOOKS = %i[receive_ehlo_domain receive_plain_auth receive_sender receive_recipient receive_data_command
               receive_data_chunk receive_message receive_reset receive_transaction connection_ended].freeze

    def noted
      @noted ||= []
    end

    def decisions
      @decisions ||= {}
    end

    # Records the call and makes the decision.
    prepend(Module.new do
      HOOKS.each do |hook|
        define_method(hook) do |*arguments|
          noted << [hook, *arguments]
          decision = super(*arguments)
          decisions.key?(hook) ? decisions[hook] : decision
        end
      end
    end)

    # @return [Array<Array<String>>] the lines of each message
    def messages
      @messages ||= []
    end

    def receive_data_chunk(lines)
      (@lines ||= []).concat(lines)
      super
    end

    def receive_message
      messages << (@lines || [])
      super
    end

    def receive_transaction
      @lines = nil
      super
    end
  end

  class TlsServer < Server
    include WithTls
  end

  class Client < EM::P::SmtpClient
    include Unconnected
  end

  class TlsClient < Client
    include WithTls
  end

  # @return [Server] which has already sent its greeting
  def smtp_server(parms = {}, type: Server, **decisions)
    Unconnected.new_of(type).tap do |server|
      server.parms = parms
      server.decisions.update(decisions)
      server.noted.clear
    end
  end

  MESSAGE = { domain: "here", from: "a@b", to: "c@d", header: { "Subject" => "x" }, body: "text\r\n" }.freeze

  # @return [Client] and its outcomes, as [:succeeded or :failed, OpenStruct]
  def smtp_client(type: Client, **message)
    outcomes = []
    client = Unconnected.new_of(type)
    client.args = MESSAGE.merge(message)
    client.callback { |result| outcomes << [:succeeded, result] }
    client.errback { |result| outcomes << [:failed, result] }
    [client, outcomes]
  end
end
