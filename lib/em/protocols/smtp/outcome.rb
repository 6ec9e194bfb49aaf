# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "ostruct"

module EventMachine
  module Protocols
    module Smtp
      # The outcome of sending a message, see {SmtpClient}. It is an OpenStruct, as existing programs expect. Its class
      # defines the readers, because OpenStruct takes ten times as long to define them for each object.
      class Outcome < OpenStruct
        %i[start_time elapsed_time responder code message rcpt_responses].each do |name|
          define_method(name) { self[name] }
          define_method("#{name}=") { |value| self[name] = value }
        end
      end
    end
  end
end
