// The OpenTelemetry Collector with its own receiver of OTLP, and an exporter that writes what was received to a file, a
// line a request, as the Collector itself puts logs and traces into JSON.
package main

import (
	"context"
	"log"
	"os"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

func main() {
	settings := otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "collector", Version: "0.150.0"},
		Factories: factories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{
			ResolverSettings: confmap.ResolverSettings{
				DefaultScheme:     "file",
				ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory()},
			},
		},
	}
	if err := otelcol.NewCommand(settings).Execute(); err != nil {
		log.Fatal(err)
	}
}

func factories() (otelcol.Factories, error) {
	receivers, err := otelcol.MakeFactoryMap[receiver.Factory](otlpreceiver.NewFactory())
	if err != nil {
		return otelcol.Factories{}, err
	}
	exporters, err := otelcol.MakeFactoryMap[exporter.Factory](exporter.NewFactory(
		component.MustNewType("lines"),
		func() component.Config { return &lines{} },
		exporter.WithLogs(createLogs, component.StabilityLevelStable),
		exporter.WithTraces(createTraces, component.StabilityLevelStable),
	))
	return otelcol.Factories{
		Receivers: receivers,
		Exporters: exporters,
		Telemetry: otelconftelemetry.NewFactory(),
	}, err
}

type lines struct {
	Path string `mapstructure:"path"`
}

func createLogs(ctx context.Context, settings exporter.Settings, config component.Config) (exporter.Logs, error) {
	file, err := open(config)
	if err != nil {
		return nil, err
	}
	write := func(_ context.Context, logs plog.Logs) error {
		return writeLine(file)((&plog.JSONMarshaler{}).MarshalLogs(logs))
	}
	return exporterhelper.NewLogs(ctx, settings, config, write)
}

func createTraces(ctx context.Context, settings exporter.Settings, config component.Config) (exporter.Traces, error) {
	file, err := open(config)
	if err != nil {
		return nil, err
	}
	write := func(_ context.Context, traces ptrace.Traces) error {
		return writeLine(file)((&ptrace.JSONMarshaler{}).MarshalTraces(traces))
	}
	return exporterhelper.NewTraces(ctx, settings, config, write)
}

func open(config component.Config) (*os.File, error) {
	return os.OpenFile(config.(*lines).Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

func writeLine(file *os.File) func([]byte, error) error {
	return func(line []byte, err error) error {
		if err == nil {
			_, err = file.Write(append(line, '\n'))
		}
		return err
	}
}
