/* GObject; a weak reference is a GWeakRef. It has no slots that may be shared. */
#include <glib-object.h>

#include "rows.h"

struct node {
    GObject object;
    struct node *first, *second;
    uint64_t payload[2];
};

struct node_class {
    GObjectClass parent;
};

typedef struct node node;
typedef struct node_class nodeClass;

G_DEFINE_TYPE(node, node, G_TYPE_OBJECT)

static void node_dispose(GObject *object)
{
    node *self = (node *)object;
    g_clear_object(&self->first);
    g_clear_object(&self->second);
    G_OBJECT_CLASS(node_parent_class)->dispose(object);
}

static void node_class_init(nodeClass *class)
{
    class->parent.dispose = node_dispose;
}

static void node_init(node *self)
{
    (void)self;
}

static node *shared;
static GWeakRef weak;

static void prepare_shared(size_t operations)
{
    (void)operations;
    if (shared != NULL)
        return;
    shared = g_object_new(node_get_type(), NULL);
    g_weak_ref_init(&weak, shared);
}

static void retain(size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        g_object_ref(shared);
        keep(shared);
        g_object_unref(shared);
    }
}

static void make(size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        node *made = g_object_new(node_get_type(), NULL);
        keep(made);
        g_object_unref(made);
    }
}

static void upgrade(size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        void *strong = g_weak_ref_get(&weak);
        keep(strong);
        g_object_unref(strong);
    }
}

static node *chain;

static void chain_build(size_t length)
{
    for (size_t i = 0; i < length; i++) {
        node *head = g_object_new(node_get_type(), NULL);
        head->first = chain;
        chain = head;
    }
}

static void chain_drop(size_t length)
{
    (void)length;
    g_clear_object(&chain);
}

static size_t header(void)
{
    GTypeQuery query;
    g_type_query(G_TYPE_OBJECT, &query);
    return query.instance_size;
}

static const struct row rows[] = {
    {"retain", 1, retain, prepare_shared, NULL},
    {"retain-2", 2, retain, prepare_shared, NULL},
    {"new", 1, make, NULL, NULL},
    {"weak", 1, upgrade, prepare_shared, NULL},
    {"weak-2", 2, upgrade, prepare_shared, NULL},
    {"chain", 1, chain_drop, chain_build, NULL},
    {"header", 1, NULL, NULL, header},
    {NULL, 0, NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
    return rows_main(argc, argv, rows);
}
