/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * EventMachine: a fast, single-threaded engine for network programs. This header includes all others; each of them is
 * the manual of its subject.
 */
#ifndef EVENTMACHINE_H
#define EVENTMACHINE_H

#include <eventmachine/address.h>
#include <eventmachine/attach.h>
#include <eventmachine/connect.h>
#include <eventmachine/connection.h>
#include <eventmachine/datagram.h>
#include <eventmachine/descriptor_watch.h>
#include <eventmachine/file.h>
#include <eventmachine/file_watch.h>
#include <eventmachine/handler.h>
#include <eventmachine/loop.h>
#include <eventmachine/pool.h>
#include <eventmachine/process.h>
#include <eventmachine/process_watch.h>
#include <eventmachine/proxy.h>
#include <eventmachine/resolver.h>
#include <eventmachine/server.h>
#include <eventmachine/signal_watch.h>
#include <eventmachine/status.h>
#include <eventmachine/timer.h>
#include <eventmachine/tls.h>
#include <eventmachine/version.h>

#endif
