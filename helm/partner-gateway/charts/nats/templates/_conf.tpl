{{/* nats.conf. The server's own name is an argument, and who may connect stands in a Secret. */}}
{{- define "partner-gateway-nats.conf" -}}
{{- $name := include "partner-gateway-nats.fullname" . -}}
listen: "0.0.0.0:4222"
http: "0.0.0.0:8222"
lame_duck_duration: "{{ int .Values.shutdown.lameDuckSeconds }}s"
jetstream {
  store_dir: "/var/lib/nats"
  max_file_store: {{ include "partner-gateway-nats.room" . }}
  # All streams of the gateway are on files.
  max_memory_store: 1048576
  sync_interval: {{ .Values.syncInterval | quote }}
}
{{- if gt (int .Values.replicas) 1 }}
cluster {
  name: {{ $name | quote }}
  listen: "0.0.0.0:6222"
  no_advertise: true
  routes: [
    {{- range $index := until (int .Values.replicas) }}
    "nats-route://{{ $name }}-{{ $index }}.{{ $name }}-headless.{{ $.Release.Namespace }}.svc:6222"
    {{- end }}
  ]
  {{- if .Values.tls.existingSecret }}
  {{- include "partner-gateway-nats.tls" . | nindent 2 }}
  {{- end }}
}
{{- end }}
{{- if .Values.tls.existingSecret }}
{{ include "partner-gateway-nats.tls" . }}
{{- end }}
include "accounts/accounts.conf"
{{- end -}}

{{/* Of clients the server wants no certificate, of other servers it always does. */}}
{{- define "partner-gateway-nats.tls" -}}
tls {
  cert_file: "/etc/nats/tls/tls.crt"
  key_file: "/etc/nats/tls/tls.key"
  ca_file: "/etc/nats/tls/ca.crt"
  min_version: "1.3"
}
{{- end -}}
