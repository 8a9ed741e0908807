{{/* The chart's name, or what stands in its place. */}}
{{- define "partner-gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/*
The name of objects. 52 characters: a StatefulSet's pods have its name and eleven more in a label, which holds 63.
*/}}
{{- define "partner-gateway.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "partner-gateway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "partner-gateway.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What selects the gateway's pods, and never changes. */}}
{{- define "partner-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "partner-gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end -}}

{{/* Labels of the pod of `helm test`, which the network policy lets in. */}}
{{- define "partner-gateway.testLabels" -}}
app.kubernetes.io/name: {{ include "partner-gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end -}}

{{/* Labels of every object. */}}
{{- define "partner-gateway.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" (include "partner-gateway.name" .)
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/part-of" "partner-gateway"
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_")
-}}
{{- merge $own .Values.commonLabels | toYaml -}}
{{- end -}}

{{- define "partner-gateway.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A duration of the configuration in whole seconds, rounded up. Takes a dict of key and text. */}}
{{- define "partner-gateway.seconds" -}}
{{- $text := toString .text -}}
{{- if not (regexMatch "^[0-9]+(ms|s|m|h|d)$" $text) -}}
{{- fail (printf "\n\n%s is %q; accepted: a duration such as 500ms, 30s, 5m, 1h" .key $text) -}}
{{- end -}}
{{- /* A zero in front would make the number octal. */ -}}
{{- $number := regexReplaceAll "^0+([0-9])" (regexFind "^[0-9]+" $text) "${1}" | int64 -}}
{{- $unit := regexFind "[a-z]+$" $text -}}
{{- $milliseconds := mul $number (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000) $unit) -}}
{{- div (add $milliseconds 999) 1000 -}}
{{- end -}}

{{/* The port of a listener. Takes a dict of key and text. */}}
{{- define "partner-gateway.port" -}}
{{- $text := toString .text -}}
{{- if not (regexMatch "^(\\[[0-9a-fA-F:.]+\\]|[0-9.]+):[1-9][0-9]*$" $text) -}}
{{- fail (printf "\n\n%s is %q; accepted: an IP address and a port, such as 0.0.0.0:8080" .key $text) -}}
{{- end -}}
{{- if or (hasPrefix "127." $text) (hasPrefix "[::1]" $text) -}}
{{- fail (printf "\n\n%s is %q, which nobody outside of the pod can reach; accepted: such as 0.0.0.0:%s" .key $text (regexFind "[0-9]+$" $text)) -}}
{{- end -}}
{{- $port := regexFind "[0-9]+$" $text -}}
{{- if gt (int64 $port) 65535 -}}
{{- fail (printf "\n\n%s is %q; accepted: a port up to 65535" .key $text) -}}
{{- end -}}
{{- $port -}}
{{- end -}}

{{- define "partner-gateway.publicPort" -}}
{{- include "partner-gateway.port" (dict "key" "config.server.listen" "text" .Values.config.server.listen) -}}
{{- end -}}

{{- define "partner-gateway.adminPort" -}}
{{- include "partner-gateway.port" (dict "key" "config.admin.listen" "text" .Values.config.admin.listen) -}}
{{- end -}}

{{/* "https" or "http": what callers speak. */}}
{{- define "partner-gateway.scheme" -}}
{{- ternary "https" "http" (not (empty .Values.config.server.tls)) -}}
{{- end -}}

{{- define "partner-gateway.servicePort" -}}
{{- if .Values.service.port -}}
{{- .Values.service.port | int -}}
{{- else -}}
{{- ternary 443 80 (eq (include "partner-gateway.scheme" .) "https") -}}
{{- end -}}
{{- end -}}

{{/* How long the pod may take to leave. The default of drain_timeout is config/default.yaml's. */}}
{{- define "partner-gateway.gracePeriod" -}}
{{- $drain := dig "drain_timeout" "25s" .Values.config.server -}}
{{- $drain = include "partner-gateway.seconds" (dict "key" "config.server.drain_timeout" "text" $drain) | int64 -}}
{{- add $drain .Values.shutdown.pauseSeconds .Values.shutdown.marginSeconds -}}
{{- end -}}

{{/* "true" where pods get a token for the Kubernetes API. */}}
{{- define "partner-gateway.apiAccess" -}}
{{- if kindIs "bool" .Values.kubernetesApi.access -}}
{{- .Values.kubernetesApi.access -}}
{{- else -}}
{{- $secrets := include "partner-gateway.tokenSecrets" . | fromJsonArray -}}
{{- or (not (empty $secrets)) (contains "/var/run/secrets/kubernetes.io/serviceaccount" (toJson .Values.config)) -}}
{{- end -}}
{{- end -}}

{{/* The Secrets of refresh tokens, as a JSON list. */}}
{{- define "partner-gateway.tokenSecrets" -}}
{{- $secrets := list -}}
{{- range $name, $account := .Values.config.accounts -}}
{{- with dig "refresh_token" "kubernetes_secret" nil $account -}}
{{- $secrets = append $secrets . -}}
{{- end -}}
{{- end -}}
{{- $secrets | uniq | toJson -}}
{{- end -}}

{{/* The checksum that replaces pods: of what the running gateway does not take up by itself. */}}
{{- define "partner-gateway.checksum" -}}
{{- $config := deepCopy .Values.config -}}
{{- if .Values.reloadInPlace -}}
{{- $config = omit $config "callers" "policy" -}}
{{- if dig "telemetry" "log" nil $config -}}
{{- $_ := set $config.telemetry "log" (omit $config.telemetry.log "filter") -}}
{{- end -}}
{{- end -}}
{{- toYaml $config | sha256sum -}}
{{- end -}}

{{/* Ports of URLs, as a JSON list without repeats. Takes a dict of urls and of the port of each scheme. */}}
{{- define "partner-gateway.ports" -}}
{{- $ports := list -}}
{{- range without .urls "" -}}
{{- $url := urlParse (trim .) -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $ports = append $ports (int (default (get $.schemes $url.scheme) $port)) -}}
{{- end -}}
{{- $ports | uniq | sortAlpha | toJson -}}
{{- end -}}

{{/*
A size such as 10GiB, as the configuration has it, or 20Gi, as Kubernetes has it, in bytes. Takes a dict of key and text;
a number that stands in a file of values is a float.
*/}}
{{- define "partner-gateway.bytes" -}}
{{- $text := toString .text -}}
{{- if kindIs "float64" .text -}}{{- $text = printf "%.0f" .text -}}{{- end -}}
{{- $text = trimSuffix "B" $text -}}
{{- $factors := dict "" 1 "K" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000
  "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $number := regexFind "^[0-9]+(\\.[0-9]+)?" $text -}}
{{- $unit := trimPrefix $number $text -}}
{{- if not (and $number (hasKey $factors $unit)) -}}
{{- fail (printf "\n\n%s is %v; accepted: a size such as 512MiB, 10GiB" .key .text) -}}
{{- end -}}
{{- mulf (float64 $number) (get $factors $unit) | int64 -}}
{{- end -}}
