# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "fileutils"
require "minitest/autorun"
require "open3"
require "tmpdir"
require_relative "../../bench/comparison/builder"
require_relative "../../bench/comparison/machine"
require_relative "../../bench/comparison/measurement"

# How bench/compare measures: the order of the programs, how figures are combined, and where the programs of another
# checkout come from. Nothing is measured here.
class BenchmarkTest < Minitest::Test
  COMPARE = File.expand_path("../../bench/compare", __dir__)

  # Records which program would have run, and returns a figure for each from a list.
  class Scene < Comparison::Measurement
    attr_reader :order

    def initialize(programs, figures: {}, **options)
      super(nil, programs, seconds: 0, **options)
      @figures = figures
      @order = []
    end

    def name
      "scene"
    end

    def paired?
      true
    end

    def measure(program, _case)
      @order << program.name
      figure = @figures.fetch(program.name, [1.0]).rotate(@order.count(program.name) - 1).first
      figure ? { "cpu" => figure } : raise(Comparison::Failure, "did not start")
    end

    def columns
      before_column
    end

    def verdict_on(program, target)
      before_cell(nil, program, "cpu", "scene", target: target)
    end
  end

  def program(name, **options)
    Comparison::Program.new(name: name, label: name, **{ kinds: %w[echo] }, **options)
  end

  def bare
    @bare ||= program(Comparison::BASELINE)
  end

  def before
    @before ||= Comparison::Checkout.new(File.join(Dir.tmpdir, "earlier"))
  end

  def ours
    @ours ||= program("ours", source: "eventmachine.c", checkout: Comparison::HERE)
  end

  def ours_before
    @ours_before ||= program("ours-before", source: "eventmachine.c", checkout: before)
  end

  LISTEN = <<~RUBY
    require "socket"
    TCPServer.new("127.0.0.1", ARGV[0]).accept
    sleep
  RUBY
  LOAD_CERTIFICATE = <<~RUBY
    require "openssl"
    certificate, key = OpenSSL::X509::Certificate.new(File.read(ARGV[1])), OpenSSL::PKey.read(File.read(ARGV[2]))
    abort "failed: not the key of the certificate" unless certificate.check_private_key(key)
  RUBY

  # A program in Ruby whose checkout has these scripts.
  def scripts(directory, texts)
    texts.merge("../lib/rubyeventmachine.so" => "").each do |name, text|
      file = File.expand_path(name, File.join(directory, "bench"))
      FileUtils.mkdir_p(File.dirname(file))
      File.write(file, "#!/usr/bin/env ruby\n#{text}")
      File.chmod(0o755, file)
    end
    program("any", source: "any.rb", checkout: Comparison::Checkout.new(directory), kinds: %w[echo tls])
  end

  def available(program, output)
    found = nil
    assert_output(output) { found = Comparison::Builder.new(Comparison::Machine.new).available([program]) }
    found
  end

  def run_scene(programs, rounds: 1, **figures)
    scene = Scene.new(programs, figures: figures.transform_keys(&:to_s), rounds: rounds)
    scene.run
    scene
  end

  def test_the_bare_loop_runs_before_and_after_each_program_and_each_round_begins_with_another
    scene = run_scene([bare, program("a"), program("b")], rounds: 2)
    assert_equal %w[epoll a epoll b epoll epoll b epoll a epoll], scene.order
  end

  def test_without_a_bare_loop_to_compare_with_each_program_runs_once
    assert_equal %w[epoll], run_scene([bare]).order
  end

  def test_without_a_bare_loop_of_its_kind_nothing_is_measured
    bare.kinds = %w[sink]
    assert_empty run_scene([bare, program("a")]).order
  end

  def test_a_ratio_is_to_the_mean_of_the_bare_loops_beside_the_program
    program = program("a")
    scene = run_scene([bare, program], a: [3.0], epoll: [1.0, 2.0])
    assert_in_delta 2.0, scene.results.ratio(nil, program, "cpu")
  end

  def test_if_one_bare_loop_failed_the_other_is_the_reference
    program = program("a")
    scene = nil
    assert_output(/failed: scene, epoll: did not start/) do
      scene = run_scene([bare, program], a: [3.0], epoll: [nil, 2.0])
    end
    assert_in_delta 1.5, scene.results.ratio(nil, program, "cpu")
  end

  def test_the_ratio_of_several_rounds_is_their_median
    program = program("a")
    scene = run_scene([bare, program], rounds: 3, a: [1.0, 9.0, 2.0])
    assert_in_delta 2.0, scene.results.ratio(nil, program, "cpu")
    assert_equal [1.0, 9.0], scene.results.quartiles(nil, program, "cpu")
  end

  def test_two_programs_are_compared_round_by_round
    scene = run_scene([bare, ours, ours_before], rounds: 3, ours: [2.0, 20.0, 300.0],
                                                             "ours-before": [1.0, 20.0, 400.0])
    assert_in_delta 1.0, scene.results.against(nil, ours, ours_before, "cpu")
  end

  def test_a_figure_slower_than_that_of_the_other_checkout_misses_its_target
    scene = run_scene([bare, ours, ours_before], ours: [3.0], "ours-before": [2.0])
    assert_equal ["1.500"], scene.verdict_on(ours, Comparison::Target.at_most(1.0))
    assert_equal ["÷ before"], scene.columns
    assert_equal [""], scene.verdict_on(ours_before, Comparison::Target.at_most(1.0))
    assert_equal ["ours, scene, as a multiple of before: 1.5, target ≤ 1.0: missed"], scene.verdicts.map(&:to_s)
  end

  def test_without_another_checkout_there_is_no_column_for_it
    scene = run_scene([bare, ours])
    assert_empty scene.columns
    assert_empty scene.verdict_on(ours, Comparison::Target.at_most(1.0))
  end

  def test_programs_of_another_checkout_are_its_own
    c, ruby = Comparison.programs(before).select(&:before?)
    assert_equal %w[eventmachine-c-before eventmachine-ruby-before], [c.name, ruby.name]
    assert_equal [File.join(before.root, "bench", "echo_eventmachine.rb")], ruby.command("echo")
    assert_equal [File.join(Comparison::BUILD, "before", "echo_eventmachine")], c.command("echo")
    assert_equal File.join(before.root, "bench", "echo_eventmachine.c"), c.file("echo_eventmachine.c")
    assert_equal ["-I#{before.root}/include", "#{before.root}/build/release/libeventmachine.a"], c.link
    assert_equal({ "EM_BACKEND" => nil }, c.environment)
  end

  def test_without_another_checkout_all_of_ours_are_of_this_one
    assert_empty Comparison.programs.select(&:before?)
    refute_empty Comparison.programs.select(&:ours?)
  end

  def test_a_program_whose_tls_cannot_run_keeps_its_other_kinds
    Dir.mktmpdir do |directory|
      server = scripts(directory, "echo_any.rb" => LISTEN, "tls_any.rb" => "abort 'failed: no TLS'")
      assert_equal [%w[echo]], available(server, /\Askipped: any, TLS: failed: no TLS$/).map(&:kinds)
    end
  end

  def test_a_program_with_tls_gets_a_certificate_and_its_key
    Dir.mktmpdir do |directory|
      server = scripts(directory, "echo_any.rb" => LISTEN, "tls_any.rb" => LOAD_CERTIFICATE + LISTEN)
      assert_equal [%w[echo tls]], available(server, /\A\z/).map(&:kinds)
    end
  end

  def test_a_program_that_cannot_run_at_all_is_left_out
    Dir.mktmpdir do |directory|
      server = scripts(directory, "echo_any.rb" => "abort 'failed: for a reason'", "tls_any.rb" => LISTEN)
      assert_empty available(server, /\Askipped: any: failed: for a reason$/)
    end
  end

  def test_only_this_user_can_read_the_key_of_a_certificate
    [Comparison::Certificate.ecdsa, Comparison::Certificate.rsa].each do |certificate|
      certificate.files.each { |file| assert_equal 0o600, File.stat(file).mode & 0o777 }
    end
  end

  def test_a_directory_that_was_not_built_is_refused
    Dir.mktmpdir do |directory|
      output, status = Open3.capture2e("ruby", COMPARE, "--before", directory)
      refute status.success?
      assert_includes output, "#{directory}: build/release/libeventmachine.a is missing, run `make build`"
    end
  end

  def test_an_unknown_program_is_refused
    output, status = Open3.capture2e("ruby", COMPARE, "--programs", "ours,nonesuch")
    refute status.success?
    assert_includes output, "nonesuch"
  end

  def test_a_report_without_markers_is_refused_before_anything_is_measured
    Dir.mktmpdir do |directory|
      File.write(file = File.join(directory, "report.md"), "# Figures\n")
      [file, "#{file}.none"].each do |path|
        output, status = Open3.capture2e(COMPARE, "--report", path)
        refute_predicate status, :success?
        assert_includes output, "#{path} lacks the line"
      end
    end
  end

  def test_the_report_states_what_others_took_of_the_cores
    machine = Comparison::Machine.new
    machine.watch { nil }
    text = machine.facts([], [], nil).to_h.fetch("Taken by others")
    assert_match(/\A\d+\.\d % of the time/, text)
  end
end
