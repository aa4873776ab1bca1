// A C2SP witness of Go's own parts: golang.org/x/mod reads the notes and checks the proofs, none of it ours.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const name = "witness.example/go"

type seen struct {
	size int64
	root tlog.Hash
	note []byte
}

// Usage: witness LOG_VKEY. Prints its address and its public key, one a line.
func main() {
	verifier, err := note.NewVerifier(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, ed25519.SeedSize))
	public := append([]byte{4}, private.Public().(ed25519.PublicKey)...)
	digest := sha256.Sum256(append([]byte(name+"\n"), public...))
	id := digest[:4]

	var mu sync.Mutex
	var last seen
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, err := io.ReadAll(r.Body)
		head, signed, ok := bytes.Cut(body, []byte("\n\n"))
		lines := strings.Split(string(head), "\n")
		old, isOld := strings.CutPrefix(lines[0], "old ")
		oldSize, errSize := strconv.ParseInt(old, 10, 64)
		if err != nil || !ok || !isOld || errSize != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		opened, err := note.Open(signed, note.VerifierList(verifier))
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		text := strings.Split(opened.Text, "\n")
		size, errSize := strconv.ParseInt(text[1], 10, 64)
		root, errRoot := tlog.ParseHash(text[2])
		if text[0] != verifier.Name() || errSize != nil || errRoot != nil || oldSize > size {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if oldSize != last.size {
			w.Header().Set("Content-Type", "text/x.tlog.size")
			w.WriteHeader(http.StatusConflict)
			fmt.Fprintf(w, "%d\n", last.size)
			return
		}
		var proof tlog.TreeProof
		for _, line := range lines[1:] {
			hash, err := tlog.ParseHash(line)
			if err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			proof = append(proof, hash)
		}
		if last.size > 0 {
			if err := tlog.CheckTree(proof, size, root, last.size, last.root); err != nil {
				http.Error(w, err.Error(), http.StatusUnprocessableEntity)
				return
			}
		}
		now := time.Now().Unix()
		message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", now, opened.Text)
		blob := binary.BigEndian.AppendUint64(append([]byte{}, id...), uint64(now))
		blob = append(blob, ed25519.Sign(private, []byte(message))...)
		line := fmt.Sprintf("\u2014 %s %s\n", name, base64.StdEncoding.EncodeToString(blob))
		last = seen{size, root, append(signed, line...)}
		fmt.Fprint(w, line)
	})
	mux.HandleFunc("GET /{origin}/checkpoint", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.PathValue("origin") != fmt.Sprintf("%x", sha256.Sum256([]byte(verifier.Name()))) || last.size == 0 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Write(last.note)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n%s+%x+%s\n", listener.Addr(), name, id, base64.StdEncoding.EncodeToString(public))
	log.Fatal(http.Serve(listener, mux))
}
