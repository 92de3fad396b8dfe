/* Hashes under a secret. */
#include "gc/containers/hash.h"

#include "base/atomic.h"
#include "base/os.h"

#include <string.h>

/* Odd, bits evenly mixed: the golden ratio, and the multiplier of Pelle Evensen's moremur. */
#define MIX_1 0x9e3779b97f4a7c15u
#define MIX_2 0xd6e8feb86659fd93u

static _Atomic uint64_t hash_secret; /* 0: not drawn yet */

/* Threads that draw at once agree on the first. */
ARCA_COLD static uint64_t draw_secret(void)
{
    uint64_t drawn = os_random() | 1, expected = 0;
    return cas_acq(&hash_secret, &expected, drawn) ? drawn : expected;
}

static uint64_t hash_key(void)
{
    uint64_t drawn = load_rlx(&hash_secret);
    return likely(drawn != 0) ? drawn : draw_secret();
}

uint64_t hash_word(uint64_t word)
{
    word = (word ^ hash_key()) * MIX_1;
    word = (word ^ word >> 32) * MIX_2;
    return word ^ word >> 32;
}

/* ---- SipHash ---------------------------------------------------------------------------------------- */

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
    v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
}

static void sip_take_in(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t hash_bytes(const char *bytes, size_t length)
{
    const uint64_t key[2] = { hash_key(), hash_key() * MIX_1 };
    uint64_t v[4] = { key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
                      key[1] ^ 0x7465646279746573u };
    uint64_t word, rest = length;
    for (; rest >= sizeof word; rest -= sizeof word, bytes += sizeof word) {
        memcpy(&word, bytes, sizeof word);
        sip_take_in(v, word);
    }
    word = 0;
    if (rest != 0)
        memcpy(&word, bytes, rest);
    sip_take_in(v, word | (uint64_t)length << 56);
    v[2] ^= 0xff;
    for (unsigned round = 0; round < 3; round++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
