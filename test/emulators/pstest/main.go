// Pub/Sub by the fake of its Go client, which honours filters as the service does: pstest PORT.
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
