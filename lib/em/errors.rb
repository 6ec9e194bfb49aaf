# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # A connection or a bind failed before anything was sent over the network.
  class ConnectionError < RuntimeError; end

  # An event came for a signature without object.
  class ConnectionNotBound < RuntimeError; end

  # A connection was accepted by a server that nobody has given a handler.
  class NoHandlerForAcceptedConnection < RuntimeError; end

  # A timer fired that is not known in Ruby.
  class UnknownTimerFired < RuntimeError; end

  # This platform lacks what was asked for.
  class Unsupported < RuntimeError; end

  # An unknown signature was given.
  class InvalidSignature < RuntimeError; end

  # A private key cannot be read, or does not belong to its certificate.
  class InvalidPrivateKey < RuntimeError; end

  # A file that was named does not exist. Not a StandardError: a bare rescue and the error handler do not see it.
  class FileNotFoundException < Exception; end

  # Parameters contradict each other. Not a StandardError either.
  class BadParams < Exception; end

  # A certificate was given twice, or is none.
  class BadCertParams < BadParams; end

  # A private key was given twice.
  class BadPrivateKeyParams < BadParams; end

  # From errno (Integer) to the class that {Connection#unbind} gets as its reason; `:unknown` for all others.
  ERRNOS = Errno.constants.each_with_object(Hash.new(:unknown)) do |name, classes|
    error = Errno.const_get(name)
    classes[error::Errno] = error if error.is_a?(Class) && name.start_with?("E")
  end
end
