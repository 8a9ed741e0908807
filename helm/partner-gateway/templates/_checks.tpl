{{/*
Refuses, in words, what a schema cannot see. `partner-gateway check` says the rest before the pods start.
*/}}
{{- define "partner-gateway.checks" -}}
{{- $config := .Values.config -}}
{{- if not $config.accounts -}}
{{- fail "\n\nconfig.accounts is missing: the credentials for Partner Center, one account at least. ci/minimal-values.yaml in this chart shows the least that is needed." -}}
{{- end -}}
{{- if not $config.callers -}}
{{- fail "\n\nconfig.callers is missing: how callers are known. ci/minimal-values.yaml in this chart shows the least that is needed." -}}
{{- end -}}
{{- include "partner-gateway.checkNames" . -}}
{{- include "partner-gateway.checkSecrets" . -}}
{{- include "partner-gateway.checkLeaving" . -}}
{{- include "partner-gateway.checkPorts" . -}}
{{- include "partner-gateway.checkTokens" . -}}
{{- include "partner-gateway.checkScaling" . -}}
{{- if not (hasPrefix "/var/lib/partner-gateway/" $config.audit.dir) -}}
{{- fail (printf "\n\nconfig.audit.dir is %q; accepted: a directory inside /var/lib/partner-gateway, the one place that can be written to." $config.audit.dir) -}}
{{- end -}}
{{- $most := dig "max_bytes" "10GiB" $config.audit -}}
{{- $room := include "partner-gateway.bytes" (dict "key" "audit.persistence.size" "text" .Values.audit.persistence.size) | int64 -}}
{{- if le $room (include "partner-gateway.bytes" (dict "key" "config.audit.max_bytes" "text" $most) | int64) -}}
{{- $most = kindIs "float64" $most | ternary (int64 $most) $most -}}
{{- fail (printf "\n\naudit.persistence.size is %s, but the journal may grow to %v (config.audit.max_bytes). Accepted: more; a pod whose emptyDir is too large is evicted, and its journal with it." .Values.audit.persistence.size $most) -}}
{{- end -}}
{{- include "partner-gateway.checkSinks" . -}}
{{- include "partner-gateway.checkNats" . -}}
{{- range .Values.env -}}
{{- if hasPrefix "PARTNER_GATEWAY__" .name -}}
{{- fail (printf "\n\nenv has %s, which would override the configuration unseen by this chart. Write the key under `config`." .name) -}}
{{- end -}}
{{- end -}}
{{- include "partner-gateway.checkMounts" . -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
{{- fail "\n\nmetrics.serviceMonitor and metrics.podMonitor are both enabled, so that everything would be counted twice." -}}
{{- end -}}
{{- if and .Values.workloadIdentity.enabled .Values.serviceAccount.create (not .Values.workloadIdentity.clientId) -}}
{{- fail "\n\nworkloadIdentity.enabled is true, but workloadIdentity.clientId does not say for which application." -}}
{{- end -}}
{{- end -}}

{{- define "partner-gateway.checkSinks" -}}
{{- $policy := .Values.networkPolicy -}}
{{- $kept := false -}}
{{- range .Values.config.audit.sinks -}}
{{- if and .required (ne .kind "stdout") -}}{{- $kept = true -}}{{- end -}}
{{- if and (eq .kind "postgres") $policy.enabled (not $policy.egress.postgres) -}}
{{- fail (printf "\n\nThe sink %q is PostgreSQL, but networkPolicy.egress.postgres does not say where that is: pods by label, or addresses." .name) -}}
{{- end -}}
{{- end -}}
{{- if not (or $kept .Values.audit.persistence.enabled) -}}
{{- fail "\n\naudit.persistence.enabled is false, so the journal goes with each pod. config.audit.sinks must then have a sink with `required: true` (postgres, nats or otlp), which has the records." -}}
{{- end -}}
{{- range $key := list "whenScaled" "whenDeleted" -}}
{{- if and (eq (index $.Values.audit.persistence $key) "Delete") (not $kept) -}}
{{- fail (printf "\n\naudit.persistence.%s is Delete, so volumes go with records that are nowhere else. Accepted: Retain, or a sink with `required: true` (postgres, nats or otlp) in config.audit.sinks." $key) -}}
{{- end -}}
{{- end -}}
{{- if and $policy.enabled (dig "cluster" "nats" nil .Values.config) (not (or $policy.egress.nats .Values.nats.enabled)) -}}
{{- fail "\n\nconfig.cluster.nats is set, but networkPolicy.egress.nats does not say where that is: pods by label, or addresses." -}}
{{- end -}}
{{- if and $policy.enabled (include "partner-gateway.collectorPorts" . | fromJsonArray) (not $policy.egress.collector) -}}
{{- fail "\n\nA collector is configured, but networkPolicy.egress.collector does not say where it is: pods by label, or addresses." -}}
{{- end -}}
{{- end -}}

{{/* Where NATS comes with the gateway, the gateway must go to it. */}}
{{- define "partner-gateway.checkNats" -}}
{{- if .Values.nats.enabled -}}
{{- $name := include "partner-gateway-nats.fullname" .Subcharts.nats -}}
{{- $scheme := ternary "tls" "nats" (not (empty .Values.nats.tls.existingSecret)) -}}
{{- $wanted := printf "%s://%s.%s.svc" $scheme $name .Release.Namespace -}}
{{- $url := dig "cluster" "nats" "url" "" .Values.config -}}
{{- if not $url -}}
{{- fail (printf "\n\nnats.enabled is true, but config.cluster.nats does not name it, so that nobody would use it. Accepted: url: %s, with credentials that nats.accounts knows." $wanted) -}}
{{- end -}}
{{- $suffix := printf "(\\.%s(\\.svc(\\..+)?)?)?" (regexQuoteMeta .Release.Namespace) -}}
{{- $own := printf "^%s://(%s%s|%s-[0-9]+\\.%s-headless%s)(:4222)?$" $scheme (regexQuoteMeta $name) $suffix (regexQuoteMeta $name) (regexQuoteMeta $name) $suffix -}}
{{- range splitList "," $url -}}
{{- if not (regexMatch $own (trim .)) -}}
{{- fail (printf "\n\nnats.enabled is true, but config.cluster.nats.url is %q. Accepted: %s, or nats.enabled: false for a NATS that is elsewhere." $url $wanted) -}}
{{- end -}}
{{- end -}}
{{- $copies := dig "cluster" "nats" "replicas" 3 .Values.config | int -}}
{{- if gt $copies (int .Values.nats.replicas) -}}
{{- fail (printf "\n\nconfig.cluster.nats.replicas is %d, but nats.replicas is %d: there cannot be more copies than servers." $copies (int .Values.nats.replicas)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Ports of collectors, as a JSON list; 443 is open already, but where it is said who listens there. */}}
{{- define "partner-gateway.collectorPorts" -}}
{{- $urls := list -}}
{{- range .Values.config.audit.sinks -}}
{{- if eq .kind "otlp" -}}{{- $urls = append $urls .endpoint -}}{{- end -}}
{{- end -}}
{{- with dig "telemetry" "traces" "otlp_endpoint" "" .Values.config -}}{{- $urls = append $urls . -}}{{- end -}}
{{- $ports := include "partner-gateway.ports" (dict "urls" $urls "schemes" (dict "http" 80 "https" 443)) | fromJsonArray -}}
{{- $others := list -}}
{{- range $ports -}}{{- if or (ne (int .) 443) $.Values.networkPolicy.egress.collector -}}{{- $others = append $others (int .) -}}{{- end -}}{{- end -}}
{{- toJson $others -}}
{{- end -}}
