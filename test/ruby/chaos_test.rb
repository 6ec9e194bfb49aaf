# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Many connections on which anything may happen at any time, chosen by a seed: small and large sends, pauses, resumes,
# closes of both kinds, resets, errors, in their own callbacks and in those of others. In every case the callbacks of
# each connection are called in order and unbind once, and it receives exactly what the other end has sent.

require "test_helper"

class ChaosTest < ReactorTest
  self.time_limit = 60

  repeat_under_gc_pressure

  STEPS = GCPressure.mode ? 100 : 1500
  CONNECTIONS = 20

  # One end of a connection. It sends a stream that both ends can predict.
  class End < Scripted
    attr_reader :sent

    def self.stream(range)
      @stream ||= Random.new(7).bytes(65_536)
      first = range.first % 65_536
      (@stream * ((first + range.size).fdiv(65_536).ceil)).byteslice(first, range.size)
    end

    def initialize(chaos, log)
      super({})
      @chaos = chaos
      @sent = @arrived = 0
      log << self
    end

    def send_some(size)
      accepted = send_data(End.stream(@sent...(@sent + size)))
      @sent += accepted if accepted.positive?
    end

    def receive_data(data)
      @events << :receive_data
      raise "not what was sent, from #{@arrived}" unless data == End.stream(@arrived...(@arrived + data.bytesize))

      @arrived += data.bytesize
      @chaos.call(self)
    end

    def connection_completed
      super
      @chaos.call(self)
    end

    def unbind(reason)
      super
      @chaos.call(self)
    end
  end

  class Expected < StandardError; end

  [11, 12, 13].each do |seed|
    define_method("test_chaos_with_seed_#{seed}") { chaos(seed) }
  end

  private

  def chaos(seed)
    prepare(seed)
    EM.error_handler { |error| error.is_a?(Expected) || (@unexpected << error) }
    reactor do
      @port = port_of(EM.start_server("127.0.0.1", 0, End, @disturb, @ends))
      refill
      turn
    end
    assert_empty @unexpected
    @ends.each { |it| assert_orderly it }
    assert_operator @ends.size, :>, CONNECTIONS
  end

  def prepare(seed)
    @random = Random.new(seed)
    @ends = []
    @unexpected = []
    @steps = 0
    @disturb = ->(it) { act_on(it) if @random.rand(3).zero? }
  end

  def turn
    @steps += 1
    return EM.stop if @steps > STEPS

    living = @ends.reject { |it| it.events.last == :unbind }
    3.times { act_on(living.sample(random: @random)) unless living.empty? }
    refill
  ensure
    EM.add_timer(0.0005) { turn } unless EM.stopping?
  end

  def refill
    living = @ends.count { |it| it.events.last != :unbind }
    [CONNECTIONS - living, 3].min.times { EM.connect("127.0.0.1", @port, End, @disturb, @ends) }
  end

  def act_on(it)
    case @random.rand(40)
    when 0..19 then it.send_some(@random.rand(3000))
    when 20..22 then it.send_some(@random.rand(300_000))
    when 23..25 then it.pause
    when 26..31 then it.resume
    when 32 then it.close_connection
    when 33 then it.close_connection_after_writing
    when 34 then linger_and_close(it)
    when 35 then act_on(@ends.sample(random: @random))
    when 36 then @random.rand(4).zero? ? raise(Expected) : nil
    when 37 then it.comm_inactivity_timeout = @random.rand
    when 38 then EM.next_tick { act_on(it) }
    when 39 then EM.add_timer(@random.rand / 50) { act_on(it) }
    end
  end

  # Resets the connection.
  def linger_and_close(it)
    it.set_sock_opt(Socket::SOL_SOCKET, Socket::SO_LINGER, [1, 0].pack("ii"))
    it.close_connection
  rescue RuntimeError
    assert_equal :unbind, it.events.last
  end

  def assert_orderly(it)
    order = it.events.chunk_while { |one, other| one == other }.map(&:first)
    allowed = %i[initialize post_init connection_completed receive_data unbind]
    assert_equal allowed & order, order
    assert_equal 1, it.events.count(:unbind)
    assert_operator it.events.count(:connection_completed), :<=, 1
  end
end
