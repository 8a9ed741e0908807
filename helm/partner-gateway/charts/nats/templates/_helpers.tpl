{{/* The name of objects: with a number and more behind it, it must fit into a label. */}}
{{- define "partner-gateway-nats.fullname" -}}
{{- default (printf "%s-nats" (.Release.Name | trunc 47 | trimSuffix "-")) .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* What selects the servers' pods, and never changes. */}}
{{- define "partner-gateway-nats.selectorLabels" -}}
app.kubernetes.io/name: nats
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: nats
{{- end -}}

{{/* Labels of every object. */}}
{{- define "partner-gateway-nats.labels" -}}
{{- $own := dict
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/part-of" "partner-gateway"
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_")
-}}
{{- merge (include "partner-gateway-nats.selectorLabels" . | fromYaml) $own .Values.commonLabels | toYaml -}}
{{- end -}}

{{- define "partner-gateway-nats.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Nine tenths of the volume, in bytes: a file system that is full stops a server, a stream that is full does not. */}}
{{- define "partner-gateway-nats.room" -}}
{{- $size := .Values.persistence.size -}}
{{- $factors := dict "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "M" 1000000 "G" 1000000000 "T" 1000000000000 -}}
{{- $number := regexFind "^[0-9]+" $size -}}
{{- div (mul (int64 $number) (int64 (get $factors (trimPrefix $number $size))) 9) 10 -}}
{{- end -}}

{{- define "partner-gateway-nats.gracePeriod" -}}
{{- add .Values.shutdown.lameDuckSeconds .Values.shutdown.marginSeconds -}}
{{- end -}}

{{/* Refuses, in words, what a schema cannot see. */}}
{{- define "partner-gateway-nats.checks" -}}
{{- if not .Values.accounts.existingSecret -}}
{{- fail "\n\nnats.accounts.existingSecret is missing: the Secret with the part of nats.conf that says who may connect. The chart's README has an example." -}}
{{- end -}}
{{- if not (or .Values.tls.existingSecret .Values.networkPolicy.enabled) -}}
{{- fail "\n\nnats.tls.existingSecret is missing and nats.networkPolicy.enabled is false, so that whoever reaches a server could join the cluster. One of them is needed." -}}
{{- end -}}
{{- end -}}
