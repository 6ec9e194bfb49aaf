// SPDX-License-Identifier: Ruby OR BSD-2-Clause

// The echo server in Go: a goroutine for each connection, on the runtime's poller. GOMAXPROCS is not set: bound to one
// core, as the benchmark starts it, the runtime chooses one. Go also sets TCP_NODELAY and raises the limit of
// descriptors.
package main

import (
	"fmt"
	"net"
	"os"
)

const bufferBytes = 65536

func echo(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, bufferBytes)
	for {
		n, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err = connection.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintf(os.Stderr, "usage: %s PORT\n", os.Args[0])
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	for err == nil {
		var connection net.Conn
		if connection, err = listener.Accept(); err == nil {
			go echo(connection)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
