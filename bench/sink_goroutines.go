// SPDX-License-Identifier: Ruby OR BSD-2-Clause

// The sink in Go: a goroutine for each connection.
package main

import (
	"fmt"
	"net"
	"os"
)

const bufferBytes = 65536

func discard(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, bufferBytes)
	for {
		if _, err := connection.Read(buffer); err != nil {
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
			go discard(connection)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
