# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # Declares limits on the memory and work that a peer can cause. A protocol extends itself with this module.
    #
    # Users change a limit for one object with its writer, and for a class by defining a method of the same name.
    # Float::INFINITY means no limit. Objects whose `initialize` never ran have the default.
    module Limits
      # Defines a writer, and a reader that returns the default until the limit is set.
      #
      # @param name [Symbol]
      # @param default [Integer] in the unit documented where the limit is declared
      # @return [void]
      def limit(name, default)
        variable = :"@#{name}"
        define_method(name) { instance_variable_get(variable) || default }
        attr_writer name
      end
    end
  end
end
