// The Pub/Sub fake of the Go client, which supports filters: pstest PORT.
package main

import (
	"log"
	"os"
	"strconv"

	"cloud.google.com/go/pubsub/v2/pstest"
)

func main() {
	port, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	pstest.NewServerWithPort(port)
	select {}
}
