#!/usr/bin/env node
// SPDX-License-Identifier: Ruby OR BSD-2-Clause

// The echo server on Node, with its net module: what arrives is written, and reading pauses while the peer does not
// read. Node raises the limit of descriptors itself.

"use strict";

const net = require("net");

const port = Number(process.argv[2]);

if (process.argv.length !== 3 || !(port >= 1 && port <= 65535)) {
  console.error(`usage: ${process.argv[1]} PORT`);
  process.exit(2);
}

const server = net.createServer((socket) => {
  socket.setNoDelay();
  socket.on("error", () => socket.destroy());
  socket.on("drain", () => socket.resume());
  socket.on("data", (data) => {
    if (!socket.write(data)) socket.pause();
  });
});

server.listen({ host: "127.0.0.1", port, backlog: 4096 });
