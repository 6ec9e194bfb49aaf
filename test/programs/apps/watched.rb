# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby watched.rb CASE
#
# Libraries that have a descriptor to be watched: rb-inotify and ZeroMQ. The outcome is printed.

require "eventmachine"

# The uses by name.
module Cases
  module_function

  def inotify
    require "rb-inotify"
    require "tmpdir"
    directory = Dir.mktmpdir("watched")
    notifier = INotify::Notifier.new
    notifier.watch(directory, :create) { |event| puts event.name }
    handler = Module.new { define_method(:notify_readable) { notifier.process && EM.stop } }
    EM.watch(notifier.to_io, handler).notify_readable = true
    EM.add_timer(0.01) { File.write(File.join(directory, "new"), "") }
    EM.add_shutdown_hook { FileUtils.remove_entry(directory) }
  end

  # ZeroMQ's descriptor only says that there may be something: it is level-triggered for poll(2), but has to be asked
  # until nothing is left.
  def zeromq
    require "ffi-rzmq"
    context = ZMQ::Context.new
    receiver = context.socket(ZMQ::PULL)
    receiver.bind("inproc://numbers")
    sum = 0
    handler = Module.new do
      define_method(:notify_readable) do
        text = +""
        sum += Integer(text) while receiver.recv_string(text, ZMQ::DONTWAIT) >= 0
        detach if sum == 5050
      end
      define_method(:unbind) { puts(sum) || EM.stop }
    end
    EM.watch(descriptor_of(receiver), handler).notify_readable = true
    Thread.new { send_numbers(context) }
  end

  def descriptor_of(socket)
    found = []
    socket.getsockopt(ZMQ::FD, found)
    found.first
  end

  def send_numbers(context)
    sender = context.socket(ZMQ::PUSH)
    sender.connect("inproc://numbers")
    (1..100).each { |number| sender.send_string(number.to_s) }
  end
end

EM.run { Cases.public_send(ARGV.first) }
