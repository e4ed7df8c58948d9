#include <stdlib.h>

struct node {
    int value;
    struct node *next;
};

static struct node *push_front(struct node *head, int value) {
    struct node *created = malloc(sizeof *created);
    created->value = value;
    created->next = head;
    return created;
}
