/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Arguments from Ruby in the C library's terms: times and paths.
 */
#include "rb_eventmachine.h"

#include <string.h>

static ID id_to_f;

long rb_em_port(VALUE number)
{
    if (!RB_TYPE_P(number, T_BIGNUM))
        return NUM2LONG(number);
    return RBIGNUM_NEGATIVE_P(number) ? LONG_MIN : LONG_MAX;
}

double rb_em_seconds(VALUE number)
{
    if (RB_FLOAT_TYPE_P(number))
        return RFLOAT_VALUE(number);
    if (FIXNUM_P(number))
        return (double)FIX2LONG(number);
    return NUM2DBL(rb_funcallv(number, id_to_f, 0, NULL));
}

/* What is negative or not a number counts as none, what is beyond the range as the longest time. */
uint64_t rb_em_seconds_to_ns(double seconds)
{
    double ns = seconds * 1e9;
    if (!(ns > 0))
        return 0;
    return ns < 1.8e19 ? (uint64_t)(ns + 0.5) : EM_FOREVER - 1;
}

/* In Ruby a zero byte in front marks a name in the abstract namespace, unix(7); in C '@' does, which Ruby takes as is. */
const char *rb_em_path(VALUE *path)
{
    StringValue(*path);
    const char *text = RSTRING_PTR(*path);
    long length = RSTRING_LEN(*path);
    if (length > 0 && text[0] == '@') {
        *path = rb_str_plus(rb_str_new_cstr("./"), *path);
    } else if (length > 0 && text[0] == '\0') {
        *path = rb_str_new(text, length);
        RSTRING_PTR(*path)[0] = '@';
    }
    return StringValueCStr(*path);
}

void rb_em_define_argument(void)
{
    id_to_f = rb_intern("to_f");
}
