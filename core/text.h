/* text.h - what the files about text share: lists of tokens, and the rule for English. */
#ifndef ENGRAM_TEXT_H
#define ENGRAM_TEXT_H
#include "utf8.h"

/* Adds the piece [begin, end) of the text; false when memory runs out. */
bool eg_tokens_add(eg_tokens *tokens, const char *begin, const char *end);
/* Adds the tokens of a word, which holds no white space. */
bool eg_english_word(eg_tokens *tokens, const char *begin, const char *end);
/* Makes the table of exceptions, once; false when there is no memory. */
bool eg_english_ready(void);
/* The lengths of the pieces of a word that is cut in a way of its own, ended by 0; NULL for other words. */
const uint8_t *eg_english_exception(const char *word, size_t length);

#endif
