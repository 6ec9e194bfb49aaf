# SPDX-License-Identifier: Ruby OR BSD-2-Clause
"""The C library in Python, by cffi: all functions, constants and structs of its headers. For one thread.

em_connection_send is connection_send here, EM_SECONDS is SECONDS. A failure is raised as an Error. An exception in a
callback stops the loop, and the call within which the callback ran raises it: loop_run as a rule.
In a copy of this file and headers.py, set the environment variables EVENTMACHINE_LIBRARY (libeventmachine.so) and
EVENTMACHINE_INCLUDE (the folder of its headers).
"""
import contextlib
import os
import weakref

import cffi
import headers

ffi, NULL = cffi.FFI(), cffi.FFI.NULL
ffi.cdef(headers.declarations())
lib = ffi.dlopen(os.environ.get("EVENTMACHINE_LIBRARY", str(headers.ROOT / "build/release/libeventmachine.so")))
KINDS = "loop connection datagram_socket process descriptor_watch file_watch process_watch signal_watch".split()
LOOP_OF = {ffi.typeof(f"em_{kind} *"): getattr(lib, f"em_{kind}_get_loop", lambda loop: loop) for kind in KINDS}
kept, raised = [], []  # callbacks, which C points to as long as the program runs; and what they have raised
owned = weakref.WeakKeyDictionary()  # structs, and what their fields point to


class Error(Exception):
    def __init__(self, status):
        super().__init__(ffi.string(lib.em_status_get_text(status)).decode())
        self.status = status


def __getattr__(name):
    value = getattr(lib, ("EM_" if name.isupper() else "em_") + name)

    def call(*arguments):
        result = value(*(each.encode() if isinstance(each, str) else each for each in arguments))
        if raised:
            raise raised.pop(0)
        if ffi.typeof(value).result is ffi.typeof("em_status") and result < 0:
            raise Error(result)
        return result

    return globals().setdefault(name, call if callable(value) else value)


def callback(kind, function):
    def guarded(*arguments):
        try:
            return function(*arguments)
        except BaseException as error:
            raised.append(error)
            if find_loop := LOOP_OF.get(ffi.typeof(arguments[0])):
                lib.em_loop_stop(find_loop(arguments[0]))
            raise  # C gets zero

    kept.append(ffi.callback(kind, guarded, onerror=lambda *_: None))
    return kept[-1]


def struct(kind, **fields):
    """A new struct, with its size. Texts and functions may stand for pointers to them."""
    types = dict(ffi.typeof(kind).fields)
    for name, value in fields.items():
        if isinstance(value, str):
            fields[name] = ffi.new("char[]", value.encode())
        elif not isinstance(value, ffi.CData) and callable(value):
            fields[name] = callback(types[name].type, value)
    made = ffi.new(f"{kind} *", {**({"size": ffi.sizeof(kind)} if "size" in types else {}), **fields})
    owned[made] = fields
    return made


@contextlib.contextmanager
def loop(**options):
    made = ffi.new("em_loop **")
    __getattr__("loop_create")(struct("em_loop_options", **options), made)
    try:
        yield made[0]
    finally:
        __getattr__("loop_destroy")(made[0])
