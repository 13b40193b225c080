// A receiver in Go: WEBHOOK_SECRETS=whsec_… PORT=8000 go run main.go
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	toleranceS    = 300
	keyBytesLeast = 24
)

type event struct {
	Type string
	Data struct {
		TaskID string `json:"task_id"`
	}
}

type receiver struct {
	keys  [][]byte // the new and the old one during a change
	mutex sync.Mutex
	known map[string]bool // in earnest: a table with a unique column
}

// proven says whether body, as it arrived, was sent by your bridge just now.
func (r *receiver) proven(header http.Header, body []byte) bool {
	id, timestamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	at, err := strconv.ParseInt(timestamp, 10, 64)
	late := time.Now().Unix() - at
	if id == "" || err != nil || late > toleranceS || late < -toleranceS {
		return false
	}
	good := false
	for _, part := range strings.Split(header.Get("webhook-signature"), " ") {
		version, text, _ := strings.Cut(part, ",")
		theirs, err := base64.StdEncoding.DecodeString(text)
		if err != nil || version != "v1" {
			continue
		}
		for _, key := range r.keys {
			mac := hmac.New(sha256.New, key)
			fmt.Fprintf(mac, "%s.%s.", id, timestamp)
			mac.Write(body)
			good = hmac.Equal(mac.Sum(nil), theirs) || good
		}
	}
	return good
}

// isNew says whether this event comes for the first time; the same one may come again.
func (r *receiver) isNew(id string) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.known[id] {
		return false
	}
	r.known[id] = true
	return true
}

func (r *receiver) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(response, request.Body, 1<<20))
	var told event
	if err != nil || !r.proven(request.Header, body) || json.Unmarshal(body, &told) != nil {
		response.WriteHeader(http.StatusUnauthorized)
		return
	}
	response.WriteHeader(http.StatusNoContent)
	if r.isNew(request.Header.Get("webhook-id")) {
		go func() { fmt.Println(told.Type, told.Data.TaskID) }() // the work, after the answer
	}
}

func main() {
	r := &receiver{known: map[string]bool{}}
	for _, secret := range strings.Fields(os.Getenv("WEBHOOK_SECRETS")) {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			panic(err)
		}
		if len(key) < keyBytesLeast {
			continue // an empty one would let anybody in
		}
		r.keys = append(r.keys, key)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		panic(err)
	}
	fmt.Println("listening")
	panic(http.Serve(listener, r))
}
