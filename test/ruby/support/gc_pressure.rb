# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Puts pressure on the garbage collector while a reactor runs: EM_TEST_GC=stress collects at every allocation, and
# EM_TEST_GC=compact moves all objects after every turn. This reveals references that native code fails to mark or to
# update.

module GCPressure
  MODES = [nil, "stress", "compact"].freeze
  YOUNG_OBJECTS_ONLY = 1

  # Before 3.3 Ruby's own table of methods that C code has called may keep the old place of an entry when a collection
  # that runs in steps moves it (https://bugs.ruby-lang.org/issues/19051), and the process dies in the next one: "try to
  # mark T_NONE object", in rb_vm_mark. Only automatic compaction runs in steps.
  COMPACTS_BY_ITSELF = RUBY_VERSION >= "3.3"

  class << self
    # @return [String, nil] "stress", "compact" or nil
    def mode
      ENV.fetch("EM_TEST_GC", nil)
    end

    # @param full [Boolean] whether each allocation also collects old objects, which is ten times slower; otherwise only
    #   each turn does
    def start(full: false)
      return unless mode

      if mode == "stress"
        GC.stress = full || YOUNG_OBJECTS_ONLY
        each_turn { GC.start }
      else
        @compacting = true
        GC.auto_compact = COMPACTS_BY_ITSELF
        each_turn { GC.verify_compaction_references(toward: :empty) }
      end
    end

    def stop
      GC.stress = false
      @compacting = GC.auto_compact = false if mode == "compact"
    end

    private

    def each_turn(&block)
      block.call
      EM.next_tick { each_turn(&block) if GC.stress || @compacting }
    end
  end

  raise "EM_TEST_GC must be one of #{MODES.compact.inspect}" unless MODES.include?(mode)
end
