# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# SCRAM-SHA-256 without a network: the example of RFC 7677, and servers that violate the protocol.

require "test_helper"
require "openssl"

class PostgresScramTest < Minitest::Test
  Scram = EM::P::Postgres3::Scram
  Saslprep = EM::P::Postgres3::Saslprep
  Refused = EM::P::Postgres3::AuthenticationRefused

  NONCE = "rOprNGfwEbeRWgbNEkqO"
  CHALLENGE = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
  PROOF = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
  OUTCOME = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

  def test_the_example_of_rfc_7677
    scram = example
    assert_equal "n,,n=user,r=#{NONCE}", scram.first_message
    assert_equal PROOF, scram.final_message(CHALLENGE)
    refute_predicate scram, :verified?
    scram.verify(OUTCOME)
    assert_predicate scram, :verified?
  end

  def test_nonces_are_long_and_never_the_same
    nonces = Array.new(100) { Scram.new("x").first_message[/r=(.*)/, 1] }
    assert_equal 100, nonces.uniq.size
    nonces.each { |nonce| assert_match(%r{\A[A-Za-z0-9+/]{32}\z}, nonce) }
  end

  def test_commas_and_equals_signs_in_names_are_escaped
    assert_equal "n,,n=a=2Cb=3Dc,r=x", Scram.new("p", user: "a,b=c", nonce: "x").first_message
  end

  def test_a_nonce_that_does_not_extend_ours_is_refused
    ["r=other", "r=#{NONCE}", "r=x#{NONCE}", "r=#{NONCE.swapcase}abc", "r=#{NONCE.chop}"].each do |nonce|
      assert_challenge_refused(CHALLENGE.sub(/r=[^,]*/) { nonce })
    end
  end

  def test_iterations_are_digits_within_bounds
    %w[0 -1 +4096 4096x 1garbage 0x10 04096 4e3 100001 2147483647 99999999999 4294967297].push("", " 1", "1 ", "1\n").each do |number|
      assert_challenge_refused(CHALLENGE.sub("i=4096") { "i=#{number}" })
    end
    %w[1 100000].each { |number| assert_match(/,p=/, example.final_message(CHALLENGE.sub("4096", number))) }
  end

  def test_the_limit_for_iterations_can_be_set
    assert_challenge_refused(CHALLENGE, example(max_iterations: 4095))
    assert example(max_iterations: 4096).final_message(CHALLENGE)
  end

  def test_malformed_challenges_are_refused
    ["", "r=", "e=no", CHALLENGE.sub("r=", "m=x,r="), CHALLENGE.sub("W22ZaJ0", "W22Za*0"), CHALLENGE.sub("==", ""), CHALLENGE.sub(/s=[^,]*/, "s="),
     CHALLENGE.sub(",i=4096", ""), CHALLENGE.split(",").rotate.join(","), "#{CHALLENGE},", "#{CHALLENGE}\n", "#{CHALLENGE}\0", "x#{CHALLENGE}",
     CHALLENGE.sub("%", "\xff".b)].each { |challenge| assert_challenge_refused(challenge) }
  end

  def test_extensions_of_the_challenge_are_ignored_but_signed
    assert example.final_message("#{CHALLENGE},x=y")
    refute_equal PROOF, example.final_message("#{CHALLENGE},x=y")
  end

  def test_a_second_challenge_is_refused
    scram = example
    scram.final_message(CHALLENGE)
    assert_challenge_refused(CHALLENGE, scram)
  end

  def test_any_other_signature_is_refused
    wrong = OUTCOME.sub("v=6", "v=7")
    [wrong, "v=", "", "v=AAAA", OUTCOME.chop, "#{OUTCOME}x", "#{OUTCOME}\n", " #{OUTCOME}", "e=other-error", "v=#{PROOF[/p=(.*)/, 1]}"].each do |outcome|
      scram = example
      scram.final_message(CHALLENGE)
      assert_raises(Refused, outcome) { scram.verify(outcome) }
      refute_predicate scram, :verified?
    end
  end

  def test_a_signature_before_the_challenge_is_refused
    assert_raises(Refused) { example.verify(OUTCOME) }
    assert_raises(Refused) { example.verify("v=") }
  end

  def test_the_servers_error_is_reported
    scram = example
    scram.final_message(CHALLENGE)
    assert_equal "SCRAM: invalid-proof", assert_raises(Refused) { scram.verify("e=invalid-proof") }.message
  end

  def test_random_data_raises_no_other_error
    random = Random.new(1)
    2000.times do
      challenge = CHALLENGE.b
      random.rand(1..4).times { challenge.setbyte(random.rand(challenge.bytesize), random.rand(256)) }
      begin
        example(max_iterations: 5000).final_message(challenge)
      rescue Refused
        next
      end
    end
  end

  # RFC 4013, section 3. If preparation fails, the password is unchanged, as on the server.
  def test_saslprep
    {
      "I\u{AD}X" => "IX", "user" => "user", "USER" => "USER", "\u{AA}" => "a", "\u{2168}" => "IX", "a\u{A0}b" => "a b", "a\u{3000}" => "a ",
      "e\u{301}" => "\u{E9}", "\u{1D400}" => "A", "a b c" => "a b c", "ä b" => "ä b", "\u{5D0}\u{5D1}" => "\u{5D0}\u{5D1}",
      "\u{627}\u{31}\u{628}" => "\u{627}\u{31}\u{628}"
    }.each { |password, prepared| assert_equal prepared.b, Saslprep.prepare(password), password.inspect }
  end

  def test_passwords_that_saslprep_prohibits_are_unchanged
    ["\u{2168}\u{7}", "\u{627}\u{31}", "\u{2168}\u{E000}", "\u{2168}\u{1F600}", "\u{2168}\u{5D0}", "\u{5D0}\u{2168}", "\u{AD}", "\u{200E}\u{2168}",
     "\u{2168}\u{10FFFF}", "\u{2168}\u{1FFFE}", "\xff\xe2\x85\xa8", "\u{2168}\u{341}\u{2FF0}"].each do |password|
      assert_equal password.b, Saslprep.prepare(password), password.inspect
    end
  end

  def test_the_password_given_is_not_changed
    password = "I\u{AD}X"
    Saslprep.prepare(password.freeze)
    assert_equal Encoding::UTF_8, password.encoding
  end

  private

  def example(**options)
    Scram.new("pencil", user: "user", nonce: NONCE, **options)
  end

  def assert_challenge_refused(challenge, scram = example)
    assert_raises(Refused, challenge) { scram.final_message(challenge) }
  end
end
