# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "fileutils"
require "minitest/autorun"
require "open3"
require "tmpdir"

# Runs tools/install_packages on a simulated system, whose commands are those in a temporary folder.
class InstallPackagesTest < Minitest::Test
  TOOL = File.expand_path("../../tools/install_packages", __dir__)
  COMMANDS = %w[awk cat chmod dirname env grep ls rm sed sh sort].freeze

  def setup
    @root = Dir.mktmpdir
    COMMANDS.each do |name|
      FileUtils.ln_s(ENV["PATH"].split(":").map { |folder| "#{folder}/#{name}" }.find { |path| File.file?(path) }, @root)
    end
    FileUtils.mkdir_p(["#{@root}/usr/sbin", "#{@root}/etc/init.d"])
    command("id", "echo 0")
    list("list", "# comment\n\nlibthere-dev  <limits.h>  # why\nabsent  absent-program\n")
  end

  def teardown
    FileUtils.remove_entry(@root)
  end

  def command(name, script)
    File.write("#{@root}/#{name}", "#!/bin/sh\n#{script}\n", perm: 0o755)
  end

  def list(name, text)
    File.write("#{@root}/#{name}", text)
  end

  # A Debian system with these packages installed. Its apt-get prints its arguments.
  def debian(*installed)
    command("dpkg-query", "case \"$4\" in #{['none', *installed].join('|')}) printf installed ;; *) exit 1 ;; esac")
    command("apt-get", "echo apt-get \"$@\"")
  end

  def install(*lists)
    Open3.capture2e({ "PATH" => @root, "SYSTEM_ROOT" => @root }, TOOL, *lists.map { |name| "#{@root}/#{name}" })
  end

  def policy
    "#{@root}/usr/sbin/policy-rc.d"
  end

  def init_scripts
    "#{@root}/etc/init.d"
  end

  def test_prints_and_installs_nothing_if_nothing_is_missing
    debian("libthere-dev", "absent")
    output, status = install("list")
    assert_empty output
    assert_predicate status, :success?
  end

  def test_installs_what_is_missing_and_prints_it_first
    debian("libthere-dev")
    output, status = install("list")
    assert_predicate status, :success?
    assert_equal "Installing with apt-get: absent", output.lines(chomp: true).first
    assert_match(/^apt-get install .*--no-install-recommends absent$/, output)
    assert_operator output.index("apt-get update"), :<, output.index("apt-get install")
  end

  def test_installs_once_what_several_lists_name
    debian
    list("other", "absent\nmore\n")
    output, = install("list", "other")
    assert_equal "Installing with apt-get: absent libthere-dev more", output.lines(chomp: true).first
  end

  def test_uses_sudo_if_not_root
    debian("libthere-dev")
    command("id", "echo 1000")
    command("sudo", "echo as root: \"$@\"")
    output, = install("list")
    assert_match(%r{\AInstalling with sudo apt-get: absent\nas root: \S*tools/apt_install absent$}, output)
  end

  def test_prints_the_command_for_root_if_there_is_no_sudo
    debian("libthere-dev")
    command("id", "echo 1000")
    output, status = install("list")
    refute_predicate status, :success?
    assert_match(/As root, run: apt-get install absent$/, output)
  end

  def test_without_root_and_sudo_optional_packages_are_only_mentioned
    debian("libthere-dev")
    command("id", "echo 1000")
    list("other", "libthere-dev <limits.h>\nlibmore-dev <more.h> optional\n")
    output, status = install("other")
    assert_predicate status, :success?
    assert_match(/As root, run: apt-get install libmore-dev$/, output)
    output, status = install("other", "list")
    refute_predicate status, :success?
    assert_match(/As root, run: apt-get install absent libmore-dev$/, output)
  end

  def test_fails_if_apt_get_fails
    debian
    command("apt-get", "exit 100")
    _, status = install("list")
    refute_predicate status, :success?
  end

  def test_no_server_is_started_during_the_installation
    debian("libthere-dev")
    command("apt-get", %(#{policy}; echo "$1: policy $?"))
    output, = install("list")
    assert_includes output, "install: policy 101"
    refute_path_exists policy
  end

  def test_servers_may_start_again_if_apt_get_has_failed
    debian("libthere-dev")
    command("apt-get", "exit 100")
    install("list")
    refute_path_exists policy
  end

  def test_an_existing_policy_stays
    debian("libthere-dev")
    File.write(policy, "as before", perm: 0o755)
    install("list")
    assert_equal "as before", File.read(policy)
  end

  def test_new_servers_do_not_start_at_boot
    debian("libthere-dev")
    FileUtils.touch("#{init_scripts}/old")
    command("apt-get", "[ $1 != install ] || echo >#{init_scripts}/new")
    command("update-rc.d", 'echo update-rc.d "$@"')
    output, status = install("list")
    assert_predicate status, :success?
    assert_equal ["update-rc.d new disable\n"], output.lines.grep(/update-rc/)
  end

  def test_on_other_systems_prints_what_is_missing_and_fails
    command("cc", "cat >/dev/null")
    output, status = install("list")
    refute_predicate status, :success?
    assert_match(/Debian names\): absent$/, output)
  end

  def test_on_other_systems_says_which_library_is_missing
    command("python3", "exit 1")
    list("library", "python3-snake  python:snake\n")
    output, status = install("library")
    refute_predicate status, :success?
    assert_match(/Debian names\): python3-snake$/, output)
  end

  def test_on_other_systems_recognises_programs_headers_and_libraries
    command("cc", "cat >/dev/null")
    command("absent-program", "exit 1")
    command("ruby", "exit 0")
    command("python3", "[ \"$2\" = 'import snake' ]")
    list("library", "ruby-thing  ruby:thing\npython3-snake  python:snake\n")
    output, status = install("list", "library")
    assert_empty output
    assert_predicate status, :success?
  end
end
