// SPDX-License-Identifier: Ruby OR BSD-2-Clause
//
// usage: node names_node.js SERVER PORT COUNT
//
// Node's dns.resolve4, measured as names_measure.c measures the others.
"use strict";

const dns = require("dns");
const [server, port, count] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const AT_ONCE = 100;
let begun = 0;
let ended = 0;
let failed = 0;
const start = process.cpuUsage();

function lookUp() {
  dns.resolve4(`name-${begun++}.bench.test`, (error) => {
    failed += error ? 1 : 0;
    ended++;
    if (begun < count) {
      lookUp();
    } else if (ended === count) {
      const used = process.cpuUsage(start);
      console.log(JSON.stringify({ count, failed, each_us: (used.user + used.system) / count }));
    }
  });
}

dns.setServers([`${server}:${port}`]);
for (let i = 0; i < AT_ONCE && begun < count; i++) lookUp();
