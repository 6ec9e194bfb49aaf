# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # Declares how much a peer may make a protocol keep. A protocol extends itself with this module.
    #
    # Users change a limit for one object by its writer, and for a class by defining a method of its name;
    # Float::INFINITY means none. Objects whose `initialize` never ran have the default.
    module Limits
      # Defines a reader, which returns the default until something else was set, and a writer.
      #
      # @param name [Symbol]
      # @param default [Integer] what the limit counts is said where it is declared
      # @return [void]
      def limit(name, default)
        variable = :"@#{name}"
        define_method(name) { instance_variable_get(variable) || default }
        attr_writer name
      end
    end
  end
end
