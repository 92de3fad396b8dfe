/* The mark of free blocks. */
#include "heap/block.h"

uintptr_t block_secret = 0x9e3779b97f4a7c15u;
