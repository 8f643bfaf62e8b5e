/*
 * The end of the road: say what is wrong, then stop.
 */
#ifndef FATAL_H
#define FATAL_H

/*
 * Prints "fatal: " and the message as one line on the console, then ends the
 * virtual machine with exit status 33 if it has a debug-exit device, and
 * halts it if not.
 */
_Noreturn void fatal(const char *message, ...) __attribute__((format(printf, 1, 2)));

#endif
