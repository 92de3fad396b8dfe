/* Boxes: a pointer of the program's with its destructor. */
#include <arca/containers.h>

#include "gc/objects/debug.h"

struct arca_box {
    arca_object object;
    void *data;
    void (*destroy)(void *data);
};

static void box_destroy(void *object)
{
    struct arca_box *box = object;
    if (box->destroy != NULL)
        box->destroy(box->data);
}

static arca_type box_type = {
    .name = "arca_box",
    .size = sizeof(struct arca_box),
    .destroy = box_destroy,
    .flags = ARCA_TYPE_ACYCLIC,
};

arca_box *arca_box_new(void *data, void (*destroy)(void *data))
{
    arca_box *box = arca_new(&box_type);
    if (box != NULL) {
        box->data = data;
        box->destroy = destroy;
    }
    return box;
}

void *arca_box_data(const arca_box *box)
{
    debug_check_object("arca_box_data", box, &box_type);
    return box != NULL ? box->data : NULL;
}

bool arca_is_box(const void *object)
{
    return object != NULL && arca_type_of(object) == &box_type;
}
