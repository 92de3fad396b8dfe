#include <arca/object.h>

struct arca_weak {
    GC_word hidden; /* the object, so that the collector does not see it here; NULL once it is lost */
    arca_weak_callback *callback;
    void *data;
};

static void die(void *object, void *unused)
{
    arca_object *head = object;
    arca_weak *watcher = head->watcher;
    (void)unused;
    if (watcher != NULL && watcher->callback != NULL)
        watcher->callback(watcher, watcher->data);
    if (head->type->destroy != NULL)
        head->type->destroy(object);
}

static void watch_death(arca_object *object)
{
    GC_register_finalizer_no_order(object, die, NULL, NULL, NULL);
}

void *arca_new_var(arca_type *type, size_t count)
{
    arca_object *object = GC_MALLOC(type->size + count * type->item_size);
    if (object == NULL)
        return NULL;
    object->type = type;
    if (type->item_size != 0)
        ((arca_var_object *)object)->count = count;
    if (type->destroy != NULL)
        watch_death(object);
    return object;
}

arca_weak *arca_weak_bind(void *object, arca_weak_callback *callback, void *data)
{
    arca_weak *weak = callback != NULL ? GC_MALLOC(sizeof *weak) : GC_MALLOC_ATOMIC(sizeof *weak);
    if (weak == NULL)
        return NULL;
    weak->hidden = GC_HIDE_POINTER(object);
    weak->callback = callback;
    weak->data = data;
    GC_general_register_disappearing_link((void **)&weak->hidden, object);
    if (callback != NULL)
        ((arca_object *)object)->watcher = weak; /* all types with watched objects have a destroy */
    return weak;
}

static void *reveal(void *weak)
{
    GC_word hidden = ((arca_weak *)weak)->hidden;
    return hidden != 0 ? GC_REVEAL_POINTER(hidden) : NULL;
}

void *arca_weak_upgrade(arca_weak *weak)
{
    return GC_call_with_alloc_lock(reveal, weak);
}

void arca_weak_sever(arca_weak *weak)
{
    GC_unregister_disappearing_link((void **)&weak->hidden);
    weak->hidden = 0;
    weak->callback = NULL;
}

int arca_thread_attach(void)
{
    GC_INIT(); /* does nothing the second time */
    return 0;
}
