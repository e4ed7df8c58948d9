package server

import "net/http"

// Handler answers requests.
type Handler struct {
	count int
}

type Greeter interface {
	Greet(name string) string
}

const maxRequests = 100

func NewHandler() *Handler {
	return &Handler{}
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.count++
	if h.count > maxRequests {
		http.Error(w, "too many", http.StatusTooManyRequests)
		return
	}
	w.Write([]byte("hello"))
}
