# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # The host names that datagrams were sent to: their addresses for a while, and the datagrams that wait for those of a
  # name that is being resolved. Any thread may use it.
  class DatagramNames
    # Seconds for which the addresses of a name are kept …
    KEPT_SECONDS = 60
    # … and for which a failure is.
    FAILURE_SECONDS = 5

    # The most names, datagrams and bytes that may wait at the same time.
    MOST_NAMES = 256
    MOST_DATAGRAMS = 4096
    MOST_BYTES = 4 * 1024 * 1024

    private_constant :KEPT_SECONDS, :FAILURE_SECONDS, :MOST_NAMES, :MOST_DATAGRAMS, :MOST_BYTES

    # A name. addresses: nil while it is being resolved, empty if it does not resolve. waiting: [signature, data, port].
    Name = Struct.new(:addresses, :expires, :waiting)
    private_constant :Name

    # The address to bind a socket to. A name is looked up at once.
    # @param host [String]
    # @return [String]
    def self.to_bind(host)
      text = String.try_convert(host)
      return host if text.nil? || text.empty? || text == "localhost" || literal?(text)

      Addrinfo.getaddrinfo(text, nil, nil, :DGRAM).first.ip_address
    rescue SocketError
      host
    end

    def self.literal?(text)
      Addrinfo.ip(text) if text.match?(/\A[\h.:]+(%.+)?\z/)
    rescue SocketError
      false
    end
    private_class_method :literal?

    def initialize
      @mutex = Mutex.new
      clear
    end

    # The reactor has ended: what waits is dropped.
    def clear
      @names = {}
      @datagrams = 0
      @bytes = 0
    end

    # @return [Integer] how many bytes were queued, now or for later
    # @raise [ConnectionError]
    def send_datagram(signature, data, host, port)
      addresses = @mutex.synchronize { addresses_of(host) || wait(host, signature, data, port) }
      addresses ? send_to_one_of(addresses, signature, data, port) : data.bytesize
    end

    # @param addresses [Array<String>] in the form of struct sockaddr; empty if the name does not resolve
    def resolved(host, addresses)
      texts = addresses.map { |address| Addrinfo.new(address).ip_address }
      waiting = @mutex.synchronize { keep(host, texts) }
      waiting.each { |signature, data, port| send_later(texts, signature, data, port) }
    end

    private

    # nil if the name must be resolved, or is being resolved.
    def addresses_of(host)
      name = @names[host]
      return name.addresses if name && (name.addresses.nil? || name.expires > now)

      addresses = addresses_in_hosts_file(host)
      keep(host, addresses) unless addresses.empty?
      addresses unless addresses.empty?
    end

    def addresses_in_hosts_file(host)
      Resolv::Hosts.new.getaddresses(host)
    rescue SystemCallError
      []
    end

    # @return [nil]
    def wait(host, signature, data, port)
      name = @names[host]
      raise_error if @datagrams >= MOST_DATAGRAMS || @bytes + data.bytesize > MOST_BYTES
      name = begin_to_resolve(host) unless name && name.addresses.nil?
      EventMachine.__send__(:wait_for_name, signature)
      name.waiting << [signature, data.dup.freeze, port]
      @datagrams += 1
      @bytes += data.bytesize
      nil
    end

    def begin_to_resolve(host)
      make_room
      raise_error if @names.size >= MOST_NAMES || !EventMachine.__send__(:resolve_datagram_name, host)
      @names[host.dup.freeze] = Name.new(nil, nil, [])
    end

    def make_room
      return if @names.size < MOST_NAMES

      time = now
      @names.delete_if { |_, name| name.addresses && name.expires <= time }
    end

    # @return [Array] what has waited for it
    def keep(host, addresses)
      waiting = @names[host]&.waiting || []
      waiting.each { |_, data, _| @bytes -= data.bytesize }
      @datagrams -= waiting.size
      seconds = addresses.empty? ? FAILURE_SECONDS : KEPT_SECONDS
      @names[host] = Name.new(addresses, now + seconds, [])
      waiting
    end

    def send_later(addresses, signature, data, port)
      send_to_one_of(addresses, signature, data, port)
    rescue ConnectionError
      nil # nobody is left to be told
    ensure
      EventMachine.__send__(:end_wait_for_name, signature)
    end

    # To the first address of the socket's family.
    def send_to_one_of(addresses, signature, data, port)
      addresses.each_with_index do |address, i|
        return EventMachine.__send__(:send_to_literal, signature, data, data.bytesize, address, port)
      rescue ConnectionError
        raise if i == addresses.size - 1
      end
      raise_error
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end

    def raise_error
      raise ConnectionError, "error in sending datagram"
    end
  end
  private_constant :DatagramNames
end
