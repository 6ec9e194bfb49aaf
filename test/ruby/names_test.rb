# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The names that programs use: modules, constants, exceptions, aliases, functions mixed into other modules.

require "test_helper"

class NamesTest < ReactorTest
  repeat_under_gc_pressure except: [/loading/, /programs/]

  def test_em_is_eventmachine
    assert_same EventMachine, EM
    assert_same EventMachine::Protocols, EM::P
    assert_match(/\A1\.\d+\.\d+/, EM::VERSION)
  end

  def test_event_codes
    names = %i[TimerFired ConnectionData ConnectionUnbound ConnectionAccepted ConnectionCompleted LoopbreakSignalled
               ConnectionNotifyReadable ConnectionNotifyWritable SslHandshakeCompleted SslVerify]
    assert_equal((100..109).to_a, names.map { |name| EM.const_get(name) })
  end

  def test_protocol_masks
    names = %i[EM_PROTO_SSLv2 EM_PROTO_SSLv3 EM_PROTO_TLSv1 EM_PROTO_TLSv1_1 EM_PROTO_TLSv1_2 EM_PROTO_TLSv1_3]
    assert_equal([2, 4, 8, 16, 32, 64], names.map { |name| EM.const_get(name) })
  end

  def test_errnos_know_their_classes
    assert_equal Errno::ECONNREFUSED, EM::ERRNOS[Errno::ECONNREFUSED::Errno]
    assert_equal Errno::ETIMEDOUT, EM::ERRNOS[Errno::ETIMEDOUT::Errno]
    assert_equal :unknown, EM::ERRNOS[123_456]
  end

  def test_errors_are_runtime_errors
    %i[ConnectionError ConnectionNotBound NoHandlerForAcceptedConnection UnknownTimerFired Unsupported InvalidSignature
       InvalidPrivateKey].each { |name| assert_equal RuntimeError, EM.const_get(name).superclass, name }
  end

  def test_errors_in_parameters_are_not_standard_errors
    assert_equal [Exception, Exception], [EM::FileNotFoundException, EM::BadParams].map(&:superclass)
    assert_equal [EM::BadParams] * 2, [EM::BadCertParams, EM::BadPrivateKeyParams].map(&:superclass)
  end

  def test_the_classes_of_the_core
    assert_equal [Class] * 3, [EM::Connection, EM::Timer, EM::PeriodicTimer].map(&:class)
  end

  ALIASES = %i[stop_event_loop stop_server start_unix_domain_server connect_unix_domain connection_count set_quantum
               set_max_timers get_max_timers heartbeat_interval heartbeat_interval= set_effective_user
               set_descriptor_table_size run_machine_without_threads].freeze
  FUNCTIONS = %i[run run_block reactor_thread reactor_thread? schedule fork_reactor cleanup_machine add_shutdown_hook
                 add_timer add_periodic_timer cancel_timer start_server attach_server connect bind_connect reconnect
                 run_deferred_callbacks defer spawn_threadpool defers_finished? threadpool threadpool_size
                 threadpool_size= next_tick reactor_running? error_handler event_callback klass_from_handler
                 Callback].freeze
  PRIMITIVES = {
    add_oneshot_timer: 1, attach_sd: 1, bind_connect_server: 4, close_connection: 2, connect_server: 2,
    connect_unix_server: 1, connection_paused?: 1, current_time: 0, epoll: 0, epoll?: 0, "epoll=": 1,
    get_comm_inactivity_timeout: 1, get_connection_count: 0, get_file_descriptor: 1, get_heartbeat_interval: 0,
    get_idle_time: 1, get_max_timer_count: 0, get_peername: 1, get_pending_connect_timeout: 1,
    get_simultaneous_accept_count: 0, get_sock_opt: 3, get_sockname: 1, get_timer_count: 0,
    initialize_event_machine: 0, kqueue: 0, kqueue?: 0, "kqueue=": 1, library_type: 0, num_close_scheduled: 0,
    pause_connection: 1, release_machine: 0, report_connection_error_status: 1, resume_connection: 1, run_machine: 0,
    run_machine_once: 0, run_machine_without_threads: 0, send_data: 3, set_comm_inactivity_timeout: 2,
    set_heartbeat_interval: 1, set_max_timer_count: 1, set_pending_connect_timeout: 2, set_rlimit_nofile: 1,
    set_simultaneous_accept_count: 1, set_sock_opt: 4, set_timer_quantum: 1, setuid_string: 1, signal_loopbreak: 0,
    get_cipher_bits: 1, get_cipher_name: 1, get_cipher_protocol: 1, get_peer_cert: 1, get_sni_hostname: 1,
    set_tls_parms: 13, ssl?: 0, start_tcp_server: 2, start_tls: 1, start_unix_server: 1, stop: 0,
    stop_tcp_server: 1, stopping?: 0
  }.freeze

  def test_functions_and_aliases_are_there
    assert_empty (FUNCTIONS + ALIASES + PRIMITIVES.keys).reject { |name| EM.respond_to?(name) }
  end

  def test_primitives_take_the_documented_number_of_arguments
    PRIMITIVES.each { |name, arity| assert_equal arity, EM.method(name).arity, name }
  end

  def test_primitives_are_private_methods_of_what_includes_the_module
    includer = Class.new { include EventMachine }.new
    assert_empty PRIMITIVES.keys.reject { |name| includer.respond_to?(name, true) }
    assert_empty PRIMITIVES.keys.select { |name| includer.respond_to?(name) }
    assert_empty FUNCTIONS.select { |name| includer.respond_to?(name, true) } - Object.private_instance_methods
  end

  def test_included_primitives_work
    includer = Class.new do
      include EventMachine
      def look_and_stop = [current_time.class, get_connection_count, stopping?, stop]
    end.new
    seen = nil
    reactor { seen = includer.look_and_stop }
    assert_equal [Time, 0, false, nil], seen
  end

  def test_programs_may_extend_themselves_with_the_module
    assert_prints "1", "false", <<~RUBY
      include EventMachine
      EventMachine.run do
        EventMachine.start_server("127.0.0.1", 0)
        puts get_connection_count
        puts stopping?
        stop
      end
    RUBY
  end

  def test_loading_with_warnings_on_prints_none
    command = [RbConfig.ruby, "-w", "-I", Children::LIBRARY, "-e", "require 'eventmachine'"]
    assert_equal "", IO.popen(command, err: %i[child out], &:read)
  end

  %w[em/version em/timers em/connection em/callback em/messages].each do |file|
    define_method("test_#{file.tr('/', '_')}_may_be_required") do
      assert_includes [true, false], require(file)
    end
  end
end
