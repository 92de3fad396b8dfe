/* Strings: bytes with a 0 behind, and the node of the intern table in front of them if they are interned. */
#include <arca/containers.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "gc/containers/hash.h"
#include "gc/containers/intern.h"
#include "gc/objects/debug.h"

#include <errno.h>
#include <string.h>

/* Law: count items = the node if interned + the bytes + 1. */
struct arca_str {
    arca_var_object var;
    _Atomic uint32_t hash; /* 0: nobody has asked */
    uint32_t interned;     /* 1 or 0, as it was made */
};

/* The variable part of an interned string is its node. */
static struct intern_node *node_of(const struct arca_str *string)
{
    return (struct intern_node *)(string + 1);
}

static void str_destroy(void *object)
{
    struct arca_str *string = object;
    if (string->interned && node_of(string)->weak != NULL) {
        intern_leave(node_of(string));
        arca_release(node_of(string)->weak);
    }
}

static arca_type str_type = {
    .name = "arca_str",
    .size = sizeof(struct arca_str),
    .item_size = 1,
    .destroy = str_destroy,
    .flags = ARCA_TYPE_ACYCLIC,
};

static uint32_t hash_of(const char *bytes, size_t length)
{
    uint32_t hash = (uint32_t)hash_bytes(bytes, length);
    return hash != 0 ? hash : 1;
}

arca_str *arca_str_new(const char *bytes, size_t length)
{
    arca_str *string = NULL;
    if (length < SIZE_MAX)
        string = arca_new_var(&str_type, length + 1);
    else
        errno = ENOMEM;
    if (string != NULL && length != 0)
        memcpy(string + 1, bytes, length);
    return string;
}

const char *arca_str_bytes(const arca_str *string)
{
    debug_check_object("arca_str_bytes", string, &str_type);
    if (string == NULL)
        return "";
    return string->interned ? node_of(string)->bytes : (const char *)(string + 1);
}

size_t arca_str_length(const arca_str *string)
{
    debug_check_object("arca_str_length", string, &str_type);
    if (string == NULL)
        return 0;
    return string->var.count - 1 - (string->interned ? sizeof(struct intern_node) : 0);
}

uint32_t arca_str_hash(const arca_str *string)
{
    debug_check_object("arca_str_hash", string, &str_type);
    if (string == NULL)
        return 0;
    uint32_t hash = load_rlx(&string->hash);
    if (unlikely(hash == 0)) {
        hash = hash_of(arca_str_bytes(string), arca_str_length(string));
        store_rlx(&((arca_str *)string)->hash, hash); /* the same, whoever stores it */
    }
    return hash;
}

bool arca_str_equal(const arca_str *a, const arca_str *b)
{
    debug_check_object("arca_str_equal", a, &str_type);
    debug_check_object("arca_str_equal", b, &str_type);
    if (a == b || a == NULL || b == NULL)
        return a == b;
    size_t length = arca_str_length(a);
    return length == arca_str_length(b) && memcmp(arca_str_bytes(a), arca_str_bytes(b), length) == 0;
}

int arca_str_compare(const arca_str *a, const arca_str *b)
{
    debug_check_object("arca_str_compare", a, &str_type);
    debug_check_object("arca_str_compare", b, &str_type);
    size_t a_length = arca_str_length(a), b_length = arca_str_length(b);
    int order = memcmp(arca_str_bytes(a), arca_str_bytes(b), a_length < b_length ? a_length : b_length);
    return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

bool arca_is_str(const void *object)
{
    return object != NULL && arca_type_of(object) == &str_type;
}

/* ---- interning ------------------------------------------------------------------------------------------- */

/* A string with a node that is ready to enter. */
static arca_str *interned_new(const struct intern_key *key)
{
    arca_str *string = arca_new_var(&str_type, sizeof(struct intern_node) + key->length + 1);
    if (string == NULL)
        return NULL;
    struct intern_node *node = node_of(string);
    string->interned = 1;
    store_rlx(&string->hash, key->hash);
    node->hash = key->hash;
    node->length = key->length;
    if (key->length != 0)
        memcpy(node->bytes, key->bytes, key->length);
    node->weak = arca_weak_bind(string, NULL, NULL);
    if (node->weak == NULL) {
        arca_release(string);
        return NULL;
    }
    return string;
}

arca_str *arca_str_intern(const char *bytes, size_t length)
{
    if (length > ARCA_STR_INTERN_MAX)
        return arca_str_new(bytes, length);
    const struct intern_key key = { length != 0 ? bytes : "", hash_of(bytes, length), (uint32_t)length };
    arca_str *own = NULL, *found = NULL;
    arca_weak *dead = NULL;
    for (;;) {
        arca_weak *weak = intern_enter(&key, own != NULL ? node_of(own) : NULL, dead);
        if (weak != NULL) {
            found = arca_weak_upgrade(weak);
            arca_release(dead);
            dead = weak;
            if (found != NULL)
                break;
        } else if (own != NULL || (own = interned_new(&key)) == NULL) {
            found = own;
            own = NULL;
            break;
        }
    }
    arca_release(dead);
    arca_release(own); /* another thread was faster */
    return found;
}
