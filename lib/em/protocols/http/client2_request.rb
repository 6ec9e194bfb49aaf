# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/http/request_text"

module EventMachine
  module Protocols
    class HttpClient2 < Connection
      # A request of {HttpClient2}, and its response. Callbacks are called with the request itself once the response is
      # complete, errbacks without arguments.
      class Request
        include Deferrable

        # @return [String] the method of the request, in capitals
        attr_reader :verb
        # @return [Symbol, nil] what was wrong with the response, see {HttpError#kind}; `:tls_failed`, for example
        #   because the server's certificate was rejected; nil if there was no error, no response, or the response came
        #   too late
        attr_accessor :internal_error
        # @return [String, nil] why the request failed, in words, for logs. nil if it was given up, and if it was made
        #   after the end of the connection
        attr_accessor :error_text

        # @param client [HttpClient2]
        # @param verb [#to_s]
        # @raise [ArgumentError]
        def initialize(client, verb)
          @client = client
          @verb = HttpRequestText.token(verb, "verb").upcase
          raise ArgumentError, "CONNECT is not supported" if @verb == "CONNECT"
        end

        # @param args [Hash] see {HttpClient2#get}
        # @param host_field [String] the header line that is sent if there is no `:host_header`
        # @return [String] the request as sent
        # @raise [ArgumentError]
        # @private
        def text(args, host_field)
          fields = args[:host_header] ? HttpRequestText.field("Host", args[:host_header]) : host_field
          fields += HttpRequestText.field("Authorization", args[:authorization]) if args[:authorization]
          content = args[:content]&.to_s&.b
          fields += content_fields(args[:contenttype], content) if content
          HttpRequestText.compose(@verb, args[:uri], args[:version], fields, content)
        end

        # @param response [HttpResponse]
        # @private
        def complete(response)
          @response = response
          succeed(self)
        end

        # Gives up the request and closes its connection.
        # @see Deferrable#fail
        def fail(*)
          @client.give_up(self)
          super
        end
        alias set_deferred_failure fail

        # @return [Integer, nil] nil without a response, as with all methods below
        def status
          @response&.status
        end

        # @return [String, nil] "1.0" or "1.1"
        def version
          @response&.version
        end

        # @return [Hash{String => Array<String>}, nil] the values of each header, by its name in lower case
        def headers
          @response&.headers
        end

        # @return [Array<String>, nil] the status line and the header lines
        def header_lines
          @response&.header_lines
        end

        # @return [String, nil] the body, binary; content codings such as gzip are not decoded
        def content
          @response&.content
        end

        private

        def content_fields(type, content)
          HttpRequestText.field("Content-Type", type) + HttpRequestText.field("Content-Length", content.bytesize)
        end
      end
    end
  end
end
