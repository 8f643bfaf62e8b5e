/*
 * The functions of this image. The first is the default.
 */
#include "function.h"

extern const struct function function_forward;

const struct function *const function_table[] = {
    &function_forward,
    0,
};
