/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Settings of the process and of the reactor. The choice of a poller is only checked, because the C library takes the
 * best one anyway.
 */
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "rb_define.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_state.h"
#include "rb_status.h"

static bool has_backend(const char *name)
{
    em_loop_options options = {.size = sizeof options, .backend = name};
    em_loop *loop;
    if (em_loop_create(&options, &loop) < 0)
        return false;
    em_loop_destroy(loop);
    return true;
}

static VALUE has_epoll(VALUE self)
{
    return has_backend("epoll") ? Qtrue : Qfalse;
}

static VALUE has_kqueue(VALUE self)
{
    return has_backend("kqueue") ? Qtrue : Qfalse;
}

static VALUE switch_poller(const char *name, VALUE choice)
{
    if (choice == Qtrue && !has_backend(name))
        rb_em_raise("Unsupported", "%s is not supported on this platform", name);
    return choice;
}

static VALUE set_epoll(VALUE self, VALUE choice)
{
    return switch_poller("epoll", choice);
}

static VALUE set_kqueue(VALUE self, VALUE choice)
{
    return switch_poller("kqueue", choice);
}

static VALUE library_type(VALUE self)
{
    return ID2SYM(rb_intern("extension"));
}

static VALUE set_timer_quantum(VALUE self, VALUE milliseconds)
{
    long quantum = NUM2LONG(milliseconds);
    rb_em_loop("set_timer_quantum");
    if (quantum < 5 || quantum > 300000)
        rb_raise(rb_eRuntimeError, "invalid timer-quantum");
    rb_em_the_reactor.quantum_ms = quantum;
    return Qnil;
}

static VALUE get_heartbeat_interval(VALUE self)
{
    rb_em_loop("get_heartbeat_interval");
    return DBL2NUM(rb_em_the_reactor.heartbeat);
}

static VALUE set_heartbeat_interval(VALUE self, VALUE interval)
{
    double number = NUM2DBL(interval);
    rb_em_loop("set_heartbeat_interval");
    if (!(number > 0))
        return Qfalse;
    rb_em_the_reactor.heartbeat = number;
    return Qtrue;
}

/* nil changes nothing. Returns the limit that is in force afterwards. */
static VALUE set_rlimit_nofile(VALUE self, VALUE number)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        rb_sys_fail("getrlimit");
    if (!NIL_P(number) && NUM2LL(number) >= 0) {
        limit.rlim_cur = (rlim_t)NUM2LL(number);
        if (limit.rlim_cur > limit.rlim_max)
            limit.rlim_max = limit.rlim_cur;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    return ULL2NUM(limit.rlim_cur);
}

static VALUE setuid_string(VALUE self, VALUE name)
{
    const char *text = StringValueCStr(name);
    if (*text == '\0')
        rb_raise(rb_eRuntimeError, "setuid_string failed: no username specified");
    const struct passwd *entry = getpwnam(text);
    if (!entry)
        rb_raise(rb_eRuntimeError, "setuid_string failed: unknown username");
    if (setuid(entry->pw_uid) != 0)
        rb_raise(rb_eRuntimeError, "setuid_string failed: no setuid");
    return Qnil;
}

void rb_em_define_settings(void)
{
    RB_EM_FUNCTION("epoll", has_epoll, 0);
    RB_EM_FUNCTION("epoll?", has_epoll, 0);
    RB_EM_FUNCTION("epoll=", set_epoll, 1);
    RB_EM_FUNCTION("kqueue", has_kqueue, 0);
    RB_EM_FUNCTION("kqueue?", has_kqueue, 0);
    RB_EM_FUNCTION("kqueue=", set_kqueue, 1);
    RB_EM_FUNCTION("library_type", library_type, 0);
    RB_EM_FUNCTION("set_timer_quantum", set_timer_quantum, 1);
    RB_EM_FUNCTION("get_heartbeat_interval", get_heartbeat_interval, 0);
    RB_EM_FUNCTION("set_heartbeat_interval", set_heartbeat_interval, 1);
    RB_EM_FUNCTION("set_rlimit_nofile", set_rlimit_nofile, 1);
    RB_EM_FUNCTION("setuid_string", setuid_string, 1);
}
