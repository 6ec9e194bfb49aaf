# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "programs_helper"
require "open3"
require_relative "../../ruby/support/certificates"

# Our client sends to exim. swaks, Python's smtplib and raw sockets send to our server.
class SmtpTest < ProgramTest
  EXIM = "/usr/sbin/exim4"
  EXIM_USER = "Debian-exim"
  EXIM_SIZE_LIMIT = 200_000
  CREDENTIALS = { type: :plain, username: "ann", password: "secret" }.freeze

  # A server that keeps its messages.
  class Inbox < EM::P::SmtpServer
    Message = Struct.new(:sender, :recipients, :lines)

    self.parms = { auth: true, auth_in_clear: true, extensions: %w[PIPELINING 8BITMIME] }

    class << self
      def messages
        @messages ||= []
      end
    end

    def receive_plain_auth(user, password)
      user == "ann" && password == "secret"
    end

    def receive_sender(raw)
      @message = Message.new(raw, [], [])
    end

    def receive_recipient(raw)
      later = EM::DefaultDeferrable.new
      EM.add_timer(0.001) { raw.start_with?("<nobody") ? later.fail : (@message.recipients << raw) && later.succeed }
      later
    end

    def receive_data_chunk(lines)
      @message.lines.concat(lines)
    end

    def receive_message
      self.class.messages << @message
    end
  end

  def setup
    @inbox = Class.new(Inbox)
  end

  # Our client and exim.

  def test_exim_receives_the_message_byte_for_byte
    exim = start_exim
    bodies = [".\r\n..\r\na.b\r\n.x\r\n", ((128..255).to_a * 3).pack("C*"), "no end", "a\nb\rc\r\nd\n", "#{'x' * 900}\r\n" * 20, "\r\n\r\n", ""]
    expected = bodies.map { |body| body.b.gsub(/\r\n|\r|\n/, "\n").sub(/([^\n])\z/, "\\1\n") }
    results = bodies.map { |body| send_to(exim, header: { "Subject" => "x" }, body: body) }
    assert_equal [[:receive_message_response, 250]] * bodies.size, results.map { |it| [it.responder, it.code] }
    assert_equal expected.sort, delivered(exim, bodies.size).map { |mail| mail.split("\n\n", 2).last }.sort
  end

  def test_exim_receives_a_message_for_all_but_the_refused_recipient
    exim = start_exim
    result = send_to(exim, to: %w[one@test nobody@test two@test], body: "x\r\n")
    assert_equal [250, 550, 250], result.rcpt_responses.map { |it| it[1] }
    mail = delivered(exim, 1).first
    assert_match(/^Envelope-to: (one@test,\s+two@test|two@test,\s+one@test)$/, mail)
    refused = send_to(exim, to: %w[nobody@test], body: "x\r\n")
    assert_equal [:receive_rcpt_to_response, 550], [refused.responder, refused.code]
  end

  def test_exim_authenticates
    exim = start_exim
    assert_equal 250, send_to(exim, from: "auth@test", auth: CREDENTIALS, body: "x\r\n").code
    assert_equal [:receive_auth_response, 535], send_to(exim, auth: CREDENTIALS.merge(password: "no")).to_h.values_at(:responder, :code)
    assert_equal [:receive_mail_from_response, 550], send_to(exim, from: "auth@test").to_h.values_at(:responder, :code)
  end

  def test_exim_refuses_a_message_that_is_too_large
    result = send_to(start_exim, body: "0123456789\r\n" * (EXIM_SIZE_LIMIT / 10))
    assert_equal [:receive_message_response, 552], [result.responder, result.code]
  end

  # Debian's exim uses GnuTLS.
  def test_exim_receives_a_message_by_tls
    exim = start_exim
    [{}, { verify: true, ca_pem: Certificates.root.cert, hostname: "localhost" }].each do |options|
      assert_equal 250, send_to(exim, starttls: options, body: "x\r\n").code
    end
    assert_match(/^\tby exim.test with esmtps +\(TLS1\.3\)/, delivered(exim, 1).first)
  end

  def test_a_message_is_not_sent_if_exim_is_not_the_right_one
    exim = start_exim
    verify = { verify: true, ca_pem: Certificates.root.cert, hostname: "example.com" }
    assert_equal :receive_starttls_response, send_to(exim, starttls: verify, body: "x\r\n").responder
    assert_empty Dir[File.join(exim.directory, "mail/new/*")]
  end

  def test_exim_accepts_a_bounce
    assert_equal 250, send_to(start_exim, from: "", body: "x\r\n").code
  end

  # Third-party clients and our server.

  def test_swaks_sends_dots_and_bytes
    body = ".\r\n..two\r\nd\xFCrr\r\n.end"
    output, status = swaks("--body", body.gsub("\r\n", "\n"), "--header", "Subject: x")
    assert_predicate status, :success?, output
    lines = @inbox.messages.first.lines
    assert_equal body.b.split("\r\n"), lines.drop(lines.index("") + 1).take(4)
  end

  def test_swaks_pipelines
    output, status = swaks("--pipeline", "--to", "one@test,nobody@test,two@test", "--body", "x")
    assert_predicate status, :success?, output
    assert_equal [%w[<one@test> <two@test>]], @inbox.messages.map(&:recipients)
    assert_match(/550 recipient is unacceptable/, output)
  end

  def test_swaks_authenticates
    good = %w[--auth PLAIN --auth-user ann --auth-password]
    assert_predicate swaks(*good, "secret").last, :success?
    output, status = swaks(*good, "wrong")
    refute_predicate status, :success?
    assert_match(/535 invalid authentication/, output)
    assert_equal 1, @inbox.messages.size
  end

  def test_swaks_exceeds_the_size_limit
    @inbox.define_method(:max_message_size) { 10_000 }
    output, status = swaks("--body", "0123456789\n" * 5000)
    refute_predicate status, :success?
    assert_match(/552 Message exceeds the maximum size/, output)
    assert_empty @inbox.messages
  end

  def test_python_sends_two_messages_in_a_session
    output, status = with_inbox { |port| Open3.capture2e("python3", "-c", <<~PYTHON, port.to_s) }
      import smtplib, sys
      with smtplib.SMTP("127.0.0.1", int(sys.argv[1])) as smtp:
          smtp.ehlo()
          smtp.auth("PLAIN", lambda challenge=None: "\\0ann\\0secret")
          for body in (b"one\\r\\n.\\r\\n", b"two \\xff\\r\\n..x\\r\\n"):
              print(smtp.sendmail("me@test", ["you@test", "nobody@test"], body, ["BODY=8BITMIME"]))
    PYTHON
    assert_predicate status, :success?, output
    assert_equal 2, output.scan("(550, b'recipient is unacceptable')").size
    assert_equal [%w[one .], ["two \xFF".b, "..x"]], @inbox.messages.map(&:lines)
  end

  def test_python_sends_by_tls
    credentials = Certificates.localhost
    @inbox.parms = { starttls: :required, auth: true,
                     starttls_options: { cert: credentials.chain, private_key: credentials.private_key } }
    output, status = with_inbox { |port| Open3.capture2e("python3", "-c", <<~PYTHON, port.to_s, Certificates.root.cert_file) }
      import smtplib, ssl, sys
      with smtplib.SMTP("localhost", int(sys.argv[1])) as smtp:
          smtp.starttls(context=ssl.create_default_context(cafile=sys.argv[2]))
          print(smtp.sock.version(), smtp.has_extn("starttls"))
          smtp.login("ann", "secret")
          smtp.sendmail("me@test", ["you@test"], "x" * 900 + "\\r\\n")
    PYTHON
    assert_predicate status, :success?, output
    assert_equal "TLSv1.3 False\n", output
    assert_equal [["x" * 900]], @inbox.messages.map(&:lines)
  end

  def test_pipelined_commands_are_answered_in_their_order
    said = converse("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<nobody@b>\r\nRCPT TO:<c@d>\r\nNOOP\r\nDATA\r\nx\r\n.\r\nRSET\r\nFOO\r\nQUIT\r\n")
    assert_equal %w[220 250 250 550 250 250 354 250 250 500 221], said.scan(/^(\d{3}) /).flatten
  end

  def test_nothing_can_be_smuggled
    ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\r\n.\r\r\n", ".\r\r\n", "\r\n.\r", "\n.\r"].each do |trick|
      said = converse("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx#{trick}MAIL FROM:<evil@x>\r\nRCPT TO:<c@d>\r\nDATA\r\ny\r\n.\r\nQUIT\r\n")
      assert_match(/^354 .*\r\n554 .*\r\n\z/, said, trick.inspect)
    end
    assert_empty @inbox.messages
  end

  private

  def start_exim
    start_program(user: EXIM_USER) do |port, directory|
      write_certificate(directory)
      config = File.join(directory, "config")
      File.write(config, exim_config(port, directory))
      [EXIM, "-bdf", "-C", config]
    end
  end

  def write_certificate(directory)
    credentials = Certificates.localhost
    { "certificate" => credentials.chain, "key" => credentials.private_key }.each do |name, content|
      path = File.join(directory, name)
      File.write(path, content, perm: 0o600)
      FileUtils.chown(EXIM_USER, nil, path) if Process.uid.zero?
    end
  end

  def exim_config(port, directory)
    <<~CONFIG
      primary_hostname = exim.test
      local_interfaces = 127.0.0.1
      daemon_smtp_ports = #{port}
      spool_directory = #{directory}/spool
      log_file_path = #{directory}/%slog
      pid_file_path = #{directory}/pid
      message_size_limit = #{EXIM_SIZE_LIMIT}
      tls_advertise_hosts = *
      tls_certificate = #{directory}/certificate
      tls_privatekey = #{directory}/key
      deliver_drop_privilege
      keep_environment =
      acl_smtp_mail = mail
      acl_smtp_rcpt = recipient
      acl_smtp_data = accepted
      begin acl
      mail:
        deny senders = auth@test
             ! authenticated = *
        accept
      recipient:
        deny local_parts = nobody
        accept
      accepted:
        accept
      begin routers
      all:
        driver = accept
        transport = files
      begin transports
      files:
        driver = appendfile
        directory = #{directory}/mail
        maildir_format
        create_directory
        envelope_to_add
        batch_max = 10
      begin authenticators
      plain:
        driver = plaintext
        public_name = PLAIN
        server_prompts = :
        server_condition = ${if and{{eq{$auth2}{ann}}{eq{$auth3}{secret}}}}
    CONFIG
  end

  # @return [OpenStruct]
  def send_to(program, **message)
    outcome = nil
    reactor do
      client = EM::P::SmtpClient.send({ host: "127.0.0.1", port: program.port, domain: "here.test", from: "me@test", to: "you@test" }.merge(message))
      finish = ->(result) { (outcome = result) && EM.stop }
      client.callback(&finish)
      client.errback(&finish)
    end
    outcome
  end

  # Waits until this many messages are delivered.
  # @return [Array<String>]
  def delivered(program, count)
    files = []
    wait_until { (files = Dir[File.join(program.directory, "mail/new/*")]).size >= count }
    files.map { |file| File.binread(file) }
  end

  def swaks(*arguments)
    with_inbox do |port|
      Open3.capture2e("swaks", "--server", "127.0.0.1:#{port}", "--from", "me@test", "--to", "you@test", "--helo", "x", *arguments)
    end
  end

  def converse(text)
    with_inbox do |port|
      socket = peer(port)
      socket.write(text)
      socket.read
    end
  end

  # Serves while the block runs in a thread.
  def with_inbox
    conversation = nil
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, @inbox))
      conversation = Thread.new { yield port }
      conversation.report_on_exception = false
      as_soon_as(-> { !conversation.alive? }) { EM.stop }
    end
    conversation.value
  end
end
