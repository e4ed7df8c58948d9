package queue

// Item waits in a Queue.
type Item struct {
	Name     string
	Priority int
}

// Queue hands out the item with the highest priority.
type Queue struct {
	items []Item
}

// Push adds an item.
func (q *Queue) Push(item Item) {
	q.items = append(q.items, item)
}

func New() *Queue {
	return &Queue{}
}
