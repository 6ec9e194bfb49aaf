# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  class << self
    # Returns the class for a handler.
    #
    # @param base [Class]
    # @param handler [Class, Module, nil] nil for the base itself; a descendant of the base; or a module, for which a
    #   descendant that includes it is created once
    # @param arguments [Array] what will be passed to the constructor
    # @return [Class]
    # @raise [ArgumentError] for a class of another kind, or if the constructor cannot take the arguments
    # @raise [TypeError] unless the handler is a class or a module
    def klass_from_handler(base = Connection, handler = nil, *arguments)
      klass = resolve_handler(base, handler)
      check_constructor(klass, arguments.size)
      klass
    end

    private

    def resolve_handler(base, handler)
      return base unless handler
      return class_including(base, handler) unless handler.is_a?(Class)
      return handler if handler <= base

      raise ArgumentError, "must provide module or subclass of #{base.name}"
    end

    # Looks only at the module's own constants: those of modules that it includes name other classes.
    def class_including(base, handler)
      raise TypeError, "wrong argument type #{handler.class} (expected Module)" unless handler.is_a?(Module)

      name = cache_name(base)
      return handler.const_get(name, false) if handler.const_defined?(name, false)

      handler.const_set(name, Class.new(base) { include handler })
    end

    def cache_name(base)
      return :EM_CONNECTION_CLASS if base == Connection

      label = base.name || "Anonymous#{base.object_id}"
      :"EM_CONNECTION_CLASS_OF_#{label.gsub('::', '_')}"
    end

    def check_constructor(klass, given)
      arity = klass.instance_method(:initialize).arity
      required = arity.negative? ? -(arity + 1) : arity
      return if arity.negative? ? given >= required : given == required

      raise ArgumentError, "wrong number of arguments for #{klass}#initialize (#{given} for #{required})"
    end

    def takes_arguments?(klass)
      klass.instance_method(:initialize).owner != Connection
    end

    # Removes `tls:` from the last argument if TLS is to be started. A Hash is an argument of the handler, as in 1.x, if
    # its class has an `initialize` method of its own. Returns the {TLS} or {TLSOptions} or nil, the handler and the
    # other arguments.
    def split_tls(handler, arguments)
      options = arguments.empty? ? handler : arguments.last
      return [nil, handler, arguments] unless options.is_a?(Hash) && options[:tls]

      handler = nil if arguments.empty?
      tls = tls_for(handler, options[:tls]) or return [nil, handler, arguments]
      [tls, *without_tls(handler, arguments, options)]
    end

    def tls_for(handler, value)
      return value if value.is_a?(TLS)

      TLSOptions.new(value) unless takes_arguments?(resolve_handler(Connection, handler))
    end

    def without_tls(handler, arguments, options)
      rest = options.reject { |name, _| name == :tls }
      rest = Hash.ruby2_keywords_hash(rest) if Hash.ruby2_keywords_hash?(options)
      rest = rest.empty? ? [] : [rest]
      arguments.empty? ? [rest.first, []] : [handler, arguments[0...-1] + rest]
    end

    # For functions whose port may be omitted. Returns port or nil, handler, arguments. If the port is not a number, it
    # is the handler.
    def split_port(port, handler, arguments)
      return [nil, handler, arguments] unless port

      [Integer(port), handler, arguments]
    rescue ArgumentError, TypeError
      arguments = [handler, *arguments] if handler || !arguments.empty?
      [nil, port, arguments]
    end
  end
end
