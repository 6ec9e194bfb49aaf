#!/usr/bin/env node
// SPDX-License-Identifier: Ruby OR BSD-2-Clause

// The echo server with TLS on Node, with its tls module: what arrives is written, and reading pauses while the peer does
// not read. Node raises the limit of descriptors itself.

"use strict";

const fs = require("fs");
const tls = require("tls");

const [port, certificate, key] = process.argv.slice(2);

if (process.argv.length !== 5 || !(Number(port) >= 1 && Number(port) <= 65535)) {
  console.error(`usage: ${process.argv[1]} PORT CERTIFICATE_FILE KEY_FILE`);
  process.exit(2);
}

const options = { cert: fs.readFileSync(certificate), key: fs.readFileSync(key), noDelay: true };

const server = tls.createServer(options, (socket) => {
  socket.on("error", () => socket.destroy());
  socket.on("drain", () => socket.resume());
  socket.on("data", (data) => {
    if (!socket.write(data)) socket.pause();
  });
});

server.listen({ host: "127.0.0.1", port: Number(port), backlog: 4096 });
