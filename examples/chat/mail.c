#include "mail.h"

#include <assert.h>

void mail_init(struct mailbox *mailbox)
{
    pthread_mutex_init(&mailbox->lock, NULL);
}

bool mail_has_room(const struct mailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->count, memory_order_relaxed) < MAIL_MAX - MAIL_RESERVE;
}

bool mail_push(struct mailbox *mailbox, struct message *message, struct array *audience)
{
    struct letter letter = { arca_retain(message), arca_retain(audience) };
    pthread_mutex_lock(&mailbox->lock);
    assert(mailbox->count < MAIL_MAX);
    mailbox->letters[(mailbox->first + mailbox->count) % MAIL_MAX] = letter;
    bool was_empty = mailbox->count++ == 0;
    pthread_mutex_unlock(&mailbox->lock);
    return was_empty;
}

bool mail_take(struct mailbox *mailbox, struct letter *letter)
{
    pthread_mutex_lock(&mailbox->lock);
    bool any = mailbox->count != 0;
    if (any) {
        *letter = mailbox->letters[mailbox->first];
        mailbox->letters[mailbox->first] = (struct letter){ NULL, NULL };
        mailbox->first = (mailbox->first + 1) % MAIL_MAX;
        mailbox->count--;
    }
    pthread_mutex_unlock(&mailbox->lock);
    return any;
}
