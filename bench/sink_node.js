#!/usr/bin/env node
// SPDX-License-Identifier: Ruby OR BSD-2-Clause

// The sink on Node.

"use strict";

const net = require("net");

const port = Number(process.argv[2]);
let received = 0;

if (process.argv.length !== 3 || !(port >= 1 && port <= 65535)) {
  console.error(`usage: ${process.argv[1]} PORT`);
  process.exit(2);
}

const server = net.createServer((socket) => {
  socket.on("error", () => socket.destroy());
  socket.on("data", (data) => {
    received += data.length;
  });
});

server.listen({ host: "127.0.0.1", port, backlog: 4096 });
