# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Smtp
      # The parameters of a server: defaults that each class inherits and may change, and a copy for each connection.
      module ServerParameters
        DEFAULTS = { chunksize: 4000, verbose: false, extensions: ["PIPELINING"].freeze }.freeze
        private_constant :DEFAULTS

        # The class methods.
        module ClassMethods
          # @return [Hash] the initial parameters of new connections of this class
          def parms
            inherited = superclass.respond_to?(:parms) ? superclass.parms : DEFAULTS
            @parms ? inherited.merge(@parms) : inherited
          end

          # Changes some of the defaults for this class and its subclasses.
          # @param parms [Hash] see {SmtpServer}
          # @raise [ArgumentError]
          def parms=(parms)
            @parms = (@parms || {}).merge(ServerParameters.check(parms)).freeze
          end
        end

        # @return [Hash] the parameters of this connection
        attr_reader :parms

        # Changes some of the parameters for this connection.
        # @param parms [Hash] see {SmtpServer}
        # @raise [ArgumentError]
        def parms=(parms)
          @parms = @parms.merge(ServerParameters.check(parms))
        end

        # @private
        def self.included(base)
          base.extend(ClassMethods)
        end

        # @private
        def self.check(parms)
          chunksize = parms.fetch(:chunksize, 1)
          raise ArgumentError, ":chunksize must be a positive Integer" unless chunksize.is_a?(Integer) && chunksize.positive?

          parms
        end
      end
    end
  end
end
