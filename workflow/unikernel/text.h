/*
 * Reading values out of the command line. Each reader moves `text` behind
 * what it has read, and is fatal, naming the parameter, if that is not there.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stdint.h>

struct range {
    uint32_t first, last;
};

bool text_equal(const char *a, const char *b);

/* Move behind `word` if the text begins with it. */
bool text_skip(const char **text, const char *word);

/* A decimal number of at most `most`. */
uint32_t text_number(const char **text, uint32_t most, const char *parameter);

/* 192.0.2.1 */
uint32_t text_address(const char **text, const char *parameter);

/* FIRST-LAST of either; fatal if the last comes before the first. */
struct range text_number_range(const char **text, uint32_t most, const char *parameter);
struct range text_address_range(const char **text, const char *parameter);

/* Fatal unless the text is at its end, or at this character, which is passed. */
void text_end(const char *text, const char *parameter);
void text_pass(const char **text, char character, const char *parameter);

#endif
