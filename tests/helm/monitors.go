// Reads objects of the Prometheus Operator from standard input, as strictly as its own types allow, and says which.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	documents "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

func main() {
	reader := documents.NewYAMLReader(bufio.NewReader(os.Stdin))
	for {
		document, err := reader.Read()
		if err == io.EOF {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		var kind struct{ Kind string }
		if err := yaml.Unmarshal(document, &kind); err != nil {
			log.Fatal(err)
		}
		var object any
		switch kind.Kind {
		case "ServiceMonitor":
			object = &monitoring.ServiceMonitor{}
		case "PodMonitor":
			object = &monitoring.PodMonitor{}
		case "PrometheusRule":
			object = &monitoring.PrometheusRule{}
		default:
			continue
		}
		if err := yaml.UnmarshalStrict(document, object); err != nil {
			log.Fatalf("%s: %v", kind.Kind, err)
		}
		fmt.Println(kind.Kind)
	}
}
