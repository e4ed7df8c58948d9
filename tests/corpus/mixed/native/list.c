#include <stdlib.h>

struct node {
	int value;
	struct node *next;
};

/* Puts a value before the head. */
struct node *list_push(struct node *head, int value)
{
	struct node *node = malloc(sizeof *node);

	node->value = value;
	node->next = head;
	return node;
}

static int list_length(const struct node *head)
{
	int length = 0;
	while (head) {
		length++;
		head = head->next;
	}
	return length;
}
