/*
 * The virtual machine's command line: what the image shall do.
 *
 *     function=NAME PARAMETER=VALUE PARAMETER=VALUE …
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "function.h"

/* All functions of this image. */
extern const struct function function_table[], function_table_end[];

/* The function that the command line asks for, or `forward`, with its parameters set. Fatal on anything unknown. */
const struct function *options_function(const char *command_line);

#endif
