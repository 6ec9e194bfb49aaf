/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Arguments from Ruby in the C library's terms: ports, times and paths.
 */
#include "rb_argument.h"

#include <string.h>

#include "rb_define.h"

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

uint64_t rb_em_seconds_to_ns(double seconds)
{
    double ns = seconds * 1e9;
    if (!(ns > 0))
        return 0;
    return ns < 1.8e19 ? (uint64_t)(ns + 0.5) : EM_FOREVER - 1;
}

em_status rb_em_unix_address(VALUE path, em_address *address)
{
    StringValue(path);
    if (RSTRING_LEN(path) == 0 || RSTRING_PTR(path)[0] != '\0')
        StringValueCStr(path);
    em_status status = em_address_from_unix_name(RSTRING_PTR(path), (size_t)RSTRING_LEN(path), address);
    RB_GC_GUARD(path);
    return status;
}

void rb_em_define_argument(void)
{
    id_to_f = rb_intern("to_f");
}
