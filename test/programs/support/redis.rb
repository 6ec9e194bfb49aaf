# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# Redis for one test; it keeps everything in memory.
module Redis
  # Ruby's warning about em-redis, in which a Hash has two duplicate keys.
  REDIS_WARNING = /em-redis.*warning: key .* is duplicated/.freeze

  # @return [StartedProgram]
  def start_redis(*options)
    start_program do |port, directory|
      ["/usr/bin/redis-server", "--port", port.to_s, "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--appendonly", "no",
       *options]
    end
  end
end
