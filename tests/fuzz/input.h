/* A fuzzer's bytes, taken one decision at a time; zeros once they are at an end. */
#ifndef ARCA_TEST_FUZZ_INPUT_H
#define ARCA_TEST_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input {
    const uint8_t *next, *end;
};

static inline bool input_left(const struct input *input)
{
    return input->next < input->end;
}

static inline unsigned input_byte(struct input *input)
{
    return input_left(input) ? *input->next++ : 0;
}

/* Of every magnitude up to 2^23, half of them small. */
static inline size_t input_size(struct input *input)
{
    unsigned kind = input_byte(input), low = input_byte(input);
    return kind < 128 ? low * (size_t)(1 + kind % 4) : ((size_t)(256 + low) << kind % 16) - kind / 16 % 2;
}

/* What libFuzzer and main.c call. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
