# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "support/segmentation"

# The example of RFC 7677, section 3, and servers that cheat.
class ScramSha256Test < ReactorTest
  Scram = EM::P.const_get(:Postgres3) && EM::P::Postgres::ScramSha256

  NONCE = "rOprNGfwEbeRWgbNEkqO"
  SERVER_FIRST = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
  SERVER_FINAL = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

  def scram
    Scram.new("pencil", user: "user", nonce: NONCE)
  end

  def test_the_example_of_the_rfc
    client = scram
    assert_equal "n,,n=user,r=#{NONCE}", client.first_message
    assert_equal "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                 client.final_message(SERVER_FIRST)
    refute_predicate client, :verified?
    client.verify(SERVER_FINAL)
    assert_predicate client, :verified?
  end

  def test_challenges_that_are_refused
    ["", "r=#{NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "r=other#{NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
     SERVER_FIRST.sub("i=4096", "i=0"), SERVER_FIRST.sub("i=4096", "i=100001"), SERVER_FIRST.sub("i=4096", "i=-1"),
     SERVER_FIRST.sub("i=4096", "i=4096garbage"), SERVER_FIRST.sub("i=4096", "i=99999999999999"),
     SERVER_FIRST.sub("W22Z", "!!!!"), SERVER_FIRST.sub(/,s=[^,]*/, ""), "m=ext,#{SERVER_FIRST}"].each do |challenge|
      assert_raises(Scram::Failure, challenge) { scram.final_message(challenge) }
    end
  end

  def test_proofs_that_are_refused
    [SERVER_FINAL.sub("6rri", "7rri"), "v=", "v=AAAA", "v=!!!", "", "e=other-error", "x=1"].each do |proof|
      client = scram
      client.final_message(SERVER_FIRST)
      assert_raises(Scram::Failure, proof) { client.verify(proof) }
      refute_predicate client, :verified?
    end
    assert_raises(Scram::Failure) { scram.verify(SERVER_FINAL) }
  end

  def test_passwords_are_prepared
    { "pencil" => "pencil", "I\u00ADX" => "IX", "a\u00A0b" => "a b", "\u00AA" => "a", "\u2168" => "IX", "bad\xff" => "bad\xff".b,
      "\u0007\u00e9" => "\u0007\u00e9" }.each do |password, prepared|
      assert_equal prepared.b, Scram.prepare(password), password.inspect
    end
  end


  # A server that uses the client's nonce, so that only what is under test is wrong.
  class Server < EM::Connection
    def initialize(script)
      @script = script
    end

    def receive_data(data)
      step = @script.shift or return
      step.call(data).each { |type, payload| send_data(type.b + [payload.bytesize + 4].pack("N") + payload.b) }
    end
  end

  def login_with(*script)
    outcome = nil
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, Server, script))
      EM.connect("127.0.0.1", port, EM::P::Postgres3).connect("db", "ann", "pencil").callback do |*values|
        outcome = values
        EM.stop
      end
    end
    outcome
  end

  def offer
    ->(_) { [["R", "#{[10].pack('N')}SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"]] }
  end

  def challenge(iterations = 4096)
    ->(data) { [["R", "#{[11].pack('N')}r=#{data[/r=([^,]+)/, 1]}more,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=#{iterations}"]] }
  end

  def test_a_server_that_does_not_prove_itself_is_not_believed
    ready = [["R", [0].pack("N")], %w[Z I]]
    assert_equal [false, "the server has not proven that it knows the password"], login_with(offer, ->(_) { ready })
    assert_equal [false, "the server has not proven that it knows the password"], login_with(offer, challenge, ->(_) { ready })
    assert_equal [false, "the server does not know the password"],
                 login_with(offer, challenge, ->(_) { [["R", "#{[12].pack('N')}v=#{['x' * 32].pack('m0')}"], *ready] })
    assert_equal [false, "too many iterations"], login_with(offer, challenge(10_000_000))
    assert_equal [false, "unexpected authentication message"], login_with(->(_) { [["R", "#{[11].pack('N')}r=x"]] })
  end
end
