# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # A connection could not be opened, or a local address not bound; nothing was sent over the network.
  class ConnectionError < RuntimeError; end

  # An event arrived for a signature that has no object.
  class ConnectionNotBound < RuntimeError; end

  # A connection was accepted by a server that has no handler.
  class NoHandlerForAcceptedConnection < RuntimeError; end

  # A timer fired that Ruby does not know.
  class UnknownTimerFired < RuntimeError; end

  # This platform does not support the request.
  class Unsupported < RuntimeError; end

  # An unknown signature was given.
  class InvalidSignature < RuntimeError; end

  # A private key cannot be read, or does not match its certificate.
  class InvalidPrivateKey < RuntimeError; end

  # A named file does not exist. Not a StandardError: neither a bare rescue nor the error handler gets it.
  class FileNotFoundException < Exception; end

  # Parameters contradict each other. Not a StandardError either.
  class BadParams < Exception; end

  # A certificate was given twice, or is not a certificate.
  class BadCertParams < BadParams; end

  # A private key was given twice.
  class BadPrivateKeyParams < BadParams; end

  # Maps an errno (Integer) to the class that {Connection#unbind} gets as its reason; `:unknown` for all others.
  ERRNOS = Errno.constants.each_with_object(Hash.new(:unknown)) do |name, classes|
    error = Errno.const_get(name)
    classes[error::Errno] = error if error.is_a?(Class) && name.start_with?("E")
  end
end
