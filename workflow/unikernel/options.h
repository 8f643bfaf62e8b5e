/*
 * The virtual machine's command line: what the image shall do.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "function.h"

/* The function that the command line asks for; the default if it does not. Fatal on anything unknown. */
const struct function *options_function(const char *command_line);

#endif
