{{/* A secret that stands in the configuration itself would be in the ConfigMap. */}}
{{- define "partner-gateway.checkSecrets" -}}
{{- $config := .Values.config -}}
{{- range $name, $account := $config.accounts -}}
{{- $key := printf "config.accounts.%s" $name -}}
{{- include "partner-gateway.checkSecret" (list (printf "%s.credential.client_secret" $key) (dig "credential" "client_secret" nil $account)) -}}
{{- include "partner-gateway.checkSecret" (list (printf "%s.refresh_token.nats.encryption_key" $key) (dig "refresh_token" "nats" "encryption_key" nil $account)) -}}
{{- end -}}
{{- range $index, $issuer := $config.callers.issuers -}}
{{- include "partner-gateway.checkSecret" (list (printf "config.callers.issuers[%d].jwks.bearer_token" $index) (dig "jwks" "bearer_token" nil $issuer)) -}}
{{- end -}}
{{- include "partner-gateway.checkSecret" (list "config.cluster.nats.credentials" (dig "cluster" "nats" "credentials" nil $config)) -}}
{{- range $index, $sink := $config.audit.sinks -}}
{{- include "partner-gateway.checkSecret" (list (printf "config.audit.sinks[%d].url" $index) $sink.url) -}}
{{- include "partner-gateway.checkHeaders" (list (printf "config.audit.sinks[%d].headers" $index) $sink.headers) -}}
{{- end -}}
{{- include "partner-gateway.checkHeaders" (list "config.telemetry.traces.headers" (dig "telemetry" "traces" "headers" nil $config)) -}}
{{- end -}}

{{/* Takes a list of key and headers. Those that hold a credential by their name are the product's (src/config/headers.rs). */}}
{{- define "partner-gateway.checkHeaders" -}}
{{- $key := index . 0 -}}
{{- range $name, $value := index . 1 -}}
{{- if or (kindIs "map" $value) (regexMatch "auth|cookie|token|secret|password|credential|apikey|key$" (lower $name)) -}}
{{- include "partner-gateway.checkSecret" (list (printf "%s.%s" $key $name) $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes a list of key and what stands there, which is not shown. */}}
{{- define "partner-gateway.checkSecret" -}}
{{- $found := index . 1 -}}
{{- if not (kindIs "invalid" $found) -}}
{{- $sound := false -}}
{{- if kindIs "map" $found -}}{{- $sound = or (eq (keys $found | join ",") "file") (eq (keys $found | join ",") "env") -}}{{- end -}}
{{- if not $sound -}}
{{- fail (printf "\n\n%s does not only refer to a secret: a ConfigMap is no place for one. Accepted: {file: PATH}, with the Secret under `files`, or {env: NAME}." (index . 0)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "partner-gateway.checkLeaving" -}}
{{- $drain := dig "drain_timeout" "25s" .Values.config.server -}}
{{- if gt (include "partner-gateway.seconds" (dict "key" "config.server.drain_timeout" "text" $drain) | int64) 3600 -}}
{{- fail (printf "\n\nconfig.server.drain_timeout is %q; accepted: 1h at most" $drain) -}}
{{- end -}}
{{- end -}}

{{/* Refresh tokens, and who may read them. */}}
{{- define "partner-gateway.checkTokens" -}}
{{- $values := .Values -}}
{{- $api := eq (include "partner-gateway.apiAccess" .) "true" -}}
{{- range $name, $account := .Values.config.accounts -}}
{{- $key := printf "config.accounts.%s.refresh_token" $name -}}
{{- if and (dig "refresh_token" "file" "" $account) (not $values.audit.persistence.enabled) -}}
{{- fail (printf "\n\n%s.file goes with each pod, for audit.persistence.enabled is false. Accepted: kubernetes_secret, nats or key_vault." $key) -}}
{{- end -}}
{{- if dig "refresh_token" "kubernetes_secret" nil $account -}}
{{- if not $api -}}
{{- fail (printf "\n\n%s.kubernetes_secret is read by the Kubernetes API, but kubernetesApi.access is false. Accepted: auto or true." $key) -}}
{{- end -}}
{{- if and $values.kubernetesApi.rbac (not (or $values.serviceAccount.create $values.serviceAccount.name)) -}}
{{- fail (printf "\n\n%s.kubernetes_secret would be open to the service account `default`, and so to every pod of the namespace that has no other. Accepted: serviceAccount.name, or serviceAccount.create." $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (not $api) (contains "/var/run/secrets/kubernetes.io/serviceaccount" (toJson .Values.config)) -}}
{{- fail "\n\nconfig names a file below /var/run/secrets/kubernetes.io/serviceaccount, but kubernetesApi.access is false, so that nothing is there. Accepted: auto or true." -}}
{{- end -}}
{{- end -}}
