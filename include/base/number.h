/* number.h - numbers as text, exactly as Redis reads and prints them. */
#ifndef SPILLWAY_BASE_NUMBER_H
#define SPILLWAY_BASE_NUMBER_H

#include "base/bytes.h"

#define NUMBER_TEXT_MAX       32   /* any int64 or uint64 with room to spare */
#define NUMBER_FLOAT_TEXT_MAX 5120 /* any long double in %.17Lf */

/* Strict decimal: optional '-', no leading zeros or '+', no blanks, in range. False otherwise. */
bool number_parse_i64(struct slice s, int64_t *out);
bool number_parse_u64(struct slice s, uint64_t *out);
/* As Redis's float arguments: strtod/strtold syntax, whole slice used, no leading blank, NaN
 * refused; inf allowed for both (the caller refuses it where Redis does); at most 5119 bytes. A
 * value too large or too small to be anything but inf or 0 is refused; a subnormal one is not. */
bool number_parse_double(struct slice s, double *out);
bool number_parse_long_double(struct slice s, long double *out);

/* Decimal digits of v into out (NUMBER_TEXT_MAX); returns their count; no NUL. */
size_t number_print_i64(char *out, int64_t v);
size_t number_print_u64(char *out, uint64_t v);
unsigned number_digits_u64(uint64_t v);

/* Shortest text that reads back as v, in Redis 7.2's reply form: integers up to 2^62 in full,
 * "0.1", "1e+20", "1.5e-7"; "-0", "inf", "-inf", "nan". Returns the length; no NUL. */
size_t number_print_double(char out[NUMBER_TEXT_MAX + 8], double v);
/* INCRBYFLOAT form: %.17Lf with trailing zeros (and a bare point) removed; "-0" becomes "0".
 * Returns the length; a NUL need not follow it. */
size_t number_print_long_double(char out[NUMBER_FLOAT_TEXT_MAX], long double v);

/* Memory sizes of configuration: digits and an optional unit b, k, kb, m, mb, g, gb, t, tb
 * (k = 1000, kb = 1024), no case. False if it does not parse or does not fit. */
bool number_parse_memory(struct slice s, uint64_t *out);
/* "1.50M" as INFO's *_human fields print. out of 32 bytes, NUL-terminated. */
void number_print_human(char out[32], uint64_t bytes);

#endif
