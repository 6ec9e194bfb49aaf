# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Makes the garbage collector a nuisance while a reactor runs: EM_TEST_GC=stress collects at every allocation,
# EM_TEST_GC=compact moves all objects after every turn. What native code forgot to mark or to update shows then.

module GCPressure
  MODES = [nil, "stress", "compact"].freeze
  YOUNG_OBJECTS_ONLY = 1

  class << self
    # @return [String, nil] "stress", "compact" or nil
    def mode
      ENV.fetch("EM_TEST_GC", nil)
    end

    # @param full [Boolean] whether each allocation collects old objects, too, which is ten times slower; otherwise only
    #   each turn does
    def start(full: false)
      return unless mode

      if mode == "stress"
        GC.stress = full || YOUNG_OBJECTS_ONLY
        each_turn { GC.start }
      else
        GC.auto_compact = true
        each_turn { GC.verify_compaction_references(toward: :empty) }
      end
    end

    def stop
      GC.stress = false
      GC.auto_compact = false if mode == "compact"
    end

    private

    def each_turn(&block)
      block.call
      EM.next_tick { each_turn(&block) if GC.stress || GC.auto_compact }
    end
  end

  raise "EM_TEST_GC must be one of #{MODES.compact.inspect}" unless MODES.include?(mode)
end
