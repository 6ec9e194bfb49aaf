// SPDX-License-Identifier: Ruby OR BSD-2-Clause

// The echo server with TLS in Go: a goroutine for each connection, and crypto/tls, which is written in Go and assembly. A
// buffer holds the plain bytes of one record, because Read returns no more.
package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
)

const bufferBytes = 16384

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

func listen(port, certificateFile, keyFile string) (net.Listener, error) {
	certificate, err := tls.LoadX509KeyPair(certificateFile, keyFile)
	if err != nil {
		return nil, err
	}
	return tls.Listen("tcp", "127.0.0.1:"+port, &tls.Config{Certificates: []tls.Certificate{certificate}})
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintf(os.Stderr, "usage: %s PORT CERTIFICATE_FILE KEY_FILE\n", os.Args[0])
		os.Exit(2)
	}
	listener, err := listen(os.Args[1], os.Args[2], os.Args[3])
	for err == nil {
		var connection net.Conn
		if connection, err = listener.Accept(); err == nil {
			go echo(connection)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
