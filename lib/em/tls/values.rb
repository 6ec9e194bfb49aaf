# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # Checks single options of {Connection#start_tls}.
  # @private
  module TLSValues
    # In bytes, RFC 7301, section 3.1.
    LONGEST_PROTOCOL_NAME = 255
    MOST_TICKET_KEYS = 8
    TICKET_KEY_BYTES = 80
    # Their values are never shown.
    SECRETS = %i[private_key private_key_pass certificates ticket_keys].freeze
    LONGEST_SHOWN = 100

    class << self
      # @return [Hash{Symbol => String}] the options among `names` that are given: neither nil nor ""
      # @raise [TypeError]
      def texts(options, names)
        names.each_with_object({}) do |name, given|
          text = text(name, options[name])
          given[name] = text unless text.empty?
        end
      end

      # Returns values that differ if the file has changed.
      # @return [Array]
      # @raise [FileNotFoundException]
      def identity(path)
        state(path) || raise(FileNotFoundException, "Could not find #{path} for start_tls")
      end

      # @return [Array, nil] the identity; nil if there is no such file
      def state(path)
        stat = File.stat(path)
        [path, stat.dev, stat.ino, stat.mtime, stat.size]
      rescue SystemCallError, ArgumentError
        nil
      end

      # @param identity [Array] see {identity}
      # @return [Boolean] whether the file has not changed since
      def current?(identity)
        path, dev, ino, mtime, size = identity
        stat = File.stat(path)
        stat.ino == ino && stat.mtime == mtime && stat.size == size && stat.dev == dev
      rescue SystemCallError
        false
      end

      # @param known [Array<Symbol>] the names that options may have
      # @raise [ArgumentError] for another name
      def check_names(options, known)
        unknown = (options.keys - known).first
        raise ArgumentError, "unknown option #{unknown.inspect}" if unknown
      end

      # @return [Boolean, nil]
      # @raise [ArgumentError]
      def switch(name, value)
        return value if value.nil? || value == true || value == false

        raise ArgumentError, refusal(name, "true or false", value)
      end

      # @return [Float, nil] seconds
      # @raise [ArgumentError, TypeError]
      def duration(name, value)
        return if value.nil?

        seconds = value.is_a?(String) ? Float(value, exception: false) : Float(value)
        return seconds if seconds&.positive?

        raise ArgumentError, refusal(name, "a positive number of seconds", value)
      rescue TypeError
        raise TypeError, refusal(name, "a positive number of seconds", value)
      end

      # @return [Array<String>, nil] names of application protocols
      # @raise [ArgumentError, TypeError]
      def protocols(value)
        names = Array(value).map { |name| text(:alpn, name) }
        bad = names.find { |name| !name.bytesize.between?(1, LONGEST_PROTOCOL_NAME) }
        raise ArgumentError, refusal(:alpn, "names of 1 to #{LONGEST_PROTOCOL_NAME} bytes", bad) if bad

        names unless names.empty?
      end

      # @return [Array<String>] keys of session tickets; empty if there are none
      # @raise [ArgumentError]
      def ticket_keys(value)
        keys = value.nil? ? [] : Array.try_convert(value)
        good = keys && keys.size <= MOST_TICKET_KEYS && keys.all? { |key| key.is_a?(String) && key.bytesize == TICKET_KEY_BYTES }
        return keys.map { |key| key.dup.freeze } if good

        raise ArgumentError, refusal(:ticket_keys, "up to #{MOST_TICKET_KEYS} Strings of #{TICKET_KEY_BYTES} bytes", value)
      end

      # @return [Hash, Array, Object] a copy all the way down, because programs may change theirs
      def copy(value)
        case value
        when Hash then value.transform_values { |it| copy(it) }
        when Array then value.map { |it| copy(it) }
        when String then value.dup
        else value
        end
      end

      # @return [String] the message of an exception: it names the option, and the value unless that is secret
      def refusal(name, wanted, value)
        shown = SECRETS.include?(name) ? value.class : value.inspect
        shown = "#{shown[0, LONGEST_SHOWN]}…" if shown.is_a?(String) && shown.size > LONGEST_SHOWN
        "#{name} must be #{wanted}, not #{shown}"
      end

      private

      # A frozen copy, because a program may change its String later.
      def text(name, value)
        return "" if value.nil?

        text = String.try_convert(value.respond_to?(:to_path) ? value.to_path : value)
        raise TypeError, refusal(name, "a String", value) unless text
        raise ArgumentError, "#{name} is in #{text.encoding}" unless text.encoding.ascii_compatible?
        raise ArgumentError, refusal(name, "without zero bytes", text) if text.b.include?("\0")

        text.frozen? ? text : text.dup.freeze
      end
    end
  end
end
